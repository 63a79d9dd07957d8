"""Drop assignments, captures and texts that nothing in a function reads."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def drop_unused(node: ast.FunctionDef) -> None:
    """Drop assignments to names that nothing reads any more.

    Args:
        node: The function, which is changed.
    """
    changed = True
    while changed:
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)
                and isinstance(n.ctx, ast.Load)}  # fmt: skip
        changed = False
        for pattern in ast.walk(node):
            if isinstance(pattern, ast.MatchClass):
                _capture_less(pattern, read)
        for holder in ast.walk(node):
            for field in ("body", "orelse"):
                body = getattr(holder, field, None)
                if isinstance(body, list):
                    left = [s for s in body if not _is_unused(s, read)]
                    changed = changed or len(left) < len(body)
                    setattr(holder, field, left)
                    for statement in left:
                        changed = _unpack_less(statement, read) or changed


def _capture_less(node: ast.MatchClass, read: set[str]) -> None:
    """Drop what a pattern captures and nothing reads."""
    kept = [
        (name, part)
        for name, part in zip(node.kwd_attrs, node.kwd_patterns, strict=True)
        if not isinstance(part, ast.MatchAs) or part.name in read
    ]
    node.kwd_attrs, node.kwd_patterns = [n for n, _ in kept], [part for _, part in kept]


def _blank(target: ast.expr, read: set[str]) -> None:
    """Call ``_`` what is unpacked and not read."""
    for part in ast.walk(target):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id not in read:
            part.id = "_"


def _is_unused(node: ast.stmt, read: set[str]) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name not in read and not any(isinstance(n, ast.Call) for n in ast.walk(value))
    return False


def _unpack_less(node: ast.stmt, read: set[str]) -> bool:
    """Drop the parts of ``a, b = x, y`` that nothing reads."""
    match node:
        case ast.Assign(
            targets=[ast.Tuple(elts=targets) as left], value=ast.Tuple(elts=values) as right
        ):
            if len(targets) != len(values):
                return False
            for target in targets:
                if isinstance(target, ast.Tuple):
                    _blank(target, read)
            kept = [
                (target, value) for target, value in zip(targets, values, strict=True)
                if not _is_unused(ast.Assign([target], value), read)
            ]  # fmt: skip
            if len(kept) == len(targets):
                return False
            left.elts, right.elts = [t for t, _ in kept], [v for _, v in kept]
            if len(kept) == 1:
                node.targets, node.value = [kept[0][0]], kept[0][1]
            return True
    return False


def short_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return a body with the first line of its docstring, and no other text.

    Args:
        body: The statements.

    Returns:
        The statements that are left.
    """
    found: list[ast.stmt] = []
    for k, statement in enumerate(body):
        match statement:
            case ast.Expr(value=ast.Constant(value=str(text))):
                if k == 0:
                    statement.value = ast.Constant(text.strip().splitlines()[0])
                    found.append(statement)
            case _:
                found.append(statement)
    return found

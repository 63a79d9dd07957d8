"""Folded definitions as source text: as it was written wherever nothing changed, with its comments."""

from __future__ import annotations

import ast
import io
import itertools
import re
import textwrap
import tokenize
from typing import Any, NamedTuple

from evidence.reproducer.source.modules import SHARED, Module

WIDTH = 100
DIRECTIVE = re.compile(r"\s*# (type:|noqa|fmt:).*$")
BUILTIN = ("bool", "float", "int", "object", "str")
LOOSE = (ast.Lambda, ast.IfExp, ast.BoolOp, ast.BinOp, ast.Compare, ast.UnaryOp)
"""Expressions that need parentheses where a look-up stood."""
INDENT = "    "


def written(node: ast.stmt, where: Module) -> str:
    """Write a definition of the top of a module.

    Args:
        node: Its statement, perhaps changed since it was parsed.
        where: The module that it was parsed from.

    Returns:
        Its source.
    """
    return "\n".join(_Writer(where).statement(node, 0))


class _Edit(NamedTuple):
    """A span of the file's bytes, and what stands there now."""

    start: int
    end: int
    text: str


class _Writer:
    """Writes the statements of one module."""

    def __init__(self, where: Module) -> None:
        self.where = where

    def statement(self, node: ast.stmt, level: int) -> list[str]:
        """The lines of a statement at this depth."""
        if _is_text(node):
            return _docstring(node, level)
        if isinstance(node, ast.Match):
            return self._match(node, level)
        blocks = self._blocks(node)
        comments = self._comments(node, level)
        if not blocks:
            return comments + self._simple(node, level)
        found = [] if level == 0 else comments
        for heads, body in blocks:
            found += [line for head in heads for line in wrapped(head, level)]
            found += self._block(node, body or [ast.Pass()], level + 1)
        return found

    def _match(self, node: ast.Match, level: int) -> list[str]:
        found = [f"{INDENT * level}match {self._line(node.subject)}:"]
        for case in node.cases:
            found.append(f"{INDENT * (level + 1)}case {_unparsed(case.pattern)}:")
            found += self._block(node, case.body, level + 2)
        return found

    def _block(self, owner: ast.stmt, body: list[ast.stmt], level: int) -> list[str]:
        """Statements one below the other, functions apart from the rest."""
        found: list[str] = []
        for k, statement in enumerate(body):
            above = body[k - 1] if k else None
            apart = isinstance(statement, ast.FunctionDef) or isinstance(above, ast.FunctionDef)
            title = above is not None and isinstance(owner, ast.ClassDef) and _is_text(above)
            if k and (title or apart) and not (isinstance(statement, ast.FunctionDef) and k == 1
                                               and not isinstance(owner, ast.ClassDef)
                                               and above is not None and _is_text(above)):  # fmt: skip
                found.append("")
            found += self.statement(statement, level)
        return found

    def _simple(self, node: ast.stmt, level: int) -> list[str]:
        text, kept = self._text(node)
        first = node.col_offset if kept else 0
        lines = textwrap.dedent(" " * first + text).splitlines()
        if len(lines) == 1:
            end = self._after(node) if text == self._segment(node) else ""
            return wrapped(lines[0] + end, level)
        return [INDENT * level + line if line else "" for line in lines]

    def text(self, node: ast.AST) -> str:
        """The source of a node, the parts that changed replaced."""
        return self._text(node)[0]

    def _text(self, node: ast.AST) -> tuple[str, bool]:
        """The same, and whether any of it is as it was."""
        number = getattr(node, "number", None)
        edits = None if number is None else self._edits(self.where.nodes[number], node)
        if number is None or edits is None:
            return _unparsed(node), False
        old = self.where.nodes[number]
        start, end = self._span(old)
        source = self.where.source
        for edit in sorted(edits, reverse=True):
            source = source[: edit.start] + edit.text.encode() + source[edit.end :]
            end += len(edit.text.encode()) - (edit.end - edit.start)
        lines = source[start:end].decode().splitlines()
        whole = len(edits) == 1 and edits[0][:2] == self._span(old)
        return "\n".join(DIRECTIVE.sub("", line) for line in lines), not whole

    def _segment(self, node: ast.AST) -> str:
        number = getattr(node, "number", None)
        if number is None:
            return ""
        start, end = self._span(self.where.nodes[number])
        return self.where.source[start:end].decode()

    def _edits(self, old: ast.AST, new: ast.AST) -> list[_Edit] | None:
        """Return the edits from the old node's source to the new one's; None where all of it changed."""
        if isinstance(old, SHARED):
            return [] if type(old) is type(new) else None
        if getattr(new, "number", None) != getattr(old, "number", -1):
            if not hasattr(old, "lineno"):
                return None
            text = self.text(new)
            loose = isinstance(old, ast.Subscript) and isinstance(new, LOOSE)
            return [_Edit(*self._span(old), f"({text})" if loose else text)]
        found: list[_Edit] = []
        for field, before in ast.iter_fields(old):
            after = getattr(new, field, None)
            olds = before if isinstance(before, list) else [before]
            news = after if isinstance(after, list) else [after]
            if len(olds) != len(news):
                return self._whole(old, new)
            for one, other in zip(olds, news, strict=True):
                if isinstance(one, ast.AST) and isinstance(other, ast.AST):
                    edits = self._edits(one, other)
                    if edits is None:
                        return self._whole(old, new)
                    found += edits
                elif one != other:
                    return self._whole(old, new)
        return found

    def _whole(self, old: ast.AST, new: ast.AST) -> list[_Edit] | None:
        return [_Edit(*self._span(old), _unparsed(new))] if hasattr(old, "lineno") else None

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """The first byte of a node and the one after its last."""
        starts = self.where.starts
        place: Any = node
        return (
            starts[place.lineno - 1] + place.col_offset,
            starts[place.end_lineno - 1] + place.end_col_offset,
        )

    def _comments(self, node: ast.stmt, level: int) -> list[str]:
        """The lines of comment right above a statement."""
        if not hasattr(node, "number"):
            return []
        found: list[str] = []
        old: Any = self.where.nodes[node.number]
        number = old.lineno - 2
        while level and number >= 0 and self.where.lines[number].lstrip().startswith("# "):
            found.insert(0, INDENT * level + self.where.lines[number].strip())
            number -= 1
        return [line for line in found if not DIRECTIVE.match(line)]

    def _after(self, node: ast.stmt) -> str:
        """The comment behind a statement that is as it was."""
        old = self.where.nodes[node.number]  # type: ignore[attr-defined]  # an attribute of our own
        _, end = self._span(old)
        rest = self.where.source[end:].split(b"\n", 1)[0].decode()
        return DIRECTIVE.sub("", rest).rstrip() if rest.lstrip().startswith("#") else ""

    def _line(self, node: ast.AST) -> str:
        """An expression in one line."""
        text = self.text(node)
        return _unparsed(node) if "\n" in text else text

    def _blocks(self, node: ast.stmt) -> list[tuple[list[str], list[ast.stmt]]]:
        """The heads of a compound statement, each with its body; none of a simple statement."""
        match node:
            case ast.FunctionDef():
                head = f"def {node.name}({_unparsed(node.args)}):"
                return [([*self._decorators(node), head], node.body)]
            case ast.ClassDef():
                inside = [*map(self._line, node.bases),
                          *(f"{k.arg}={self._line(k.value)}" for k in node.keywords)]  # fmt: skip
                bases = f"({', '.join(inside)})" if inside else ""
                head = f"class {node.name}{bases}:"
                return [([*self._decorators(node), head], [_field(s) for s in node.body])]
            case ast.If():
                found = [([f"if {self._line(node.test)}:"], node.body)]
                match node.orelse:
                    case []:
                        return found
                    case [ast.If() as more]:
                        (first, body), *rest = self._blocks(more)
                        return [*found, ([f"el{first[0]}"], body), *rest]
                return [*found, (["else:"], node.orelse)]
            case ast.For():
                head = f"for {self._line(node.target)} in {self._line(node.iter)}:"
                return [([head], node.body)]
            case ast.While():
                return [([f"while {self._line(node.test)}:"], node.body)]
            case ast.With():
                return [([f"with {', '.join(map(_unparsed, node.items))}:"], node.body)]
        return []

    def _decorators(self, node: ast.FunctionDef | ast.ClassDef) -> list[str]:
        return [f"@{self._line(d)}" for d in node.decorator_list]


def _is_text(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _docstring(node: ast.stmt, level: int) -> list[str]:
    text = ast.literal_eval(ast.unparse(node))
    return [f'{INDENT * level}"""{text}"""']


def _unparsed(node: ast.AST) -> str:
    """Source of a node that was made here, its strings in double quotes."""
    text = ast.unparse(node)
    found, last = "", 0
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except tokenize.TokenError:  # a part of a statement
        return text
    for token in tokens:
        if token.type == tokenize.STRING and token.string.endswith("'") and '"' not in token.string:
            start = offsets[token.start[0] - 1] + token.start[1]
            end = offsets[token.end[0] - 1] + token.end[1]
            found += text[last:start] + token.string.replace("'", '"')
            last = end
    return found + text[last:]


def _field(node: ast.stmt) -> ast.stmt:
    """A field of a class, with a type that needs no import."""
    match node:
        case ast.AnnAssign(annotation=annotation):
            if "ClassVar" in ast.unparse(annotation) and node.value is not None:
                return ast.copy_location(ast.Assign([node.target], node.value), node)
            plain = isinstance(annotation, ast.Name) and annotation.id in BUILTIN
            kind = annotation if plain else ast.Name("object", ast.Load())
            return ast.copy_location(ast.AnnAssign(node.target, kind, node.value, 1), node)
    return node


def wrapped(code: str, level: int) -> list[str]:
    """Break a line that is too long at the commas of its longest outermost brackets.

    Args:
        code: Code in one line.
        level: How deep it is indented.

    Returns:
        Its lines, indented.
    """
    indent = INDENT * level
    if len(indent) + len(code) <= WIDTH or "\n" in code:
        return [indent + line for line in code.splitlines()]
    depth, start = 0, 0
    cuts: list[int] = []
    best: tuple[int, int, list[int]] = (0, 0, [])
    quote, one_part = "", False
    for k, character in enumerate(code):
        if quote:
            quote = "" if character == quote and code[k - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
            if depth == 1:
                start, cuts, one_part = k, [], False
        elif character in ")]}":
            depth -= 1
            if depth == 0 and k - start > best[1] - best[0]:
                best = start, k, cuts
        elif character == "," and depth == 1 and not one_part:
            cuts.append(k)
        elif depth == 1 and code.startswith(" for ", k):  # a comprehension is one part
            cuts.clear()
            one_part = True
    start, end, cuts = best
    if end - start < 20:
        return [indent + code]
    places = [start, *cuts, end]
    parts = [code[a + 1 : b].strip() for a, b in itertools.pairwise(places)]
    parts = [part for part in parts if part]
    comma = "," if cuts else ""
    inner = [line for k, part in enumerate(parts)
             for line in wrapped(part + ("," if k < len(parts) - 1 else comma), level + 1)]  # fmt: skip
    return [indent + code[: start + 1], *inner, indent + code[end:]]

"""A definition as one case needs it: the branches that the case cannot take are left out.

A test is decided from ``Facts`` where all that it depends on is known; every other test stays as it is.
Annotations, assertions and checks of arguments are left out too.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, TypeVar

from evidence.reproducer.source.facts import Facts, Values, defined
from evidence.reproducer.source.known import Elements, Knowledge, Typed, classes_of, target_of
from evidence.reproducer.source.modules import Definition, Module, module
from evidence.reproducer.source.unused import drop_unused, short_docstring

Node = TypeVar("Node", bound=ast.AST)


def copied(node: Node) -> Node:
    """Return a copy of a syntax tree, faster than ``copy.deepcopy``.

    Args:
        node: The tree.

    Returns:
        A tree of new nodes with the same attributes.
    """
    new = type(node)()
    for name, value in vars(node).items():
        setattr(new, name, _copied(value))
    return new


def _copied(value: Any) -> Any:
    if isinstance(value, ast.AST):
        return copied(value)
    if isinstance(value, list):
        return [_copied(part) for part in value]
    return value


class _Fold(Knowledge, ast.NodeTransformer):
    """Leaves out what a case does not need from one definition."""

    def __init__(self, where: Module, facts: Facts) -> None:
        super().__init__(where, facts)
        self.needed: dict[Definition, set[int] | None] = {}
        """Rows of tables that are looked up; None where all may be."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.enter(node.args, node.body)
        arguments = node.args
        self.annotate_arguments(arguments)
        for part in ast.walk(arguments):
            if isinstance(part, ast.arg):
                part.annotation = None
        node.returns = None
        node.decorator_list = [d for d in map(self.visit, node.decorator_list) if not _dropped(d)]
        node.args = self.generic_visit(arguments)  # type: ignore[assignment]  # it visits arguments and returns them
        node.body = self._body(node.body)
        drop_unused(node)
        self.leave()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.enter(node.args, [])
        self.generic_visit(node)
        self.leave()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        me = Definition(self.where.name, node.name)
        self.scopes.append({"self": Typed(me)})
        body: list[ast.stmt] = []
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):  # a field; or a constant of the class
                body.append(statement)
            else:
                body += self._body([statement])
        node.body = short_docstring(body)
        self.scopes.pop()
        return node

    def _body(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements that remain; none after one that leaves the function."""
        found: list[ast.stmt] = []
        for statement in short_docstring(body):
            visited = self.visit(statement)
            found += visited if isinstance(visited, list) else [visited] if visited else []
            if found and isinstance(found[-1], ast.Return | ast.Raise):
                break
        return found

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                setattr(node, field, self._body(body))
        done = {"body", "orelse", "finalbody"} if isinstance(node, ast.stmt) else set()
        for field, value in ast.iter_fields(node):
            if field in done:
                continue
            if isinstance(value, list):
                setattr(
                    node, field, [self.visit(v) if isinstance(v, ast.AST) else v for v in value]
                )
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def visit_Assert(self, node: ast.Assert) -> None:
        """Drop it: it tells a type checker what is so."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            name = node.value.func.id.lstrip("_")
            if name.startswith("check_"):
                return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        plain = ast.copy_location(ast.Assign([node.target], node.value), node)
        return self.visit(plain)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        for target in node.targets:
            self.learn(target, node.value)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.learn_loop(node.target, node.iter)
        return self.generic_visit(node)

    def _over(self, node: ast.AST) -> ast.AST:
        for generator in node.generators:  # type: ignore[attr-defined]  # each comprehension has generators
            self.learn_loop(generator.target, generator.iter)
        return self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _over

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        truth = self.truth(node.test)
        if truth is not None:
            return self._body(node.body if truth else node.orelse)
        self.generic_visit(node)
        if not node.body and not node.orelse:
            return []
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        truth = self.truth(node.test)
        if truth is not None:
            return self.visit(node.body if truth else node.orelse)
        node.test, node.body, node.orelse = map(self.visit, (node.test, node.body, node.orelse))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        truth = self.truth(node)
        return self.generic_visit(node) if truth is None else ast.Constant(truth)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if all(_is_test(value) for value in node.values) and self.truth(node) is not None:
            return ast.Constant(self.truth(node))
        decisive = isinstance(node.op, ast.Or)
        left: list[ast.expr] = []
        for value in node.values:
            truth = self.truth(value)
            if truth is None or truth is decisive or value is node.values[-1]:
                left.append(self.visit(value))
            if truth is decisive:
                break
        if len(left) > 1 and self.truth(node.values[-1]) is (not decisive):
            left = left[:-1] if _is_test(node.values[-1]) else left
        node.values = left
        return left[0] if len(left) == 1 else node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [test for test in node.ifs if self.truth(test) is not True]
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST | list[ast.stmt]:
        node.cases = [case for case in node.cases if self._may_match(case)]
        subject = self.known(node.subject)
        if (
            subject is None
            or isinstance(subject, Typed | Elements)
            or not isinstance(node.subject, ast.Name)
        ):
            return self.generic_visit(node)
        name, rest, cases = node.subject.id, list(subject), []
        for case in node.cases:
            kinds = _pattern_classes(case.pattern, self.where)
            fitting = rest if kinds is None else [v for v in rest if defined(type(v)) in kinds]
            if not fitting or case.guard:
                continue
            rest = [v for v in rest if not any(v is other for other in fitting)]
            self.scopes.append({name: fitting})
            captured = _captures(case.pattern, node.subject)
            for statement in captured:
                self.scopes[-1][statement.targets[0].id] = self.known(statement.value)  # type: ignore[attr-defined]  # a capture is an assignment to one name
            case.body = self._body(case.body)
            self.scopes.pop()
            cases.append((case, captured))
        if len(cases) == 1 and not rest:
            (case, captured), *_ = cases
            return [*captured, *case.body]
        node.cases = [case for case, _ in cases]
        return node

    def _may_match(self, case: ast.match_case) -> bool:
        """Tell whether any object of the case is of a class that the pattern names."""
        pattern = case.pattern
        if isinstance(pattern, ast.MatchOr):
            pattern.patterns = [
                each for each in pattern.patterns
                if not all(map(self.facts.has_none, _pattern_classes(each, self.where) or (None,)))
            ]  # fmt: skip
            if len(pattern.patterns) == 1:
                (case.pattern,) = pattern.patterns
            return bool(pattern.patterns)
        kinds = _pattern_classes(pattern, self.where)
        return kinds is None or not all(map(self.facts.has_none, kinds))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A test of a class names those alone that the case has."""
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            truth = self.truth(node)
            if truth is not None:
                return ast.Constant(truth)
        match node:
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.BinOp() as union]):
                some = [each for each in _members(union)
                        if not all(map(self.facts.has_none, classes_of(each, self.where)))]  # fmt: skip
                if some and len(some) < len(_members(union)):
                    joined = some[0]
                    for each in some[1:]:
                        joined = ast.BinOp(joined, ast.BitOr(), each)
                    node.args[1] = joined
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """A look-up in a table: the row itself where it is always the same, or only such rows."""
        found = self._table(node.value)
        if found is None:
            return self.generic_visit(node)
        definition, table, home = found
        keys = self.known(node.slice)
        rows = (
            None if keys is None or isinstance(keys, Typed | Elements) else _rows(table, home, keys)
        )
        if rows is not None and len(rows) == 1 and isinstance(node.ctx, ast.Load):
            row = copied(table.values[rows.pop()])
            if definition is None:
                return self.visit(row)
            for part in ast.walk(row):  # from another module, perhaps
                if hasattr(part, "number"):
                    del part.number
                if isinstance(part, ast.Name):
                    part.home = home.name  # type: ignore[attr-defined]  # an attribute of our own
            return row
        if definition and rows is not None:
            before = self.needed.get(definition, set())
            self.needed[definition] = None if before is None else before | rows
            node.value.partly = True  # type: ignore[attr-defined]  # an attribute of our own
            node.slice = self.visit(node.slice)
            return node
        return self.generic_visit(node)

    def _table(self, node: ast.expr) -> tuple[Definition | None, ast.Dict, Module] | None:
        """The dictionary that an expression is, written here or at the top of a module of ours."""
        if isinstance(node, ast.Dict):
            return None, node, self.where
        if isinstance(node, ast.Name) and any(node.id in scope for scope in self.scopes[1:]):
            return None
        found = target_of(node, self.where)
        if not isinstance(found, Definition):
            return None
        home = module(found.module)
        value = getattr(home.definitions[found.name], "value", None)
        return (found, value, home) if isinstance(value, ast.Dict) else None


def fold(
    nodes: Sequence[ast.stmt], where: Module, facts: Facts
) -> tuple[list[ast.stmt], dict[Definition, set[int] | None]]:
    """Leave out what a case does not need from statements of the top of a module.

    Args:
        nodes: The statements, which stay as they are.
        where: Their module.
        facts: What is known of the case.

    Returns:
        New statements; and the rows of tables that they look up, None where those may be any.
    """
    folding = _Fold(where, facts)
    return [folding.visit(copied(node)) for node in nodes], folding.needed


def restricted(node: ast.stmt, rows: set[int] | None) -> ast.stmt:
    """Leave out rows of a table.

    Args:
        node: The assignment of a dictionary.
        rows: The rows to keep; None for all.

    Returns:
        The assignment of those rows.
    """
    table = getattr(node, "value", None)
    if rows is None or not isinstance(table, ast.Dict):
        return node
    table.keys = [key for k, key in enumerate(table.keys) if k in rows]
    table.values = [value for k, value in enumerate(table.values) if k in rows]
    return node


def _rows(table: ast.Dict, home: Module, keys: Values) -> set[int] | None:
    """The rows of these keys; None where there is none. A key without a row is not looked up."""
    found = set()
    for key in keys:
        for k, node in enumerate(table.keys):
            if isinstance(key, type):
                fits = node is not None and target_of(node, home) == defined(key)
            else:
                fits = isinstance(node, ast.Constant) and node.value == key
            if fits:
                found.add(k)
    return found or None


def _members(node: ast.expr) -> list[ast.expr]:
    """The parts of a union."""
    if isinstance(node, ast.BinOp):
        return [*_members(node.left), *_members(node.right)]
    return [node]


def _pattern_classes(pattern: ast.pattern, where: Module) -> set[Definition | None] | None:
    """The classes that a pattern matches; None for all."""
    match pattern:
        case ast.MatchClass(cls=kind):
            return set(classes_of(kind, where))
        case ast.MatchOr(patterns=patterns):
            found = [_pattern_classes(each, where) for each in patterns]
            return {kind for each in found if each for kind in each}
    return None


def _captures(pattern: ast.pattern, subject: ast.Name) -> list[ast.Assign]:
    """Return the names that a class pattern binds, as assignments."""
    if not isinstance(pattern, ast.MatchClass):
        return []
    return [
        ast.Assign(
            [ast.Name(part.name, ast.Store())],
            ast.Attribute(ast.Name(subject.id, ast.Load()), attribute, ast.Load()),
            lineno=pattern.lineno,
        )
        for attribute, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)
        if isinstance(part, ast.MatchAs) and part.name
    ]


def _is_test(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _dropped(decorator: ast.expr) -> bool:
    """Tell whether a script does without a decorator: its arrays are NumPy's alone."""
    return isinstance(decorator, ast.Name) and decorator.id == "singledispatch"

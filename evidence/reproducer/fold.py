"""A definition as one case needs it: the branches that the case cannot take are left out.

A test is decided from ``Facts`` where all that it depends on is known; every other test stays as it is.
Annotations, assertions and checks of arguments are left out too.
"""

from __future__ import annotations

import ast
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from evidence.reproducer.facts import Facts, Values, defined
from evidence.reproducer.modules import Definition, Module, Submodule, Target, member, module

PLAIN = (str, int, float, bool, tuple, type(None))
IMPORTABLE = ("reference", "backends.dialects", "backends.layouts", "backends.adapter")
"""Modules whose constants can be read, since they import no framework."""

COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Is: lambda a, b: a is b,
    ast.IsNot: lambda a, b: a is not b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


Node = TypeVar("Node", bound=ast.AST)


class Typed(NamedTuple):
    """An unknown object of a known class of ours."""

    kind: Definition


class Elements(NamedTuple):
    """A tuple of unknown length, of these values."""

    values: list[Any]


Known = list[Any] | Typed | Elements | None
"""Knowledge of an expression: its possible values, its class, its elements; or None."""


def target_of(node: ast.expr, where: Module) -> Target | None:
    """Return the definition that ``name`` or ``module.name`` stands for at the top of a module.

    Args:
        node: The expression.
        where: The module that it is in.

    Returns:
        The target, or None for any other expression.
    """
    if isinstance(node, ast.Name):
        home = getattr(node, "home", "")
        return (module(home) if home else where).resolve(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        base = where.resolve(node.value.id)
        return member(base.module, node.attr) if isinstance(base, Submodule) else None
    return None


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


class _Fold(ast.NodeTransformer):
    """Leaves out what a case does not need from one definition."""

    def __init__(self, where: Module, facts: Facts) -> None:
        self.where, self.facts = where, facts
        self.scopes: list[dict[str, Known]] = [{}]
        self.once: list[set[str]] = [set()]
        """The names that are bound once, for every scope."""
        self.needed: dict[Definition, set[int] | None] = {}
        """Rows of tables that are looked up; None where all may be."""

    # What is known.

    def known(self, node: ast.expr) -> Known:  # noqa: PLR0912  # one case for each kind of expression
        """Return what is known of an expression.

        Args:
            node: The expression, in the current scope.

        Returns:
            Its possible values, its class, its elements, or None.
        """
        match node:
            case ast.Constant(value=value):
                return [value]
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript(value=value, slice=ast.Slice()):
                values = self.elements(value)
                return values and Elements(values)
            case ast.Subscript(value=value) if isinstance(found := self.known(value), Elements):
                return found.values
            case ast.Subscript(value=table, slice=key):
                pairs = self._pairs(table, key)
                return _all(lambda a, b: a[b], pairs)
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                compare = COMPARISONS.get(type(operator))
                return compare and _all(_plainly(compare, operator), self._pairs(left, right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self.truth(operand)
                return None if truth is None else [not truth]
            case ast.BoolOp(op=operator, values=values):
                decisive = isinstance(operator, ast.Or)
                truths = [self.truth(value) for value in values]
                if decisive in truths:
                    return [decisive]
                return None if None in truths else [not decisive]
            case ast.Call(func=ast.Name(id="isinstance"), args=[value, classes]):
                return self._isinstance(value, classes)
            case ast.Call(func=ast.Name(id="type"), args=[value]):
                found = self.known(value)
                return (
                    found
                    if found is None or isinstance(found, Typed | Elements)
                    else [*map(type, found)]
                )
            case ast.Call(func=ast.Name(id="len"), args=[value]):
                return _all(lambda a, _: len(a), self._pairs(value, ast.Constant(0)))
            case ast.Tuple(elts=[]):
                return [()]
            case ast.Call(func=ast.Attribute(value=array, attr="all"), args=[], keywords=[]):
                arrays = self.known(array)
                if isinstance(arrays, list) and all(isinstance(a, np.ndarray) for a in arrays):
                    return [bool(a.all()) for a in arrays]
            case ast.Call(func=ast.Name()):
                return self._called(node.func)
        return None

    def elements(self, node: ast.expr) -> list[Any] | None:
        """Return every value that an element of a sequence can have.

        Args:
            node: The sequence.

        Returns:
            The values, or None where they are not known.
        """
        found = self.known(node)
        if isinstance(found, Elements):
            return found.values
        if isinstance(found, list) and all(isinstance(value, tuple) for value in found):
            return [part for value in found for part in value]
        return None

    def truth(self, node: ast.expr) -> bool | None:
        """Decide a test.

        Args:
            node: The test.

        Returns:
            True where it always holds, False where it never does, None where it depends on the run.
        """
        found = self.known(node)
        if found is None or isinstance(found, Typed | Elements):
            return None
        if any(isinstance(value, np.ndarray) for value in found):
            return None
        truths = {bool(value) for value in found}
        return truths.pop() if len(truths) == 1 else None

    def _called(self, function: ast.expr) -> Known:
        """Look into a function of ours that is one expression of what is known everywhere."""
        found = target_of(function, self.where)
        if not isinstance(found, Definition):
            return None
        home = module(found.module)
        match home.definitions[found.name]:
            case ast.FunctionDef(
                args=arguments, body=[*texts, ast.Return(value=ast.expr() as value)]
            ) if all(isinstance(text, ast.Expr) for text in texts):
                inner = _Fold(home, self.facts)
                inner._enter(arguments, [])
                inner._annotate(arguments)
                return inner.known(value)
        return None

    def _named(self, name: str) -> Known:
        if name in self.facts.names:
            return self.facts.names[name]
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        found = self.where.resolve(name)
        if isinstance(found, Definition) and found.module.startswith(IMPORTABLE):
            value = getattr(importlib.import_module(found.module), found.name)
            return [value] if not callable(value) else None
        return None

    def _attribute(self, node: ast.Attribute) -> Known:
        base = self.known(node.value)
        if isinstance(base, Typed):
            return self._field(base.kind, node.attr)
        try:
            return (
                None
                if not isinstance(base, list)
                else [getattr(value, node.attr) for value in base]
            )
        except AttributeError:
            return None

    def _field(self, kind: Definition, name: str) -> Known:
        """Look a field of a class up, by its annotation or that of ``__init__``'s argument."""
        home = module(kind.module)
        node = home.definitions[kind.name]
        if not isinstance(node, ast.ClassDef):
            return None
        for statement in node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=field)) if field == name:
                    return self.annotated(statement.annotation, home)
                case ast.FunctionDef(name="__init__"):
                    for argument in statement.args.args:
                        if argument.arg == name and argument.annotation:
                            return self.annotated(argument.annotation, home)
        for base in node.bases:
            above = target_of(base, home)
            if isinstance(above, Definition) and (found := self._field(above, name)):
                return found
        return None

    def annotated(self, node: ast.expr, where: Module) -> Known:
        """Return what is known of a value with an annotation.

        Args:
            node: The annotation.
            where: The module that it is in.

        Returns:
            Its possible values, its class, its elements, or None.
        """
        alias = target_of(node, where)
        if isinstance(alias, Definition):
            home = module(alias.module)
            match getattr(home.definitions[alias.name], "value", None):
                case ast.Subscript(value=ast.Name("tuple"), slice=ast.Tuple(elts=[each, _])):
                    found = self.annotated(each, home)
                    return Elements(found) if isinstance(found, list) else None
        classes = list(_classes(node, where))
        found = [v for kind in classes if kind for v in self.facts.types.get(kind, ())]
        if found and None not in classes:
            return found
        return Typed(classes[0]) if len(classes) == 1 and classes[0] else None

    def _isinstance(self, value: ast.expr, classes: ast.expr) -> Known:
        found = self.known(value)
        wanted = set(_classes(classes, self.where))
        if all(self.facts.has_none(kind) for kind in wanted):
            return [False]
        if found is None or isinstance(found, Typed | Elements) or None in wanted:
            return None
        return [defined(type(value)) in wanted for value in found]

    def _pairs(self, left: ast.expr, right: ast.expr) -> list[tuple[Any, Any]] | None:
        a, b = self.known(left), self.known(right)
        if not isinstance(a, list) or not isinstance(b, list):
            return None
        return list(itertools.product(a, b))

    # What is left.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._enter(node.args, node.body)
        arguments = node.args
        self._annotate(arguments)
        for part in ast.walk(arguments):
            if isinstance(part, ast.arg):
                part.annotation = None
        node.returns = None
        node.decorator_list = [d for d in map(self.visit, node.decorator_list) if not _dropped(d)]
        node.args = self.generic_visit(arguments)  # type: ignore[assignment]  # it visits arguments and returns them
        node.body = self._body(node.body)
        _drop_unused(node)
        self._leave()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._enter(node.args, [])
        self.generic_visit(node)
        self._leave()
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
        node.body = _short_docstring(body)
        self.scopes.pop()
        return node

    def _enter(self, arguments: ast.arguments, body: Sequence[ast.stmt]) -> None:
        """Open the scope of a function, of whose own names nothing is known yet."""
        names = [a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)]
        names += [n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)
                  and isinstance(n.ctx, ast.Store)]  # fmt: skip
        scope: dict[str, Known] = dict.fromkeys(names)
        if "self" in scope:
            scope["self"] = self._named("self")
        self.scopes.append(scope)
        self.once.append({name for name in names if names.count(name) == 1})

    def _annotate(self, arguments: ast.arguments) -> None:
        """Note what the annotations of arguments say."""
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if argument.annotation and argument.arg in self.once[-1]:
                self.scopes[-1][argument.arg] = self.annotated(argument.annotation, self.where)

    def _leave(self) -> None:
        self.scopes.pop()
        self.once.pop()

    def _body(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements that remain; none after one that leaves the function."""
        found: list[ast.stmt] = []
        for statement in _short_docstring(body):
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
            self._learn(target, node.value)
        return node

    def _learn(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name) and target.id in self.once[-1]:
            self.scopes[-1][target.id] = self.known(value)
        match target, value:
            case ast.Tuple(elts=targets), ast.Tuple(elts=values):
                for one, its in zip(targets, values, strict=False):
                    self._learn(one, its)
            case ast.Tuple(elts=[ast.Starred(), ast.Name() as last]), _:
                self._learn(last, ast.Subscript(value, ast.Constant(-1), ast.Load()))

    def _learn_loop(self, target: ast.expr, iterator: ast.expr) -> None:
        """Note the values of a loop's own names."""
        match target, iterator:
            case ast.Name(id=name), _ if name in self.once[-1]:
                self.scopes[-1][name] = self.elements(iterator)
            case ast.Tuple(elts=[_, one]), ast.Call(func=ast.Name("enumerate"), args=[its]):
                self._learn_loop(one, its)
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name("zip"), args=several):
                for one, its in zip(targets, several, strict=False):
                    self._learn_loop(one, its)

    def visit_For(self, node: ast.For) -> ast.AST:
        self._learn_loop(node.target, node.iter)
        return self.generic_visit(node)

    def _over(self, node: ast.AST) -> ast.AST:
        for generator in node.generators:  # type: ignore[attr-defined]  # each comprehension has generators
            self._learn_loop(generator.target, generator.iter)
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
                        if not all(map(self.facts.has_none, _classes(each, self.where)))]  # fmt: skip
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


def _all(
    function: Callable[[Any, Any], Any], pairs: list[tuple[Any, Any]] | None
) -> list[Any] | None:
    """The function's results; None where one cannot be told."""
    try:
        return None if pairs is None else [function(a, b) for a, b in pairs]
    except (TypeError, LookupError):
        return None


def _plainly(
    compare: Callable[[Any, Any], bool], operator: ast.cmpop
) -> Callable[[Any, Any], bool]:
    """A comparison that refuses arrays, but for their identity."""

    def plain(a: Any, b: Any) -> bool:
        if not isinstance(operator, ast.Is | ast.IsNot) and not (
            isinstance(a, PLAIN) and isinstance(b, PLAIN)
        ):
            raise TypeError(f"{type(a).__name__}: given, expected a plain value")
        return compare(a, b)

    return plain


def _classes(node: ast.expr, where: Module) -> Iterator[Definition | None]:
    """The classes of a union; None among them for what is no class of ours."""
    if isinstance(node, ast.BinOp):
        yield from _classes(node.left, where)
        yield from _classes(node.right, where)
        return
    if isinstance(node, ast.Tuple):
        for part in node.elts:
            yield from _classes(part, where)
        return
    found = target_of(node, where)
    if not isinstance(found, Definition):
        yield None
        return
    home = module(found.module)
    definition = home.definitions[found.name]
    value = getattr(definition, "value", None)
    if isinstance(definition, ast.ClassDef):
        yield found
    elif isinstance(value, ast.BinOp):  # another name of a union
        yield from _classes(value, home)
    else:
        yield None


def _members(node: ast.expr) -> list[ast.expr]:
    """The parts of a union."""
    if isinstance(node, ast.BinOp):
        return [*_members(node.left), *_members(node.right)]
    return [node]


def _pattern_classes(pattern: ast.pattern, where: Module) -> set[Definition | None] | None:
    """The classes that a pattern matches; None for all."""
    match pattern:
        case ast.MatchClass(cls=kind):
            return set(_classes(kind, where))
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


def _short_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The body with the first line of its docstring, and no other text."""
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


def _drop_unused(node: ast.FunctionDef) -> None:
    """Drop assignments to names that nothing reads any more."""
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

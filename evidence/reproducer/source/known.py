"""Knowledge of the values of expressions in the project's source, for one case."""

from __future__ import annotations

import ast
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from evidence.reproducer.source.facts import Facts, defined
from evidence.reproducer.source.modules import Definition, Module, Submodule, Target, member, module

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


class Knowledge:
    """Known values of a module's expressions, scope by scope.

    Args:
        where: The module.
        facts: What is known of the case.
    """

    def __init__(self, where: Module, facts: Facts) -> None:
        self.where, self.facts = where, facts
        self.scopes: list[dict[str, Known]] = [{}]
        self.once: list[set[str]] = [set()]
        """The names that are bound once, for every scope."""

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
                inner = Knowledge(home, self.facts)
                inner.enter(arguments, [])
                inner.annotate_arguments(arguments)
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
        classes = list(classes_of(node, where))
        found = [v for kind in classes if kind for v in self.facts.types.get(kind, ())]
        if found and None not in classes:
            return found
        return Typed(classes[0]) if len(classes) == 1 and classes[0] else None

    def _isinstance(self, value: ast.expr, classes: ast.expr) -> Known:
        found = self.known(value)
        wanted = set(classes_of(classes, self.where))
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

    def enter(self, arguments: ast.arguments, body: Sequence[ast.stmt]) -> None:
        """Open the scope of a function, of whose own names nothing is known yet.

        Args:
            arguments: The function's arguments.
            body: Its statements.
        """
        names = [a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)]
        names += [n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)
                  and isinstance(n.ctx, ast.Store)]  # fmt: skip
        scope: dict[str, Known] = dict.fromkeys(names)
        if "self" in scope:
            scope["self"] = self._named("self")
        self.scopes.append(scope)
        self.once.append({name for name in names if names.count(name) == 1})

    def annotate_arguments(self, arguments: ast.arguments) -> None:
        """Note what the annotations of arguments say.

        Args:
            arguments: The arguments of the function whose scope is open.
        """
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if argument.annotation and argument.arg in self.once[-1]:
                self.scopes[-1][argument.arg] = self.annotated(argument.annotation, self.where)

    def leave(self) -> None:
        """Close the scope of a function."""
        self.scopes.pop()
        self.once.pop()

    def learn(self, target: ast.expr, value: ast.expr) -> None:
        """Note the values of names that are assigned once.

        Args:
            target: The left side of the assignment.
            value: The right side.
        """
        if isinstance(target, ast.Name) and target.id in self.once[-1]:
            self.scopes[-1][target.id] = self.known(value)
        match target, value:
            case ast.Tuple(elts=targets), ast.Tuple(elts=values):
                for one, its in zip(targets, values, strict=False):
                    self.learn(one, its)
            case ast.Tuple(elts=[ast.Starred(), ast.Name() as last]), _:
                self.learn(last, ast.Subscript(value, ast.Constant(-1), ast.Load()))

    def learn_loop(self, target: ast.expr, iterator: ast.expr) -> None:
        """Note the values of a loop's own names.

        Args:
            target: The names.
            iterator: The sequence that the loop runs over.
        """
        match target, iterator:
            case ast.Name(id=name), _ if name in self.once[-1]:
                self.scopes[-1][name] = self.elements(iterator)
            case ast.Tuple(elts=[_, one]), ast.Call(func=ast.Name("enumerate"), args=[its]):
                self.learn_loop(one, its)
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name("zip"), args=several):
                for one, its in zip(targets, several, strict=False):
                    self.learn_loop(one, its)


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


def classes_of(node: ast.expr, where: Module) -> Iterator[Definition | None]:
    """Yield the classes of a union.

    Args:
        node: A class, a union or a tuple of them.
        where: The module that it is in.

    Yields:
        Each class; None for one that is not ours.
    """
    if isinstance(node, ast.BinOp):
        yield from classes_of(node.left, where)
        yield from classes_of(node.right, where)
        return
    if isinstance(node, ast.Tuple):
        for part in node.elts:
            yield from classes_of(part, where)
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
        yield from classes_of(value, home)
    else:
        yield None

"""The project's own source, parsed module by module; nothing is imported, so no framework is."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import reference

ROOT = Path(reference.__file__).parents[1]
SHARED = (ast.expr_context, ast.operator, ast.boolop, ast.cmpop, ast.unaryop)
"""Nodes that the parser makes once for all places."""
OURS = ("reference", "backends", "evidence")


class Definition(NamedTuple):
    """A function, class or constant at the top of a module of ours."""

    module: str
    name: str


class Submodule(NamedTuple):
    """A module of ours that another one imported as a name."""

    module: str


class Outside(NamedTuple):
    """A name that an import from elsewhere binds: ``from module import attribute as name``."""

    module: str
    attribute: str
    """Empty for ``import module``."""
    name: str


Target: TypeAlias = Definition | Submodule | Outside
"""The meaning of a global name of a module."""


class Module:
    """One parsed file: its lines, its definitions, and what its names stand for.

    Args:
        name: The dotted name of the module.
        path: Its file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.source = path.read_bytes()
        self.lines = self.source.decode().split("\n")
        self.starts = list(
            itertools.accumulate((len(line) + 1 for line in self.source.split(b"\n")), initial=0)
        )
        """The first byte of every line."""
        tree = ast.parse(self.source)
        self.nodes = [node for node in ast.walk(tree) if not isinstance(node, SHARED)]
        """Every node as it was parsed; a copy has its number."""
        for number, node in enumerate(self.nodes):
            node.number = number  # type: ignore[attr-defined]  # an attribute of our own
        self.definitions: dict[str, ast.stmt] = {}
        self.attached: dict[str, list[ast.stmt]] = {}
        """Statements such as ``f.defvjp(...)``, by the definition that they complete."""
        self.imports: dict[str, Target] = {}
        for statement in tree.body:
            self._add(statement)

    def _add(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                self.definitions[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]):
                self.definitions[name] = node
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                self.definitions[name] = node
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
                self.attached.setdefault(name, []).append(node)
            case ast.Import() | ast.ImportFrom():
                self.imports |= dict(_imported(node))

    def resolve(self, name: str) -> Target | None:
        """Return what a global name stands for; None for a builtin.

        Args:
            name: A name as the module's code has it.

        Returns:
            The definition itself where the name was imported through other modules of ours.
        """
        if name in self.definitions:
            return Definition(self.name, name)
        found = self.imports.get(name)
        return member(found.module, found.name) if isinstance(found, Definition) else found


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
    for alias in node.names:
        name = alias.asname or alias.name
        if isinstance(node, ast.Import):
            yield name.partition(".")[0], Outside(alias.name, "", name)
        elif node.module and node.module.partition(".")[0] in OURS:
            yield name, Definition(node.module, alias.name)
        else:
            yield name, Outside(node.module or "", alias.name, name)


def member(module_name: str, name: str) -> Target:
    """Return what ``name`` of a module of ours stands for: a definition, or a module below it.

    Args:
        module_name: The dotted name of the module.
        name: A name in that module.

    Returns:
        What it stands for.

    Raises:
        LookupError: The module has no such name.
    """
    if _path(f"{module_name}.{name}"):
        return Submodule(f"{module_name}.{name}")
    found = module(module_name).resolve(name)
    if found is None:
        raise LookupError(f"{name}: not in {module_name}; expected one of its top-level names")
    return found


@cache
def module(name: str) -> Module:
    """Parse a module of ours once.

    Args:
        name: Its dotted name.

    Returns:
        The parsed module.

    Raises:
        LookupError: There is no such module.
    """
    path = _path(name)
    if path is None:
        raise LookupError(f"{name}: no such module below {ROOT}")
    return Module(name, path)


@cache
def _path(name: str) -> Path | None:
    place = ROOT.joinpath(*name.split("."))
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)

"""A script's functions and classes, taken from the project's own source.

``Inliner`` starts from code that names things of ours, collects every definition that it needs, folds
each to the case (``fold.py``), and writes them callee first, under names that do not clash.
"""

from __future__ import annotations

import ast
import builtins
import copy
import sys
from collections.abc import Collection, Iterator, Sequence

from evidence.reproducer.source.facts import Facts
from evidence.reproducer.source.fold import copied, fold, restricted
from evidence.reproducer.source.known import target_of
from evidence.reproducer.source.modules import (
    Definition,
    Module,
    Outside,
    Submodule,
    Target,
    module,
)
from evidence.reproducer.source.written import written

PREFIXES = {
    "reference": "numpy_",
    "backends.pytorch": "torch_",
    "backends.jax": "jax_",
    "backends.tensorflow": "tf_",
    "backends": "layout_",
    "evidence": "numpy_",
}
"""Prefixes of names that another definition has already."""

IMPLICIT = {"forward"}
"""Methods that a framework calls: ``nn.Module``'s."""


class Inliner:
    """The definitions that one script needs.

    Args:
        facts: What is known of the case.
        reserved: Names that the script has for things of its own.
    """

    def __init__(self, facts: Facts, reserved: Collection[str]) -> None:
        self.facts = facts
        self.names: dict[Definition, str] = {}
        self.outside: set[Outside] = set()
        self._taken = {*reserved, *dir(builtins)}
        self._folded: dict[Definition, ast.stmt] = {}
        self._attached: dict[Definition, list[ast.stmt]] = {}
        self._rows: dict[Definition, set[int] | None] = {}
        self.attributes: set[str] = set()
        self._written: set[Definition] = set()
        self._noted: set[ast.stmt] = set()
        self._named: dict[ast.AST, list[tuple[Target, bool, set[str]]]] = {}
        """The names in each statement, computed once."""
        self._hidden: dict[Definition, set[str]] = {}
        """Local names of the functions that name a definition."""

    def collect(self, entries: Sequence[Definition], attributes: Collection[str] = ()) -> None:
        """Find every definition that these need, directly or not.

        Args:
            entries: Definitions that the script names itself.
            attributes: Attributes that the script reads itself.
        """
        self.attributes |= set(attributes)
        size = (-1, -1, -1)
        while size != (now := self._size()):
            size = now
            for definition in self._order(entries):
                self.names.setdefault(definition, "")
        for definition in sorted(self.names, key=_priority):
            self.names[definition] = self.names[definition] or self._name(definition)

    def source(self, entries: Sequence[Definition]) -> str:
        """Write the definitions that these need and that no earlier call wrote.

        Args:
            entries: Definitions that the script names itself.

        Returns:
            Their source, callees first.
        """
        found = []
        for definition in self._order(entries):
            if definition in self._written:
                continue
            self._written.add(definition)
            where = module(definition.module)
            for node in (self._left(definition), *self._attached.get(definition, ())):
                renamed = _Rename(where, self.names).visit(copied(node))
                if isinstance(renamed, ast.FunctionDef | ast.ClassDef):
                    renamed.name = self.names[definition]
                elif isinstance(renamed, ast.Assign) and isinstance(renamed.targets[0], ast.Name):
                    renamed.targets[0].id = self.names[definition]
                text = written(renamed, where)
                big = isinstance(renamed, ast.FunctionDef | ast.ClassDef)
                found.append(f"\n{text}\n" if big else text)
        return "\n".join(found)

    def imports(self, extra: Sequence[str] = (), between: str = "") -> str:
        """Write the imports of what is not of ours, in the order of a linter.

        Args:
            extra: Further modules of the standard library.
            between: Code that runs before any other library is imported.

        Returns:
            The lines, the standard library first.
        """
        wanted = {*self.outside, *(Outside(name, "", name) for name in extra)}
        blocks = []
        for standard in (True, False):
            some = [
                o for o in wanted if (o.module.split(".")[0] in sys.stdlib_module_names) is standard
            ]
            plain = sorted(
                f"import {o.module}" + (f" as {o.name}" if o.name != o.module else "")
                for o in some if not o.attribute
            )  # fmt: skip
            members: dict[str, set[str]] = {}
            for o in some:
                if o.attribute:
                    alias = f" as {o.name}" if o.name != o.attribute else ""
                    members.setdefault(o.module, set()).add(o.attribute + alias)
            plain += [
                f"from {name} import {', '.join(sorted(names))}"
                for name, names in sorted(members.items())
            ]
            blocks += ["\n".join(plain)] if plain else []
        if between:
            blocks.insert(1, between)
        return "\n\n".join(blocks)

    def _size(self) -> tuple[int, int, int]:
        rows = sum(1 if some is None else len(some) for some in self._rows.values())
        return len(self.names), len(self.attributes), rows

    def _order(self, entries: Sequence[Definition]) -> list[Definition]:
        """All definitions below the entries, callees first."""
        found: dict[Definition, None] = {}
        seen: set[Definition] = set()

        def visit(definition: Definition) -> None:
            if definition in seen:
                return
            targets: list[Target] = []
            seen.add(definition)
            where = module(definition.module)
            node = self._left(definition)
            for each in (node, *self._attached.get(definition, ())):
                self._read(each)
                rest = (
                    [*each.body, *each.bases, *each.decorator_list]
                    if isinstance(each, ast.ClassDef)
                    else [each]
                )
                targets += [t for part in rest for t in self._targets(part, where)]
            for target in targets:
                if isinstance(target, Outside):
                    self.outside.add(target)
                elif isinstance(target, Definition):
                    visit(target)
            found[definition] = None

        for entry in entries:
            visit(entry)
        return list(found)

    def _left(self, definition: Definition) -> ast.stmt:
        """The definition as the case needs it: folded, without members and rows that nothing reads."""
        if definition not in self._folded:
            where = module(definition.module)
            node = where.definitions[definition.name]
            nodes = [node, *where.attached.get(definition.name, ())]
            (self._folded[definition], *attached), needed = fold(nodes, where, self.facts)
            self._attached[definition] = attached
            for table, rows in needed.items():
                before = self._rows.get(table, set())
                self._rows[table] = None if rows is None or before is None else before | rows
        node = copy.copy(self._folded[definition])
        if isinstance(node, ast.ClassDef):
            node.body = [s for s in node.body if self._has(node, s)] or [ast.Pass()]
            node.bases = [
                base for base in node.bases if not self._bare(base, module(definition.module))
            ]
        elif definition in self._rows:
            node = restricted(copied(node), self._rows[definition])
        return node

    def _read(self, node: ast.stmt) -> None:
        """Note every attribute that a definition reads."""
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        for part in parts:
            if part not in self._noted:
                self._noted.add(part)
                for each in ast.walk(part):
                    if isinstance(each, ast.Attribute):
                        self.attributes.add(each.attr)
                    elif isinstance(each, ast.MatchClass):
                        self.attributes |= set(each.kwd_attrs)
                    elif isinstance(each, ast.Call) and ast.unparse(each.func) == "replace":
                        self.attributes |= {k.arg for k in each.keywords if k.arg}

    def _has(self, owner: ast.ClassDef, node: ast.stmt) -> bool:
        """Tell whether a script needs this member of a class."""
        match node:
            case ast.FunctionDef(name=name):
                if any(
                    isinstance(d, ast.Name) and d.id == "abstractmethod"
                    for d in node.decorator_list
                ):
                    return False
                special = name.startswith("__") and name != "__post_init__"
                return special or name in IMPLICIT or name in self.attributes
            case ast.AnnAssign(target=ast.Name(id=name)):
                return not _is_dataclass(owner) or name in self.attributes
            case ast.Assign(targets=[ast.Name(id=name)]):
                return name in self.attributes
        return True

    def _bare(self, base: ast.expr, where: Module) -> bool:
        """Tell whether a base class is left with nothing."""
        if isinstance(base, ast.Name) and base.id == "ABC":
            return True
        target = target_of(base, where)
        if not isinstance(target, Definition):
            return False
        node = self._left(target)
        return (
            isinstance(node, ast.ClassDef)
            and not node.bases
            and all(isinstance(s, ast.Pass | ast.Expr | ast.AnnAssign) for s in node.body)
            and not node.decorator_list
        )

    def _targets(self, node: ast.AST, where: Module) -> Iterator[Target]:
        """Yield the targets of a definition's global names."""
        if node not in self._named:
            names = _Names(where)
            names.visit(node)
            self._named[node] = names.found
        for target, partly, local in self._named[node]:
            if isinstance(target, Definition):
                self._hidden.setdefault(target, set()).update(local)
            if isinstance(target, Definition) and not partly:
                is_table = isinstance(
                    getattr(module(target.module).definitions[target.name], "value", None), ast.Dict
                )
                if is_table:
                    self._rows[target] = None
            yield target

    def _name(self, definition: Definition) -> str:
        """A name that nothing else in the script has."""
        prefix = next(p for start, p in PREFIXES.items() if definition.module.startswith(start))
        last = definition.module.rpartition(".")[2]
        bare = definition.name.lstrip("_")
        hidden = self._hidden.get(definition, set())
        taken = self._taken | hidden | {o.name.partition(".")[0] for o in self.outside}
        for name in (bare, f"{prefix}{bare}", f"{prefix}{last}_{bare}"):
            if name not in taken:
                self._taken.add(name)
                return name
        raise ValueError(f"{definition}: every name for it is taken")


def _priority(definition: Definition) -> tuple[int, Definition]:
    """The specification's own names come first, then those of the layouts, then an adapter's."""
    starts = ("reference", "backends.")
    depth = definition.module.count(".")
    return (0 if definition.module.startswith(starts[0]) else depth, definition)


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(d) for d in node.decorator_list)


class _Scoped(ast.NodeTransformer):
    """Walks code and knows which names are a function's own."""

    def __init__(self, where: Module) -> None:
        self.where = where
        self.own: list[set[str]] = []

    def is_global(self, name: ast.Name) -> bool:
        """Tell whether a name is one of the module's.

        Args:
            name: The name.

        Returns:
            False for a name that a function binds.
        """
        return hasattr(name, "home") or not any(name.id in own for own in self.own)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self.own:
            self.own[-1].add(node.name)
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return self._inside(node, _bound(node))

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._inside(node, _bound(node))

    def _comprehension(self, node: ast.AST) -> ast.AST:
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)
                 and isinstance(n.ctx, ast.Store)}  # fmt: skip
        return self._inside(node, names)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _inside(self, node: ast.AST, names: set[str]) -> ast.AST:
        self.own.append(names)
        self.generic_visit(node)
        self.own.pop()
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """A field of a class: only its default is code."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


def _bound(node: ast.FunctionDef | ast.Lambda) -> set[str]:
    """A function's arguments and the names that it binds, but for those of functions in it."""
    found = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    rest: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    while rest:
        each = rest.pop()
        if isinstance(each, ast.FunctionDef):
            found.add(each.name)
            continue
        if isinstance(
            each, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            continue
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            found.add(each.id)
        if isinstance(each, ast.MatchAs) and each.name:
            found.add(each.name)
        rest += ast.iter_child_nodes(each)
    return found


class _Names(_Scoped):
    """Collects what a definition's global names stand for."""

    def __init__(self, where: Module) -> None:
        super().__init__(where)
        self.found: list[tuple[Target, bool, set[str]]] = []
        """The target, whether only some of its rows are read, and the local names at that place."""

    def _note(self, target: Target, node: ast.expr) -> None:
        self.found.append((target, hasattr(node, "partly"), set().union(*self.own)))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and self.is_global(node):
            target = target_of(node, self.where)
            if target is not None and not isinstance(target, Submodule):
                self._note(target, node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and self.is_global(node.value):
            target = target_of(node, self.where)
            if target is not None:
                self._note(target, node)
                return node
        return self.generic_visit(node)


class _Rename(_Scoped):
    """Gives global names of ours the names that they have in the script."""

    def __init__(self, where: Module, names: dict[Definition, str]) -> None:
        super().__init__(where)
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self.is_global(node):
            target = target_of(node, self.where)
            if isinstance(target, Definition) and target in self.names:
                return ast.copy_location(ast.Name(self.names[target], node.ctx), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and self.is_global(node.value):
            target = target_of(node, self.where)
            if isinstance(target, Definition):
                return ast.copy_location(ast.Name(self.names[target], node.ctx), node)
        return self.generic_visit(node)

"""Docstrings read as a native-speaking engineer would speak, and document every argument.

``python tests/test_language.py`` prints the share of public functions whose docstring is complete, by package,
and the incomplete ones.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"})
FORBIDDEN = ("What", "Of", "That", "Whether")
FLOOR = 0.98
"""The least share of public functions with complete docstrings, per package."""

SCRIPTS = ROOT / "conformance" / "known"
"""Standalone scripts, whose functions nobody imports."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Found(NamedTuple):
    """A public function or class, and what its docstring lacks."""

    place: str
    lacks: tuple[str, ...]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring, those below attributes included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            text = getattr(getattr(statement, "value", None), "value", None)
            if isinstance(statement, ast.Expr) and isinstance(text, str):
                yield statement.lineno, text


def sections(docstring: str) -> dict[str, str]:
    """Return the text of each Google-style section by its title."""
    parts = re.split(
        r"^(Args|Returns|Yields|Raises|Attributes):\s*$", docstring, flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def raised(function: Function) -> set[str]:
    """Return the names of the exceptions that the function itself raises."""
    found = set()
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = node.exc.func
            found.add(name.id if isinstance(name, ast.Name) else getattr(name, "attr", ""))
        todo += ast.iter_child_nodes(node)
    return found - {"NotImplementedError", "AssertionError"}


def parameters(function: Function, *, method: bool) -> list[str]:
    """Return the names of the parameters that a docstring has to list."""
    a = function.args
    named = [p.arg for p in (*a.posonlyargs, *a.args)]
    static = any(
        isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list
    )
    named = named[1:] if method and not static else named
    named += [p.arg for p in a.kwonlyargs]
    named += [p.arg for p in (a.vararg, a.kwarg) if p is not None]
    return [name for name in named if not name.startswith("_")]


def lacking(function: Function, docstring: str, *, method: bool) -> Iterator[str]:
    """Yield each part of a complete docstring that this one lacks."""
    given = sections(docstring)
    listed = given.get("Args", "")
    for name in parameters(function, method=method):
        if not re.search(rf"^\s+\*{{0,2}}{re.escape(name)}\b.*:", listed, re.MULTILINE):
            yield f"argument {name}"
    silent = ("None", "NoReturn")
    returns = ast.unparse(function.returns) if function.returns else "None"
    if (
        returns not in silent
        and function.name != "__init__"
        and not {"Returns", "Yields"} & given.keys()
    ):
        yield "Returns"
    for name in sorted(raised(function)):
        if name not in given.get("Raises", ""):
            yield f"Raises {name}"


def decorated(function: Function) -> set[str]:
    """Return the last names of the function's decorators."""
    found = set()
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        found.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return found


EXEMPT = {
    "property",
    "cached_property",
    "command",
    "group",
    "fixture",
    "hookimpl",
    "hookspec",
    "overload",
    "setter",
}
"""A property is a noun; a command's docstring is its help; pytest documents its hooks."""


def bases_of(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return the method names of every class of the project, by class name."""
    return {
        node.name: {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _base_names(node: ast.ClassDef) -> list[str]:
    """Return the last names of a class's bases."""
    return [b.attr if isinstance(b, ast.Attribute) else getattr(b, "id", "") for b in node.bases]


def inherited(
    owner: ast.ClassDef, classes: dict[str, set[str]], supers: dict[str, list[str]]
) -> set[str]:
    """Return the names of the methods that the bases of a class define."""
    todo, found, seen = _base_names(owner), set(), set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        found |= classes.get(name, set())
        todo += supers.get(name, [])
    return found


def public(package: str) -> Iterator[Found]:
    """Yield every public function and method of a package."""
    trees = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
        for folder in PACKAGES
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.parent != SCRIPTS
    }
    classes = bases_of(trees)
    supers = {
        node.name: _base_names(node)
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    for place, tree in trees.items():
        if not place.startswith(package + "/"):
            continue
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from judged(place, node, None)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                above = inherited(node, classes, supers)
                for item in node.body:
                    if (
                        isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))
                        and item.name not in above
                    ):
                        yield from judged(place, item, node)


def judged(place: str, function: Function, owner: ast.ClassDef | None) -> Iterator[Found]:
    """Yield the function if it is public and its docstring has to be complete."""
    if function.name.startswith(("test_", "pytest_")) or decorated(function) & EXEMPT:
        return
    docstring = ast.get_docstring(function) or ""
    if function.name == "__init__" and owner is not None:
        docstring = ast.get_docstring(owner) or ""
        if not parameters(function, method=True):
            return
    elif function.name.startswith("_"):
        return
    title = f"{owner.name}.{function.name}" if owner else function.name
    lacks = tuple(lacking(function, docstring, method=owner is not None))
    yield Found(f"{place}:{function.lineno} {title}", lacks if docstring else ("docstring", *lacks))


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_no_docstring_begins_with_a_pronoun(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip().splitlines()[0]}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if text.strip().startswith(tuple(f"{word} " for word in FORBIDDEN))
    ]
    assert not found, (
        "a docstring starts with a verb in the imperative or with a noun:\n" + "\n".join(found)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_document_their_arguments(package: str) -> None:
    found = list(public(package))
    bad = [f"{one.place} lacks {', '.join(one.lacks)}" for one in found if one.lacks]
    assert len(bad) <= (1 - FLOOR) * len(found), "\n".join(bad)


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ('def f(a: int) -> int:\n    """Return a."""', ("argument a", "Returns")),
        (
            'def f(a: int) -> None:\n    """Do.\n\n    Args:\n        a: it.\n    """\n    raise ValueError("")',
            ("Raises ValueError",),
        ),
        (
            'def f(a: int) -> int:\n    """Do.\n\n    Args:\n        a: it.\n\n    Returns:\n        It.\n    """',
            (),
        ),
    ],
)
def test_the_lint_sees(source: str, lacks: tuple[str, ...]) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    (found,) = judged("a.py", function, None)
    assert found.lacks == lacks


def main(packages: list[str]) -> None:
    """Print the incomplete docstrings of the packages, and the share of complete ones."""
    totals: Counter[str] = Counter()
    for package in packages or PACKAGES:
        found = list(public(package))
        for one in found:
            if one.lacks and packages:
                print(f"{one.place} lacks {', '.join(one.lacks)}")
        complete = sum(not one.lacks for one in found)
        totals.update(complete=complete, all=len(found))
        print(f"{package}: {complete} of {len(found)} public functions have complete docstrings")
        for path in sorted((ROOT / package).rglob("*.py")):
            for line, text in docstrings(ast.parse(path.read_text("utf-8"))):
                if text.strip().startswith(tuple(f"{word} " for word in FORBIDDEN)):
                    print(f"  {path.relative_to(ROOT)}:{line}: {text.strip().splitlines()[0]}")
    print(f"all: {totals['complete']} of {totals['all']}")


if __name__ == "__main__":
    main(sys.argv[1:])

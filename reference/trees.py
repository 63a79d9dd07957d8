"""Parameters as nested tuples: names for every array in them, and a function of every array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reference.spec import Array

Tree = TypeVar("Tree")


def named(tree: Any, name: str) -> dict[str, Array]:
    """Return every array of a tree under its path.

    Args:
        tree: Nested tuples of arrays; None where an array is missing.
        name: The path of the tree itself.

    Returns:
        Arrays by paths such as ``name[0][1].W_ih``.
    """
    if tree is None:
        return {}
    if not isinstance(tree, tuple):
        return {name: tree}
    keys = [f".{field}" for field in getattr(tree, "_fields", ())] or [
        f"[{k}]" for k in range(len(tree))
    ]
    found: dict[str, Array] = {}
    for key, part in zip(keys, tree, strict=True):
        found |= named(part, name + key)
    return found


def each(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply a function to every array of a tree.

    Args:
        function: Takes an array, and the arrays at the same place of the other trees.
        tree: Nested tuples of arrays; None stays None.
        *others: Trees of the same structure.

    Returns:
        The tree of results.
    """
    if tree is None:
        return tree
    if not isinstance(tree, tuple):
        return function(tree, *others)
    parts = [each(function, *same) for same in zip(tree, *others, strict=True)]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)  # type: ignore[return-value]  # a tuple of the same class

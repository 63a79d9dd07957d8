"""Parameters: from canonical layout to TensorFlow's variables, and back.

Every function walks the same tree in the same order: a recurrent network's weights become a cell,
an ``Affine`` becomes W ``(in, out)`` and b, and any other array is a variable as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from backends.dialects import CellDialect, Dialect
from backends.layouts import Block, convert, gradients
from reference import Array, Spec, Weights
from reference.networks.layers import Affine
from reference.trees import each

Parts = Sequence[tuple[Spec | None, Any]]
"""Trees of canonical parameters, each with the spec of the cells in it."""
Back = Callable[[Spec, CellDialect, Weights, Sequence[Block]], Weights]
"""A function from a cell's blocks to weights: ``layouts.gradients`` or ``layouts.values``."""


def values(dialect: Dialect, parts: Parts, dtype: str) -> list[Array]:
    """Return the values of all variables, in their order.

    Args:
        dialect: The backend's dialect.
        parts: Trees of canonical parameters.
        dtype: The dtype of the variables.

    Returns:
        An array for every variable.
    """
    kind = tf.as_dtype(dtype).as_numpy_dtype
    return [v.astype(kind) for spec, tree in parts for v in _values(dialect, spec, tree)]


def canonical(
    dialect: Dialect, parts: Parts, found: Sequence[Array], back: Back = gradients
) -> tuple[Any, ...]:
    """Return trees in canonical layout from arrays for all variables.

    Args:
        dialect: The backend's dialect.
        parts: Trees of canonical parameters.
        found: An array for every variable, such as its gradient.
        back: Converts the blocks of a cell.

    Returns:
        A tree for each part.
    """
    rest = iter(found)
    return tuple(_canonical(dialect, spec, tree, rest, back) for spec, tree in parts)


def make(cell: Callable[[int, str], Any], tree: Any, dtype: Any, name: str) -> Any:
    """Make variables and cells for a tree of parameters.

    Args:
        cell: Makes the cell of an input width, in a scope.
        tree: The parameters.
        dtype: The dtype of the variables.
        name: The scope.

    Returns:
        The tree, with cells for weights and variables for other arrays.
    """
    if tree is None:
        return None
    if isinstance(tree, Weights):
        return cell(tree.W_ih.shape[1], name)
    if isinstance(tree, Affine):
        b = None if tree.b is None else _variable(tree.b, dtype)
        return Affine(_variable(tree.W.T, dtype), b)
    if isinstance(tree, tuple):
        return _like(tree, [make(cell, a, dtype, f"{name}/{k}") for k, a in enumerate(tree)])
    return _variable(tree, dtype)


def variables(made: Any) -> list[Any]:
    """Return all variables of a tree that ``make`` returned.

    Args:
        made: The tree.

    Returns:
        The variables, in their order.
    """
    if made is None:
        return []
    if isinstance(made, tuple):
        return [v for part in made for v in variables(part)]
    return [made] if isinstance(made, tf.Variable) else list(made.variables)


def trained(made: Any, tree: Any) -> list[Any]:
    """Return the variables that training changes: all but constant biases.

    Args:
        made: The tree that ``make`` returned.
        tree: The canonical parameters, which lack the biases that are constant.

    Returns:
        The variables.
    """
    if isinstance(tree, Weights):
        return [v for v in made.variables if tree.b_ih is not None or v.shape.rank == 2]
    if isinstance(tree, tuple):
        return [v for parts in zip(made, tree, strict=True) for v in trained(*parts)]
    return variables(made)


def _values(dialect: Dialect, spec: Spec | None, tree: Any) -> list[Array]:
    if tree is None:
        return []
    if isinstance(tree, Weights):
        return [v for block in _blocks(dialect, spec, tree) for v in block if v is not None]
    if isinstance(tree, Affine):
        return [tree.W.T] if tree.b is None else [tree.W.T, tree.b]
    if isinstance(tree, tuple):
        return [v for part in tree for v in _values(dialect, spec, part)]
    return [tree]


def _canonical(
    dialect: Dialect, spec: Spec | None, tree: Any, found: Iterator[Array], back: Back
) -> Any:
    if tree is None:
        return None
    if isinstance(tree, Weights):
        assert spec is not None
        blocks = [each(lambda _: next(found), block) for block in _blocks(dialect, spec, tree)]
        return back(spec, dialect.cells[spec.cell], tree, blocks)
    if isinstance(tree, Affine):
        return Affine(next(found).T, None if tree.b is None else next(found))
    if isinstance(tree, tuple):
        return _like(tree, [_canonical(dialect, spec, part, found, back) for part in tree])
    return next(found)


def _blocks(dialect: Dialect, spec: Spec | None, weights: Weights) -> list[Block]:
    assert spec is not None
    return convert(spec, dialect.cells[spec.cell], weights)


def _variable(value: Array, dtype: Any) -> Any:
    return tf.Variable(tf.zeros(value.shape, dtype))


def _like(tree: Any, parts: list[Any]) -> Any:
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)

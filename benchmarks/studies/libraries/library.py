"""A comparison with another implementation: the type, and the network that both sides run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from reference import Array, Params, Spec, Weights, weight_shapes

Size = tuple[int, int, int, int]
Calls = tuple[Callable[[], Sequence[Any]], Callable[[], Sequence[Any]]]


class Library(NamedTuple):
    """Another implementation to compare with: name, timed operation, sizes (B, T, I, H) and calls."""

    name: str
    title: str
    sizes: tuple[Size, ...]
    calls: Callable[[Size], Calls]
    """Makes our call and the other one, on the same arrays; both return the same tensors."""
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    """Makes the context that both calls run in."""


def difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """Compare the results of both sides to 1e-5 of the largest element.

    Args:
        ours: our tensors.
        theirs: the other implementation's tensors.

    Returns:
        A description of the first difference; empty if there is none.
    """
    for k, both in enumerate(zip(ours, theirs, strict=True)):
        a, b = map(np.asarray, both)
        off = np.abs(a - b).max() / np.abs(b).max()
        if not off <= 1e-5:  # NaN counts as a difference
            return f"tensor {k} differs by {off} of its largest element"
    return ""


def problem(size: Size, *, batch_first: bool) -> tuple[Spec, Params, Array]:
    """Draw an LSTM in float32.

    Args:
        size: (B, T, I, H).
        batch_first: True for inputs ``(B, T, I)``, False for ``(T, B, I)``.

    Returns:
        The spec, the weights and the input.
    """
    batch, steps, inputs, hidden = size
    random = np.random.default_rng(0)
    spec = Spec(cell="lstm", input_size=inputs, hidden_size=hidden, batch_first=batch_first)

    def draw(shape: Any) -> Array:
        width = np.sqrt(3 / shape[-1])
        return random.uniform(-width, width, shape).astype(np.float32)

    weights = Weights(**{name: draw(shape) for name, shape in weight_shapes(spec, 0).items()})
    axes = (batch, steps) if batch_first else (steps, batch)
    return spec, ((weights,),), draw((*axes, inputs))

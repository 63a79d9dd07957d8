"""What a peer is, and the network that it and ours both run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from reference import Array, Params, Spec, Weights, weight_shapes

Size = tuple[int, int, int, int]
Calls = tuple[Callable[[], Sequence[Any]], Callable[[], Sequence[Any]]]


class Peer(NamedTuple):
    """Something to stand beside: its name, what is timed, on which (B, T, I, H), and how."""

    name: str
    title: str
    sizes: tuple[Size, ...]
    calls: Callable[[Size], Calls]
    """Ours and theirs, on the same arrays; both return the same tensors."""
    within: Callable[[], AbstractContextManager[object]] = nullcontext
    """Where both run."""


def difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """What is not the same to five digits of the largest element; empty where all is."""
    for k, both in enumerate(zip(ours, theirs, strict=True)):
        a, b = map(np.asarray, both)
        off = np.abs(a - b).max() / np.abs(b).max()
        if not off <= 1e-5:  # a NaN is no agreement
            return f"tensor {k} differs by {off} of its largest element"
    return ""


def problem(size: Size, *, batch_first: bool) -> tuple[Spec, Params, Array]:
    """An LSTM in float32, with its weights and input."""
    batch, steps, inputs, hidden = size
    random = np.random.default_rng(0)
    spec = Spec(cell="lstm", input_size=inputs, hidden_size=hidden, batch_first=batch_first)

    def draw(shape: Any) -> Array:
        width = np.sqrt(3 / shape[-1])
        return random.uniform(-width, width, shape).astype(np.float32)

    weights = Weights(**{name: draw(shape) for name, shape in weight_shapes(spec, 0).items()})
    axes = (batch, steps) if batch_first else (steps, batch)
    return spec, ((weights,),), draw((*axes, inputs))

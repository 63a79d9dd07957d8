"""The families: networks, sizes and arrays that strain a rounding radius, each in its own way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends import Inputs
from backends.dtypes import rounded
from conformance.cases import Case
from conformance.draw import draw
from reference import Array, Spec, Weights

INPUTS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "drawn": lambda x, _: x,
    "steady": lambda x, _: np.repeat(x[:, :1], x.shape[1], axis=1),
    "one-hot": lambda x, random: np.eye(x.shape[2])[random.integers(x.shape[2], size=x.shape[:2])],
    "sparse": lambda x, random: x * (random.random(x.shape) < 0.05),
    "in pairs": lambda x, _: np.repeat(x[..., ::2], 2, axis=-1),
}
"""Transforms of ``x (B, T, I)``. Steady: the same at every step; in pairs: x₂ₖ₊₁ = x₂ₖ."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A network, its sizes (B, T, I, H), and how its arrays differ from a conformance case's."""

    cell: Mapping[str, Any]
    sizes: tuple[int, int, int, int]
    x: str = "drawn"
    """A name of ``INPUTS``."""
    weights: float = 1
    biases: float = 1
    input_weights: float = 1
    """A factor on W_ih alone, in addition to ``weights``."""
    one_sign: bool = False
    """Make all values positive, and row sums less than 1."""
    cancelling: bool = False
    """Make weights in pairs w, −w (1 − 1/64)."""

    @property
    def steady(self) -> bool:
        """True if the input never changes, so that rounding errors repeat."""
        return self.x == "steady"


VANILLA, GRU, LSTM = {"cell": "vanilla"}, {"cell": "gru"}, {"cell": "lstm"}
RELU = VANILLA | {"activation": "relu"}
DEEP = LSTM | {"num_layers": 3, "direction": "bidirectional"}
LONG_MEMORY = LSTM | {"forget_bias": 6.0}
FAMILIES: dict[str, Family] = {
    "plain vanilla": Family(cell=VANILLA, sizes=(8, 50, 32, 32)),
    "plain GRU, reset after": Family(cell=GRU, sizes=(8, 50, 32, 32)),
    "plain GRU, reset before": Family(cell=GRU | {"reset": "before"}, sizes=(8, 50, 32, 32)),
    "plain LSTM": Family(cell=LSTM, sizes=(8, 50, 32, 32)),
    "long vanilla": Family(cell=VANILLA, sizes=(4, 200, 32, 32)),
    "long LSTM": Family(cell=LSTM, sizes=(4, 200, 32, 32)),
    "wide LSTM": Family(cell=LSTM, sizes=(2, 50, 256, 256)),
    "relu, one sign": Family(cell=RELU, sizes=(8, 50, 32, 32), one_sign=True),
    "one-hot LSTM": Family(cell=LSTM, sizes=(8, 25, 400, 32), x="one-hot", input_weights=20),
    "saturated vanilla": Family(cell=VANILLA, sizes=(16, 10, 32, 32), weights=8),
    "saturated LSTM": Family(cell=LSTM, sizes=(8, 25, 32, 32), weights=8),
    "tiny GRU": Family(cell=GRU, sizes=(8, 25, 32, 32), weights=1e-3, biases=1e-3),
    "sparse LSTM": Family(cell=LSTM, sizes=(8, 25, 256, 32), x="sparse"),
    "large biases GRU": Family(cell=GRU, sizes=(8, 25, 32, 32), biases=16),
    "large biases LSTM": Family(cell=LSTM, sizes=(8, 25, 32, 32), biases=16),
    "3 layers, 2 directions": Family(cell=DEEP, sizes=(8, 25, 16, 16)),
    "forget bias 1": Family(cell=LSTM | {"forget_bias": 1.0}, sizes=(8, 50, 32, 32)),
    "long memory": Family(cell=LONG_MEMORY, sizes=(4, 200, 32, 32)),
    "steady LSTM": Family(cell=LSTM, sizes=(8, 50, 32, 32), x="steady"),
    "long memory, steady": Family(cell=LONG_MEMORY, sizes=(4, 200, 32, 32), x="steady"),
    "512 of one sign": Family(cell=VANILLA, sizes=(32, 3, 512, 32), one_sign=True),
    "4,096 of one sign": Family(cell=VANILLA, sizes=(32, 3, 4096, 32), one_sign=True),
    "near zero": Family(cell=VANILLA, sizes=(8, 25, 256, 32), x="in pairs", cancelling=True,
                        biases=1e-3),
}  # fmt: skip

SMALL: dict[str, Family] = {
    f"small {cell['cell']} {sizes}": Family(cell=cell, sizes=sizes)
    for sizes in ((1, 1, 1, 1), (1, 4, 1, 1), (1, 3, 4, 4), (2, 5, 4, 4), (4, 9, 8, 8),
                  (8, 25, 16, 16))
    for cell in (VANILLA, LSTM)
}  # fmt: skip
"""Families whose tensors hold from one to a few hundred independent errors."""


def draw_inputs(name: str, family: Family, dtype: str, seed: int) -> Inputs:
    """Draw the inputs of a family, exact in a dtype; the same for the same name and seed.

    Args:
        name: the name of the family.
        family: the family.
        dtype: the dtype.
        seed: the seed.

    Returns:
        The inputs.

    """
    batch, steps, input_size, hidden_size = family.sizes
    spec = Spec(**family.cell, input_size=input_size, hidden_size=hidden_size)
    id_ = f"calibration/{name}/{dtype}/{seed}"
    drawn = draw(Case(id=id_, spec=spec, dtype=dtype, batch=batch, steps=steps))
    random = np.random.default_rng([seed, *id_.encode()])
    x = INPUTS[family.x](np.abs(drawn.x) if family.one_sign else drawn.x, random)
    params = tuple(tuple(_weights(family, w, dtype) for w in layer) for layer in drawn.params)
    return replace(drawn, x=x, params=params)


def _weights(family: Family, drawn: Weights, dtype: str) -> Weights:
    """Transform one layer's weights in one direction as the family says."""

    def matrix(W: Array, factor: float) -> Array:
        W = W * (factor * family.weights)
        if family.one_sign:
            W = np.abs(W) / math.sqrt(W.shape[1])
        if family.cancelling:
            W[:, 1::2] = W[:, ::2] * (1 / 64 - 1)
        return rounded(W, dtype)

    def vector(b: Array | None) -> Array:
        assert b is not None, "families have biases"
        return rounded((np.abs(b) if family.one_sign else b) * family.biases, dtype)

    return Weights(
        W_ih=matrix(drawn.W_ih, family.input_weights),
        W_hh=matrix(drawn.W_hh, 1),
        b_ih=vector(drawn.b_ih),
        b_hh=vector(drawn.b_hh),
    )

"""How the numbers of a case may look: weights and inputs at the ends of what a type holds.

A function of drawn values of size 1, of the dtype they are for, and of a source of random numbers; what
it returns is rounded to the dtype by its caller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference import Array

Transform = Callable[[Array, str, np.random.Generator], Array]

SCALE = {"float64": 2.0**10, "float32": 2.0**8, "bfloat16": 2.0**8, "float16": 2.0**4}
"""Past it, e^a leaves the type's range, and products of products do."""

LEAST = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}
"""The smallest normal number; below it a type has fewer digits, and many kernels make 0 of it."""


def _scaled(factor: float) -> Transform:
    """Everything ``factor`` times as large."""
    return lambda v, dtype, random: v * factor


def _huge(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """So large that an exponential overflows unless it is written well."""
    return v * SCALE[dtype]


def _denormal(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Matrices below the smallest normal number; biases as they are."""
    return v * LEAST[dtype] / 4 if v.ndim == 2 else v


def _sparse(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Nine of ten are 0."""
    return np.where(random.random(v.shape) < 0.1, v * 3, 0.0)


def _orthogonal(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Every gate's recurrent block keeps lengths; other arrays stay as they are."""
    if v.ndim != 2 or len(v) % v.shape[1]:
        return v
    return np.concatenate([np.linalg.qr(block)[0] for block in np.split(v, len(v) // v.shape[1])])


def _plain(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """As they were drawn."""
    return v


WEIGHTS: dict[str, Transform] = {
    "plain": _plain,
    "saturated": _scaled(8),
    "tiny": _scaled(2.0**-10),
    "huge": _huge,
    "denormal": _denormal,
    "sparse": _sparse,
    "orthogonal": _orthogonal,
}
"""Of every weight matrix ``(M, N)`` and bias ``(M,)``."""


def _constant(x: Array, dtype: str, random: np.random.Generator) -> Array:
    """The same at every step, so that rounding errors repeat as well."""
    return np.broadcast_to(x[:, :1], x.shape).copy()


def _one_hot(x: Array, dtype: str, random: np.random.Generator) -> Array:
    """A 1 at every step, and 0 elsewhere."""
    return np.eye(x.shape[-1])[random.integers(0, x.shape[-1], x.shape[:-1])]


INPUTS: dict[str, Transform] = {
    "plain": _plain,
    "constant": _constant,
    "one-hot": _one_hot,
    "zero": _scaled(0),
    "large": _scaled(2.0**5),
    "tiny": _scaled(2.0**-10),
}
"""Of the input ``(B, T, I)``."""

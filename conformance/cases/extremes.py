"""Transforms of drawn values: weights and inputs near the limits of a dtype.

A transform takes values of size 1, their dtype and a source of random numbers. Its caller rounds the result
to the dtype.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference import Array

Transform = Callable[[Array, str, np.random.Generator], Array]

SCALE = {"float64": 2.0**10, "float32": 2.0**8, "bfloat16": 2.0**8, "float16": 2.0**4}
"""A scale by which e^a, or a product of products, leaves the range of the dtype."""

LEAST = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}
"""The smallest normal number. Below it a dtype has fewer digits, and many kernels flush to 0."""


def _scaled(factor: float) -> Transform:
    """Multiply all values by a factor."""
    return lambda v, dtype, random: v * factor


def _huge(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Scale values so that an exponential overflows unless it is written well."""
    return v * SCALE[dtype]


def _denormal(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Scale matrices below the smallest normal number; leave biases unchanged."""
    return v * LEAST[dtype] / 4 if v.ndim == 2 else v


def _sparse(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Set nine of ten values to 0."""
    return np.where(random.random(v.shape) < 0.1, v * 3, 0.0)


def _orthogonal(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Make every gate's recurrent block orthogonal; leave other arrays unchanged."""
    if v.ndim != 2 or len(v) % v.shape[1]:
        return v
    return np.concatenate([np.linalg.qr(block)[0] for block in np.split(v, len(v) // v.shape[1])])


def _plain(v: Array, dtype: str, random: np.random.Generator) -> Array:
    """Return the values unchanged."""
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
"""Transforms of every weight matrix ``(M, N)`` and bias ``(M,)``."""


def _constant(x: Array, dtype: str, random: np.random.Generator) -> Array:
    """Repeat the first step's input at every step, so that rounding errors repeat as well."""
    return np.broadcast_to(x[:, :1], x.shape).copy()


def _one_hot(x: Array, dtype: str, random: np.random.Generator) -> Array:
    """Make one random input 1 at every step, and the others 0."""
    return np.eye(x.shape[-1])[random.integers(0, x.shape[-1], x.shape[:-1])]


INPUTS: dict[str, Transform] = {
    "plain": _plain,
    "constant": _constant,
    "one-hot": _one_hot,
    "zero": _scaled(0),
    "large": _scaled(2.0**5),
    "tiny": _scaled(2.0**-10),
}
"""Transforms of the input ``(B, T, I)``."""

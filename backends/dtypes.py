"""Numbers of a dtype, held in float64: NumPy has no bfloat16."""

from __future__ import annotations

import numpy as np

from reference import Array

PRECISION = {
    "float64": (53, -1074),
    "float32": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}
"""Significant bits, and the exponent of the smallest number above 0."""


def rounded(values: Array, dtype: str) -> Array:
    """``values`` rounded to ``dtype``, still float64; what is too large for it stays so."""
    bits, least = PRECISION[dtype]
    _, exponent = np.frexp(values)
    unit = np.maximum(exponent - bits, least)  # exponent of the last place
    return np.ldexp(np.rint(np.ldexp(values, -unit)), unit)

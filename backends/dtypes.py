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
    """Round numbers to a dtype.

    Args:
        values: Numbers in float64.
        dtype: The name of the dtype.

    Returns:
        The rounded numbers, still float64; a number that is too large for the dtype stays.
    """
    bits, least = PRECISION[dtype]
    _, exponent = np.frexp(values)
    unit = np.maximum(exponent - bits, least)  # exponent of the last place
    return np.ldexp(np.rint(np.ldexp(values, -unit)), unit)

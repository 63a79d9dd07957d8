"""Arrays as source text that NumPy reads back exactly."""

from __future__ import annotations

import base64
import itertools
import textwrap
import zlib
from typing import Any

import numpy as np

from reference import Array

WRITTEN_OUT = 160
"""Elements of the largest array that is written number by number; others are packed."""

KIND = {"float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "f4"}
"""The narrowest NumPy type that holds every value of a dtype; NumPy has no bfloat16."""

WIDTH = 96


def literal(values: Array, dtype: str = "float64") -> str:
    """Write an array as an expression.

    Args:
        values: Numbers in float64, or integers.
        dtype: The dtype in which the numbers are exact.

    Returns:
        An expression that makes the array in NumPy's type for ``dtype``; integers keep their type.

    Raises:
        ValueError: Some values are not exact in ``dtype``.
    """
    if values.dtype.kind in "iu":
        return _written(values, "")
    kind = KIND[dtype]
    with np.errstate(over="ignore"):
        narrow = values.astype(f"<{kind}")
    if not np.array_equal(narrow.astype(np.float64), values, equal_nan=True):
        raise ValueError(f"values: some are not exact in {dtype}, which they were said to be")
    if values.size > WRITTEN_OUT:
        return _packed(narrow, kind)
    return _written(narrow, "" if kind == "f8" else f', "{kind}"')


def _written(values: Array, kind: str) -> str:
    """Number by number, the last axis on a line of its own."""
    text = _nested(values)
    if len(text) + len(kind) <= WIDTH - 20:
        return f"np.array({text}{kind})"
    rows = _nested(values, "\n" if values.shape[-1] > 2 else " ").splitlines()
    lines = (
        textwrap.wrap(row, WIDTH - 12, break_long_words=False, break_on_hyphens=False)
        for row in rows
    )
    return f"np.array(\n    {f'{chr(10)}    '.join(itertools.chain(*lines))}{kind}\n)"


def _nested(values: Array, after: str = " ") -> str:
    """``values`` in brackets; ``after`` follows the comma between rows."""
    if values.ndim == 0:
        return _number(values[()])
    between = f",{after if values.ndim > 1 else ' '}"
    return f"[{between.join(_nested(part, after) for part in values)}]"


def _number(value: Any) -> str:
    """The shortest text that reads as the value in its own type."""
    return "np.nan" if np.isnan(value) else str(value)


def _packed(narrow: Array, kind: str) -> str:
    """Return the call that unpacks the compressed bytes from base 85."""
    text = base64.b85encode(zlib.compress(narrow.tobytes(), 9)).decode()
    lines = "\n".join(textwrap.wrap(text, WIDTH, break_on_hyphens=False))
    return f'unpack("{kind}", {narrow.shape}, """\n{lines}\n""")'

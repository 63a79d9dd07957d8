"""The order of dtypes, wherever they stand below each other."""

from __future__ import annotations

DTYPES = ("float64", "float32", "default", "tf32", "float16", "bfloat16")


def dtype_order(dtype: str) -> tuple[int, str]:
    """A sort key: the dtypes that are known from wide to narrow, then any other."""
    return (DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES), dtype)

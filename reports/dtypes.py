"""The order of dtypes in every table: from wide to narrow."""

from __future__ import annotations

DTYPES = ("float64", "float32", "default", "tf32", "float16", "bfloat16")


def dtype_order(dtype: str) -> tuple[int, str]:
    """Return the sort key of a dtype.

    Args:
        dtype: name of the dtype.

    Returns:
        A key that puts known dtypes from wide to narrow and any other dtype last, by name.

    """
    return (DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES), dtype)

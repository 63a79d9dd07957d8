"""The sums over batch and time that make the gradient of a shared parameter.

Every step adds its share to the gradient of the same weights, in the order of T. NumPy does so in one
matmul; other kinds of arrays may add up step by step, as ``rounding/array.py`` does.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from reference.spec import Array


@singledispatch
def outer(d: Array, v: Array) -> Array:
    """Sum d_tb v_tbᵀ over steps and rows.

    Args:
        d: (..., T, B, M).
        v: (..., T, B, N).

    Returns:
        Σ_tb d_tb v_tbᵀ, (..., M, N).
    """
    return np.swapaxes(rows(d), -1, -2) @ rows(v)


@singledispatch
def total(d: Array) -> Array:
    """Sum over steps and rows.

    Args:
        d: (..., T, B, M).

    Returns:
        Σ_tb d_tb, (..., M).
    """
    return rows(d).sum(axis=-2)


@singledispatch
def scatter(d: Array, words: Array, vocabulary: int) -> Array:
    """Sum the gradients of every word's places.

    Args:
        d: Gradients by the embedded words (..., B, T, N).
        words: Words (B, T).
        vocabulary: The number of words.

    Returns:
        (..., vocabulary, N): row k is the sum of d_bt where words_bt = k.
    """
    found = np.zeros((*d.shape[:-3], vocabulary, d.shape[-1]), d.dtype)
    np.add.at(found, (..., words.ravel(), slice(None)), rows(d))  # type: ignore[arg-type]  # NumPy has no type for "..." beside arrays
    return found


def constant(value: float, like: Array) -> Array:
    """Return a number as an array that rounds as another one does.

    Args:
        value: The number.
        like: An array (..., P) of the wanted kind.

    Returns:
        An array (..., 1).
    """
    return np.where(np.True_, value, np.zeros_like(like, shape=(*like.shape[:-1], 1)))


def rows(v: Array) -> Array:
    """Flatten steps and rows into one axis.

    Args:
        v: (..., T, B, N).

    Returns:
        (..., T·B, N).
    """
    return v.reshape(*v.shape[:-3], -1, v.shape[-1])


def unrows(flat: Array, like: Array) -> Array:
    """Split the axis of ``rows`` again.

    Args:
        flat: (..., T·B, N).
        like: (..., T, B, M), which gives T and B.

    Returns:
        (..., T, B, N).
    """
    return flat.reshape(*flat.shape[:-2], *like.shape[-3:-1], flat.shape[-1])

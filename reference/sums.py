"""The sums over batch and time that make the gradient of a shared parameter.

Every step adds its share to the gradient of the same weights, in the order of T. NumPy does all of it in
one matrix product; other kinds of arrays may add up step by step, as ``rounding/array.py`` does.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from reference.spec import Array


@singledispatch
def outer(d: Array, v: Array) -> Array:
    """Σ over t and b of d_tb v_tbᵀ: from ``d (..., T, B, M)`` and ``v (..., T, B, N)``, (..., M, N)."""
    return np.swapaxes(rows(d), -1, -2) @ rows(v)


@singledispatch
def total(d: Array) -> Array:
    """Σ over t and b of d_tb: from ``d (..., T, B, M)``, (..., M)."""
    return rows(d).sum(axis=-2)


@singledispatch
def scatter(d: Array, words: Array, vocabulary: int) -> Array:
    """Row k is Σ of d_bt where words_bt = k: from ``d (..., B, T, N)``, (..., vocabulary, N)."""
    found = np.zeros((*d.shape[:-3], vocabulary, d.shape[-1]), d.dtype)
    np.add.at(found, (..., words.ravel(), slice(None)), rows(d))  # type: ignore[arg-type]
    return found


def constant(value: float, like: Array) -> Array:
    """A number as an array (..., 1) of the kind of ``like (..., P)``, which rounds as that does."""
    return np.where(np.True_, value, np.zeros_like(like, shape=(*like.shape[:-1], 1)))


def rows(v: Array) -> Array:
    """``v (..., T, B, N)`` as (..., T·B, N)."""
    return v.reshape(*v.shape[:-3], -1, v.shape[-1])


def unrows(flat: Array, like: Array) -> Array:
    """``flat (..., T·B, N)`` as (..., T, B, N), with T and B those of ``like (..., T, B, M)``."""
    return flat.reshape(*flat.shape[:-2], *like.shape[-3:-1], flat.shape[-1])

"""The layers around a recurrent network: words in, outputs out; each with its gradient.

Every function returns its result, and a function from the loss's gradient by the result to those by
the parameters and the input. A sequence is ``(..., B, T, N)``; a vector is a sequence of one
step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from reference.cells import affine
from reference.networks.layers import Affine
from reference.spec import Array
from reference.sums import rows, scatter, unrows

LayerBack = Callable[[Array], tuple[Any, Array]]
"""A function from a layer's incoming gradient to those by its parameters and its input."""


def one_hot(words: Array, vocabulary: int, like: Array) -> Array:
    """Return word k as the k-th unit vector.

    Args:
        words: Words (B, T).
        vocabulary: The number of words.
        like: An array of the wanted kind.

    Returns:
        (..., B, T, vocabulary).
    """
    zero = np.zeros_like(like, shape=(*like.shape[:-2], 1, 1, 1))
    return np.where(words[..., None] == np.arange(vocabulary), 1.0, zero)


def embed(table: Array, words: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Look up row k of a table for word k; a row's gradient is the sum over the places of its word.

    Args:
        table: (..., vocabulary, N).
        words: Words (B, T).

    Returns:
        (..., B, T, N), and the function from its gradient to the table's.
    """
    return table[..., words, :], lambda d: scatter(d, words, table.shape[-2])


def affine_layer(params: Affine, v: Array) -> tuple[Array, LayerBack]:
    """Return a = W v + b, with the same W and b for every row and step.

    dW = Σ da vᵀ,   db = Σ da,   dv = Wᵀ da;   sums over rows and steps

    Args:
        params: W (..., M, N), and b (..., M) or None.
        v: A sequence (..., B, T, N).

    Returns:
        (..., B, T, M), and the function from its gradient to those by the parameters and v.
    """
    W, b = params
    flat = rows(v)

    def back(d: Array) -> tuple[Affine, Array]:
        da = rows(d)
        dW = np.swapaxes(da, -1, -2) @ flat
        return Affine(dW, None if b is None else np.sum(da, axis=-2)), unrows(da @ W, v)

    return unrows(affine(flat, W, b), v), back


def select(
    at: Literal["every", "last"] | tuple[int, ...], v: Array, lengths: Array | None
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the steps of a sequence that a readout reads; the gradient of others is 0.

    Args:
        at: Every step, the last valid one, or the numbers of steps.
        v: A sequence (..., B, T, N).
        lengths: Valid steps of every row (B,), or None for all.

    Returns:
        A sequence (..., B, S, N), and the function from its gradient to that by v.
    """
    if at == "every":
        return v, lambda d: d
    batch, steps = v.shape[-3:-1]
    if at == "last":
        last = np.full(batch, steps) - 1 if lengths is None else lengths - 1
        chosen = v[..., np.arange(batch), last, :][..., None, :]
        there = (np.arange(steps) == last[:, None])[..., None]
        return chosen, lambda d: np.where(there, d, 0)
    at = tuple(at)

    def back(d: Array) -> Array:
        zero = np.zeros_like(d, shape=(*d.shape[:-2], d.shape[-1]))
        columns = [d[..., at.index(t), :] if t in at else zero for t in range(steps)]
        return np.stack(columns, axis=-2)

    return v[..., list(at), :], back

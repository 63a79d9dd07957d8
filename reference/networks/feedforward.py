"""The layers around a recurrent network: words in, outputs out; each with its gradient.

Every function returns its result, and a function from the loss's gradient by that to the gradients by
the parameters and by what was read. A sequence is ``(..., B, T, N)``; a vector is a sequence of one
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
"""From a layer's incoming gradient to those of its parameters and of what it read."""


def one_hot(words: Array, vocabulary: int, like: Array) -> Array:
    """Word k as the k-th unit vector: ``(B, T)`` to ``(..., B, T, vocabulary)``, of the kind of ``like``."""
    zero = np.zeros_like(like, shape=(*like.shape[:-2], 1, 1, 1))
    return np.where(words[..., None] == np.arange(vocabulary), 1.0, zero)


def embed(table: Array, words: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Row k of the table for word k; a row's gradient is the sum over the places of its word."""
    return table[..., words, :], lambda d: scatter(d, words, table.shape[-2])


def affine_layer(params: Affine, v: Array) -> tuple[Array, LayerBack]:
    """a = W v + b, with the same W and b for every row and step.

    dW = Σ da vᵀ,   db = Σ da,   dv = Wᵀ da;   sums over rows and steps
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
    """The steps of ``v`` that a readout reads; elsewhere the gradient is 0."""
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

"""Activations after an affine map: identity, tanh, relu, softmax; each with its gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference.cells import relu
from reference.spec import Array

Back = Callable[[Array], Array]
"""A function from the loss's gradient by a result to that by the argument."""


def softmax(a: Array) -> Array:
    """Return e^{a_k} / Σ_j e^{a_j} over the last axis; a − max a for a, so that nothing overflows.

    Args:
        a: Pre-activations (..., K).

    Returns:
        Probabilities (..., K).
    """
    e = np.exp(a - np.max(a, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def activate(name: str, a: Array) -> tuple[Array, Back]:
    """Apply an activation, and return its gradient's function.

    o = g(a); the gradient by a from the gradient do is:

    identity   do
    tanh       do ⊙ (1 − o²)
    relu       do where o > 0, else 0
    softmax    o ⊙ (do − Σ_j do_j o_j)

    Args:
        name: identity, tanh, relu or softmax.
        a: Pre-activations, of any shape.

    Returns:
        o, and the function from do to the gradient by a.
    """
    if name == "identity":
        return a, lambda d: d
    if name == "tanh":
        o = np.tanh(a)
        return o, lambda d: d * (1 - o * o)
    if name == "relu":
        o = relu(a)
        return o, lambda d: np.where(o > 0, d, 0)
    o = softmax(a)
    return o, lambda d: o * (d - np.sum(d * o, axis=-1, keepdims=True))

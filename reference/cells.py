"""One time step of each cell: the equations.

Every step takes the input ``x (..., B, I)`` and the state it starts from, each part
``(..., B, H)``, and returns the new state, h first. Gate blocks stand in the order of ``GATES``;
⊙ is the elementwise product and σ(a) = 1 / (1 + e⁻ᵃ).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import TypeAlias

import numpy as np

from reference.spec import Array, Spec, Weights

State: TypeAlias = tuple[Array, ...]


@singledispatch
def sigmoid(a: Array) -> Array:
    """σ(a) = 1 / (1 + e⁻ᵃ); where e⁻ᵃ overflows, the quotient is the correct 0.

    One operation, as tanh is: other kinds of arrays may register their own.
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-a))


def relu(a: Array) -> Array:
    """max(a, 0)."""
    return np.maximum(a, 0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "relu": relu}


def affine(v: Array, W: Array, b: Array | None) -> Array:
    """W v + b for every row of ``v (..., B, N)``, with ``W (..., M, N)`` and ``b (..., M)``."""
    if b is None:
        return v @ np.swapaxes(W, -1, -2)
    return v @ np.swapaxes(W, -1, -2) + b[..., None, :]


def gates(a: Array, count: int) -> list[Array]:
    """The ``count`` equal blocks of the last axis."""
    size = a.shape[-1] // count
    return [a[..., k * size : (k + 1) * size] for k in range(count)]


def vanilla(spec: Spec, w: Weights, x: Array, state: State) -> State:
    """The simple recurrent cell (Elman, Finding structure in time, 1990).

    h' = act(W_ih x + b_ih + W_hh h + b_hh),   act = tanh or relu
    """
    (h,) = state
    act = ACTIVATIONS[spec.activation]
    return (act(affine(x, w.W_ih, w.b_ih) + affine(h, w.W_hh, w.b_hh)),)


def gru(spec: Spec, w: Weights, x: Array, state: State) -> State:
    """The gated recurrent unit (Cho et al., arXiv:1406.1078); blocks r, z, n.

    r  = σ(W_r x + b_ih,r + U_r h + b_hh,r)
    z  = σ(W_z x + b_ih,z + U_z h + b_hh,z)
    n  = tanh(W_n x + b_ih,n + r ⊙ (U_n h + b_hh,n))     reset = "after"  (arXiv:1412.3555v1, cuDNN)
    n  = tanh(W_n x + b_ih,n + U_n (r ⊙ h) + b_hh,n)     reset = "before" (arXiv:1406.1078)
    h' = (1 − z) ⊙ n + z ⊙ h
    """
    (h,) = state
    x_r, x_z, x_n = gates(affine(x, w.W_ih, w.b_ih), 3)
    if spec.reset == "after":
        h_r, h_z, h_n = gates(affine(h, w.W_hh, w.b_hh), 3)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * h_n)
    else:
        cut = 2 * spec.hidden_size
        b_rz, b_n = (None, None) if w.b_hh is None else (w.b_hh[..., :cut], w.b_hh[..., cut:])
        h_r, h_z = gates(affine(h, w.W_hh[..., :cut, :], b_rz), 2)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + affine(r * h, w.W_hh[..., cut:, :], b_n))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, w: Weights, x: Array, state: State) -> State:
    """Long short-term memory with a forget gate (Gers et al., 2000); blocks i, f, g, o.

    a  = W_ih x + b_ih + W_hh h + b_hh
    c' = σ(a_f + forget_bias) ⊙ c + σ(a_i) ⊙ tanh(a_g)
    h' = σ(a_o) ⊙ tanh(c')
    """
    h, c = state
    a = affine(x, w.W_ih, w.b_ih) + affine(h, w.W_hh, w.b_hh)
    a_i, a_f, a_g, a_o = gates(a, 4)
    if spec.forget_bias:
        a_f = a_f + spec.forget_bias
    c_next = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_g)
    return sigmoid(a_o) * np.tanh(c_next), c_next


STEP: dict[str, Callable[[Spec, Weights, Array, State], State]] = {
    "vanilla": vanilla,
    "gru": gru,
    "lstm": lstm,
}

"""One time step of each cell: the equations, and their gradients.

A step takes ``from_x (..., B, G·H)``, which is W_ih x + b_ih, and the state it starts from, each part
``(..., B, H)``. No state changes W_ih x, so ``rnn.py`` computes it for many steps at once. A step
returns the new state, h first, and the values that its gradient needs. Gate blocks stand in the order
of ``GATES``; ⊙ is the elementwise product and σ(a) = 1 / (1 + e⁻ᵃ).

The gradient of a step takes d_next, the loss's gradient by the new state, and returns a
``StepGradient``. The gradients by the input and the weights follow for all steps at once (``bptt.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple, TypeAlias

import numpy as np

from reference.parameters import Weights
from reference.spec import Array, Spec

State: TypeAlias = tuple[Array, ...]


@singledispatch
def sigmoid(a: Array) -> Array:
    """Return σ(a) = 1 / (1 + e⁻ᵃ); where e⁻ᵃ overflows, the quotient is the correct 0.

    One operation, as tanh is: other kinds of arrays may register their own.

    Args:
        a: Pre-activations, of any shape.

    Returns:
        An array of the same shape.
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-a))


def relu(a: Array) -> Array:
    """Return max(a, 0).

    Args:
        a: Pre-activations, of any shape.

    Returns:
        An array of the same shape.
    """
    return np.maximum(a, 0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "relu": relu}


def affine(v: Array, W: Array, b: Array | None) -> Array:
    """Return W v + b for every row.

    Args:
        v: Rows (..., B, N).
        W: A matrix (..., M, N).
        b: A vector (..., M), or None for 0.

    Returns:
        Rows (..., B, M).
    """
    if b is None:
        return v @ np.swapaxes(W, -1, -2)
    return v @ np.swapaxes(W, -1, -2) + b[..., None, :]


def gates(a: Array, count: int) -> list[Array]:
    """Split the last axis into equal blocks.

    Args:
        a: Pre-activations (..., G·H).
        count: The number of blocks, G.

    Returns:
        The blocks in order, each (..., H).
    """
    size = a.shape[-1] // count
    return [a[..., k * size : (k + 1) * size] for k in range(count)]


class StepGradient(NamedTuple):
    """The loss's gradients by both sides of a step's pre-activations, and by its old state.

    ``input (..., B, G·H)`` is that of W_ih x + b_ih, ``recurrent (..., B, G·H)`` that of the products
    with W_hh, and b_hh; ``state`` is that of every part of the old state.
    """

    input: Array
    recurrent: Array
    state: State


def vanilla(spec: Spec, w: Weights, from_x: Array, state: State) -> tuple[State, State]:
    """Run the simple recurrent cell (Elman, Finding structure in time, 1990) for one step.

    h' = act(W_ih x + b_ih + W_hh h + b_hh),   act = tanh or relu

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        from_x: W_ih x + b_ih, (..., B, G·H).
        state: The state that the step starts from, h first, each part (..., B, H).

    Returns:
        The new state, h first; and the values that the gradient needs: h'.
    """
    (h,) = state
    act = ACTIVATIONS[spec.activation]
    h_next = act(from_x + affine(h, w.W_hh, w.b_hh))
    return (h_next,), (h_next,)


def vanilla_gradient(
    spec: Spec, w: Weights, state: State, saved: State, d_next: State
) -> StepGradient:
    """Return the gradients of one vanilla step.

    da = dh' ⊙ act'(a),   tanh'(a) = 1 − h'²,   relu'(a) = 1 where h' > 0, else 0
    dh = W_hhᵀ da

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        state: The state that the step started from, h first.
        saved: The values that the step saved.
        d_next: Gradients by the new state, h first.

    Returns:
        The gradients by the input's side of the pre-activations, by the recurrent side, and by the
        old state.
    """
    (h_next,), (dh_next,) = saved, d_next
    if spec.activation == "tanh":
        da = dh_next * (1 - h_next * h_next)
    else:
        da = np.where(h_next > 0, dh_next, 0)
    return StepGradient(da, da, (da @ w.W_hh,))


def gru(spec: Spec, w: Weights, from_x: Array, state: State) -> tuple[State, State]:
    """Run the gated recurrent unit (Cho et al., arXiv:1406.1078) for one step.

    The blocks are r, z, n.

    r  = σ(W_r x + b_ih,r + U_r h + b_hh,r)
    z  = σ(W_z x + b_ih,z + U_z h + b_hh,z)
    n  = tanh(W_n x + b_ih,n + r ⊙ (U_n h + b_hh,n))     reset = "after"  (arXiv:1412.3555v1, cuDNN)
    n  = tanh(W_n x + b_ih,n + U_n (r ⊙ h) + b_hh,n)     reset = "before" (arXiv:1406.1078)
    h' = (1 − z) ⊙ n + z ⊙ h

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        from_x: W_ih x + b_ih, (..., B, G·H).
        state: The state that the step starts from, h first, each part (..., B, H).

    Returns:
        The new state, h first; and the values that the gradient needs: r, z, n and v.
    """
    (h,) = state
    x_r, x_z, x_n = gates(from_x, 3)
    if spec.reset == "after":
        h_r, h_z, v = gates(affine(h, w.W_hh, w.b_hh), 3)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * v)
    else:
        cut = 2 * spec.hidden_size
        b_rz, b_n = (None, None) if w.b_hh is None else (w.b_hh[..., :cut], w.b_hh[..., cut:])
        h_r, h_z = gates(affine(h, w.W_hh[..., :cut, :], b_rz), 2)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        v = r * h
        n = np.tanh(x_n + affine(v, w.W_hh[..., cut:, :], b_n))
    return ((1 - z) * n + z * h,), (r, z, n, v)


def gru_gradient(spec: Spec, w: Weights, state: State, saved: State, d_next: State) -> StepGradient:
    """Return the gradients of one GRU step.

    v is U_n h + b_hh,n with reset after, and r ⊙ h with reset before.

    da_n = dh' ⊙ (1 − z) ⊙ (1 − n²)
    da_z = dh' ⊙ (h − n) ⊙ z ⊙ (1 − z)
    da_r = dr ⊙ r ⊙ (1 − r)
    after    dv = r ⊙ da_n,   dr = v ⊙ da_n,   dh = z ⊙ dh' + W_hhᵀ [da_r, da_z, dv]
    before   dv = U_nᵀ da_n,  dr = h ⊙ dv,     dh = z ⊙ dh' + r ⊙ dv + W_hh,rzᵀ [da_r, da_z]

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        state: The state that the step started from, h first.
        saved: The values that the step saved.
        d_next: Gradients by the new state, h first.

    Returns:
        The gradients by the input's side of the pre-activations, by the recurrent side, and by the
        old state.
    """
    (h,), (r, z, n, v), (dh_next,) = state, saved, d_next
    da_n = dh_next * (1 - z) * (1 - n * n)
    da_z = dh_next * (h - n) * (z * (1 - z))
    dh = dh_next * z
    if spec.reset == "after":
        da_r = da_n * v * (r * (1 - r))
        recurrent = np.concatenate([da_r, da_z, da_n * r], axis=-1)
        inputs = np.concatenate([da_r, da_z, da_n], axis=-1)
        return StepGradient(inputs, recurrent, (dh + recurrent @ w.W_hh,))
    cut = 2 * spec.hidden_size
    dv = da_n @ w.W_hh[..., cut:, :]
    da_r = dv * h * (r * (1 - r))
    da_rz = np.concatenate([da_r, da_z], axis=-1)
    both = np.concatenate([da_rz, da_n], axis=-1)
    return StepGradient(both, both, (dh + dv * r + da_rz @ w.W_hh[..., :cut, :],))


def lstm(spec: Spec, w: Weights, from_x: Array, state: State) -> tuple[State, State]:
    """Run the long short-term memory with a forget gate (Gers et al., 2000) for one step.

    The blocks are i, f, g, o.

    a  = W_ih x + b_ih + W_hh h + b_hh
    c' = σ(a_f + forget_bias) ⊙ c + σ(a_i) ⊙ tanh(a_g)
    h' = σ(a_o) ⊙ tanh(c')

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        from_x: W_ih x + b_ih, (..., B, G·H).
        state: The state that the step starts from, h first, each part (..., B, H).

    Returns:
        The new state, h first; and the values that the gradient needs: i, f, g, o and tanh(c').
    """
    h, c = state
    a = from_x + affine(h, w.W_hh, w.b_hh)
    a_i, a_f, a_g, a_o = gates(a, 4)
    if spec.forget_bias:
        a_f = a_f + spec.forget_bias
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c_next = f * c + i * g
    m = np.tanh(c_next)
    return (o * m, c_next), (i, f, g, o, m)


def lstm_gradient(
    spec: Spec, w: Weights, state: State, saved: State, d_next: State
) -> StepGradient:
    """Return the gradients of one LSTM step, with m = tanh(c').

    dc'' = dc' + dh' ⊙ o ⊙ (1 − m²)
    da_i = dc'' ⊙ g ⊙ i ⊙ (1 − i)      da_g = dc'' ⊙ i ⊙ (1 − g²)
    da_f = dc'' ⊙ c ⊙ f ⊙ (1 − f)      da_o = dh' ⊙ m ⊙ o ⊙ (1 − o)
    dc   = dc'' ⊙ f                    dh   = W_hhᵀ da

    Args:
        spec: The network.
        w: Weights of one layer in one direction.
        state: The state that the step started from, h first.
        saved: The values that the step saved.
        d_next: Gradients by the new state, h first.

    Returns:
        The gradients by the input's side of the pre-activations, by the recurrent side, and by the
        old state.
    """
    (_, c), (i, f, g, o, m), (dh_next, dc_next) = state, saved, d_next
    dc_next = dc_next + dh_next * o * (1 - m * m)
    da = np.concatenate(
        [
            dc_next * g * (i * (1 - i)),
            dc_next * c * (f * (1 - f)),
            dc_next * i * (1 - g * g),
            dh_next * m * (o * (1 - o)),
        ],
        axis=-1,
    )
    return StepGradient(da, da, (da @ w.W_hh, dc_next * f))


Step: TypeAlias = Callable[[Spec, Weights, Array, State], tuple[State, State]]
Gradient: TypeAlias = Callable[[Spec, Weights, State, State, State], StepGradient]

STEP: dict[str, Step] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}
GRADIENT: dict[str, Gradient] = {
    "vanilla": vanilla_gradient,
    "gru": gru_gradient,
    "lstm": lstm_gradient,
}
"""The gradient of each cell of ``STEP``."""

"""One time step of each cell in ``jax.numpy``, on the blocks that the dialect declares.

A step takes three things: the input side of the pre-activations, x W + b; the recurrent side as a function
``by_h(v, part)``, which returns v U + b; and the state, h first. It returns the new state. Gates are blocks
along ``axis``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from backends.layouts import Block
from reference import Spec

Side = Callable[..., Any]


def affine(v: jax.Array, W: Any, b: Any) -> jax.Array:
    """Return v W + b.

    Args:
        v: Rows (B, N).
        W: Weights (N, M).
        b: The bias (M,), or None.

    Returns:
        The result (B, M).
    """
    return v @ W if b is None else v @ W + b


def step(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """Run one time step of a batch.

    Args:
        spec: The network.
        w: The weights of one layer and direction.
        x: The input (B, N).
        state: The state: h (B, H) and, for an LSTM, c (B, H).

    Returns:
        The new state, in the same form.
    """
    U, b = w.recurrent, w.recurrent_bias
    assert U is not None

    def by_h(v: jax.Array, part: int = 0) -> jax.Array:
        columns = parts(spec)[part]
        return affine(v, U[:, columns], None if b is None else b[columns])

    return CELLS[spec.cell](spec, affine(x, w.kernel, w.bias), by_h, state)


def parts(spec: Spec) -> tuple[slice, ...]:
    """Return the gates of each recurrent matmul of a step.

    Args:
        spec: The network.

    Returns:
        Slices of the gates: two for a reset-before GRU, else one.
    """
    if spec.cell == "gru" and spec.reset == "before":
        cut = 2 * spec.hidden_size
        return slice(cut), slice(cut, None)
    return (slice(None),)


def vanilla(spec: Spec, x: jax.Array, by_h: Side, state: Any, axis: int = -1) -> Any:
    """h' = act(x W + b + h U).

    Args:
        spec: The network.
        x: The input side, x W + b.
        by_h: The recurrent side, as a function of h.
        state: (h,).
        axis: The axis of the gates; a vanilla cell has one gate.

    Returns:
        (h',).
    """
    act = jnp.tanh if spec.activation == "tanh" else jax.nn.relu
    return (act(x + by_h(*state)),)


def gru(spec: Spec, x: jax.Array, by_h: Side, state: Any, axis: int = -1) -> Any:
    """h' = (1 − z) n + z h; the reset gate is applied after or before the recurrent matmul.

    Args:
        spec: The network, whose ``reset`` says when.
        x: The input side, x W + b, with gates r, z, n.
        by_h: The recurrent side, as a function of h.
        state: (h,).
        axis: The axis of the gates.

    Returns:
        (h',).
    """
    (h,) = state
    x_r, x_z, x_n = jnp.split(x, 3, axis)
    if spec.reset == "after":
        h_r, h_z, h_n = jnp.split(by_h(h), 3, axis)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * h_n)
    else:
        h_r, h_z = jnp.split(by_h(h), 2, axis)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + by_h(r * h, 1))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, x: jax.Array, by_h: Side, state: Any, axis: int = -1) -> Any:
    """c' = σ(f) c + σ(i) tanh(g);  h' = σ(o) tanh(c'); the bias contains the forget bias.

    Args:
        spec: The network.
        x: The input side, x W + b, with gates i, f, g, o.
        by_h: The recurrent side, as a function of h.
        state: (h, c).
        axis: The axis of the gates.

    Returns:
        (h', c').
    """
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(x + by_h(h), 4, axis)
    c = jax.nn.sigmoid(a_f) * c + jax.nn.sigmoid(a_i) * jnp.tanh(a_g)
    return jax.nn.sigmoid(a_o) * jnp.tanh(c), c


def kept(ok: jax.Array | None, new: Any, state: Any) -> Any:
    """Return the new state; rows that have ended keep their old state.

    Args:
        ok: True for rows that have not ended, broadcastable to a state; None for all rows.
        new: The new state.
        state: The old state.

    Returns:
        The state after the step.
    """
    if ok is None:
        return new
    return tuple(jnp.where(ok, n, s) for n, s in zip(new, state, strict=True))


CELLS: dict[str, Callable[..., Any]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}

"""One time step of each cell in ``jax.numpy``, on the blocks that the dialect declares.

A step takes the input's side of its pre-activations, x W + b; the recurrent side as a function ``by_h(v,
part)``, v U + b; and the state, h first. It returns the new state. Its gates are blocks along ``axis``.
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
    """v W + b."""
    return v @ W if b is None else v @ W + b


def step(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """A step for ``x (B, N)`` and a state of ``(B, H)``."""
    U, b = w.recurrent, w.recurrent_bias
    assert U is not None

    def by_h(v: jax.Array, part: int = 0) -> jax.Array:
        columns = parts(spec)[part]
        return affine(v, U[:, columns], None if b is None else b[columns])

    return CELLS[spec.cell](spec, affine(x, w.kernel, w.bias), by_h, state)


def parts(spec: Spec) -> tuple[slice, ...]:
    """The gates of each recurrent product of a step: a GRU that resets before its product has two."""
    if spec.cell == "gru" and spec.reset == "before":
        cut = 2 * spec.hidden_size
        return slice(cut), slice(cut, None)
    return (slice(None),)


def vanilla(spec: Spec, x: jax.Array, by_h: Side, state: Any, axis: int = -1) -> Any:
    """h' = act(x W + b + h U)."""
    act = jnp.tanh if spec.activation == "tanh" else jax.nn.relu
    return (act(x + by_h(*state)),)


def gru(spec: Spec, x: jax.Array, by_h: Side, state: Any, axis: int = -1) -> Any:
    """The reset gate applied after or before the recurrent product, as the spec says."""
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
    """The forget bias is stored in the bias, as the dialect declares."""
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(x + by_h(h), 4, axis)
    c = jax.nn.sigmoid(a_f) * c + jax.nn.sigmoid(a_i) * jnp.tanh(a_g)
    return jax.nn.sigmoid(a_o) * jnp.tanh(c), c


def kept(ok: jax.Array | None, new: Any, state: Any) -> Any:
    """The new state; in rows that have ended, the old one."""
    if ok is None:
        return new
    return tuple(jnp.where(ok, n, s) for n, s in zip(new, state, strict=True))


CELLS: dict[str, Callable[..., Any]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}

"""One time step of each cell in ``jax.numpy``, on the blocks that the dialect declares.

A step takes ``x (B, N)`` and the state, each part ``(B, H)``, and returns the new state, h first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from backends.layouts import Block
from reference import Spec


def affine(v: jax.Array, W: Any, b: Any) -> jax.Array:
    """v W + b; where there is no W, its product is in b already."""
    if W is None:
        return b
    return v @ W if b is None else v @ W + b


def vanilla(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """h' = act(x W + b + h U)."""
    act = jnp.tanh if spec.activation == "tanh" else jax.nn.relu
    return (act(affine(x, w.kernel, w.bias) + state[0] @ w.recurrent),)


def gru(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """The reset gate applied after or before the recurrent product, as the spec says."""
    (h,) = state
    x_r, x_z, x_n = jnp.split(affine(x, w.kernel, w.bias), 3, axis=-1)
    if spec.reset == "after":
        h_r, h_z, h_n = jnp.split(affine(h, w.recurrent, w.recurrent_bias), 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * h_n)
    else:
        assert w.recurrent is not None
        cut = 2 * spec.hidden_size
        b = w.recurrent_bias
        b_rz, b_n = (None, None) if b is None else (b[..., :cut], b[..., cut:])
        h_r, h_z = jnp.split(affine(h, w.recurrent[:, :cut], b_rz), 2, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + affine(r * h, w.recurrent[:, cut:], b_n))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """The forget bias is stored in the bias, as the dialect declares."""
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(affine(x, w.kernel, w.bias) + h @ w.recurrent, 4, axis=-1)
    c = jax.nn.sigmoid(a_f) * c + jax.nn.sigmoid(a_i) * jnp.tanh(a_g)
    return jax.nn.sigmoid(a_o) * jnp.tanh(c), c


CELLS: dict[str, Callable[..., Any]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}

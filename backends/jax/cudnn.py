"""cuDNN's LSTM, ``jax.experimental.rnn.lstm``: on CUDA, in float32.

cuDNN takes all weights as one vector: W and U of each layer and direction, then all biases. The jitted function
makes the vector from blocks, so gradients come back by block.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from backends.jax.scan import Blocks
from reference import Spec


def network(
    spec: Spec,
    params: Blocks,
    x: jax.Array,
    h0: jax.Array | None,
    c0: jax.Array | None,
    lengths: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Run a network on cuDNN, in the layout and shapes of ``reference.run``.

    Args:
        spec: The network.
        params: Its weights.
        x: The input (B, T, I), or (T, B, I).
        h0: The initial h (L·D, B, H), or None for zeros.
        c0: The initial c (L·D, B, H), or None for zeros.
        lengths: The length of each row (B,), or None.

    Returns:
        The outputs and the final states (h, c).
    """
    xs = x if spec.batch_first else jnp.swapaxes(x, 0, 1)
    batch, steps, _ = xs.shape
    ends = jnp.full(batch, steps) if lengths is None else lengths
    y, *states = rnn.lstm(
        xs,
        jnp.zeros(spec.state_shape("h", batch), x.dtype) if h0 is None else h0,
        jnp.zeros(spec.state_shape("c", batch), x.dtype) if c0 is None else c0,
        flat(params),
        ends.astype(jnp.int32),
        spec.input_size,
        spec.hidden_size,
        spec.num_layers,
        0.0,  # dropout
        spec.direction == "bidirectional",
    )
    return y if spec.batch_first else jnp.swapaxes(y, 0, 1), tuple(states)


def flat(params: Blocks) -> jax.Array:
    """Return all weights as one vector in cuDNN's order.

    Args:
        params: The weights.

    Returns:
        The vector.
    """
    cells: list[Any] = [w for layer in params for w in layer]
    matrices = [part.ravel() for w in cells for part in (w.kernel, w.recurrent)]
    return jnp.concatenate([*matrices, *(b for w in cells for b in (w.bias, w.recurrent_bias))])

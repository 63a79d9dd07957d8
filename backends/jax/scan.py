"""Cells run over time by ``lax.scan``: lengths, directions, layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax import cells
from backends.layouts import Block
from reference import Spec
from reference.rnn import REVERSED

Blocks = tuple[tuple[Block, ...], ...]
"""``blocks[layer][direction]``."""

Scan: TypeAlias = Callable[..., Any]
"""A function that runs one layer in one direction, as ``scan`` does."""

Unroll: TypeAlias = Callable[..., Any]
"""A function that runs a network on params, x, h0, c0 and lengths, as ``partial(network, scan)`` does."""


def network(
    one_way: Scan,
    spec: Spec,
    params: Blocks,
    x: jax.Array,
    h0: jax.Array | None,
    c0: jax.Array | None,
    lengths: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Run all layers and directions over time, in the layout and shapes of ``reference.run``.

    Args:
        one_way: Runs one layer in one direction.
        spec: The network.
        params: Its weights.
        x: The input (B, T, I), or (T, B, I).
        h0: The initial h (L·D, B, H), or None for zeros.
        c0: The initial c (L·D, B, H), or None for zeros.
        lengths: The length of each row (B,), or None.

    Returns:
        The outputs and the final states, h first.
    """
    xs = jnp.swapaxes(x, 0, 1) if spec.batch_first else x
    steps, batch, _ = xs.shape
    valid = None
    if lengths is not None:
        valid = (jnp.arange(steps)[:, None] < lengths)[..., None]
        # Masking outputs is not enough: jnp.where has gradient 0 · NaN on the side not taken.
        xs = jnp.where(valid, xs, 0)
    given = {"h": h0, "c": c0}
    zeros = {part: jnp.zeros((batch, spec.state_size(part)), xs.dtype) for part in spec.states}
    finals: list[Any] = []
    for layer in params:
        outputs = []
        for w, reverse in zip(layer, REVERSED[spec.direction], strict=True):
            state = tuple(
                zero if (start := given[part]) is None else start[len(finals)]
                for part, zero in zeros.items()
            )
            final, ys = one_way(spec, w, xs, state, valid, reverse)
            outputs.append(ys)
            finals.append(final)
        xs = jnp.concatenate(outputs, axis=-1)
    states = tuple(jnp.stack(part) for part in zip(*finals, strict=True))
    y = jnp.swapaxes(xs, 0, 1) if spec.batch_first else xs
    return y, states


def scan(
    spec: Spec,
    w: Block,
    xs: jax.Array,
    state: Any,
    valid: jax.Array | None,
    reverse: bool,
) -> Any:
    """Run one layer in one direction.

    Args:
        spec: The network.
        w: The weights of the layer and direction.
        xs: The input (T, B, N), 0 where not valid.
        state: The initial state: h (B, H) and, for an LSTM, c.
        valid: True where a row has not ended (T, B, 1), or None.
        reverse: True to run from the last step to the first.

    Returns:
        The final state, and the outputs (T, B, H).
    """

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        new = cells.step(spec, w, x, state)
        y = new[0] if ok is None else jnp.where(ok, new[0], 0)
        return cells.kept(ok, new, state), y

    return lax.scan(step, state, (xs, valid), reverse=reverse)

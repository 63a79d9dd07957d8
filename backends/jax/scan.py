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
"""Runs one layer in one direction, as ``scan`` does."""

Unroll: TypeAlias = Callable[..., Any]
"""Runs a network of these parameters on x, h0, c0 and lengths, as ``partial(network, scan)`` does."""


def network(
    one_way: Scan,
    spec: Spec,
    params: Blocks,
    x: jax.Array,
    h0: jax.Array | None,
    c0: jax.Array | None,
    lengths: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The outputs and the final states, h first, in the layout and shapes of ``reference.run``."""
    xs = jnp.swapaxes(x, 0, 1) if spec.batch_first else x
    steps, batch, _ = xs.shape
    valid = None
    if lengths is not None:
        valid = (jnp.arange(steps)[:, None] < lengths)[..., None]
        # Not only in the outputs: the gradient of a jnp.where is 0 · NaN on the side not taken.
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
    """One layer in one direction: final state and outputs."""

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        new = cells.step(spec, w, x, state)
        y = new[0] if ok is None else jnp.where(ok, new[0], 0)
        return cells.kept(ok, new, state), y

    return lax.scan(step, state, (xs, valid), reverse=reverse)

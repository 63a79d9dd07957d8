"""The decoder: from a context vector to a sequence of pre-activations.

Its parameters are a ``DecoderParams`` whose ``rnn`` has blocks.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.scan import Unroll
from reference.networks.layers import Affine, Decoder

BRIDGES = {"identity": lambda a: a, "tanh": jnp.tanh}


def affine(params: Affine, v: jax.Array) -> jax.Array:
    """Return W v + b for each row.

    Args:
        params: W (M, N) and b (M,), or None.
        v: Rows (..., N).

    Returns:
        The result (..., M).
    """
    a = v @ params.W.T
    return a if params.b is None else a + params.b


def decode(
    unroll: Unroll, layer: Decoder, params: Any, context: jax.Array, targets: jax.Array | None
) -> jax.Array:
    """Return the pre-activations of a decoder's outputs.

    Args:
        unroll: Runs the recurrent network.
        layer: The decoder.
        params: Its parameters.
        context: The context (B, C).
        targets: Target words (B, S), which teacher forcing feeds back; else unused.

    Returns:
        Pre-activations (B, S, units).
    """
    h0, c0 = _initial_state(layer, params, context)
    if layer.words == "free":
        return _run_free(unroll, layer, params, context, h0, c0)
    parts = []
    if layer.words == "teacher":
        assert targets is not None
        fed = jnp.pad(targets[:, :-1], ((0, 0), (1, 0)))  # word 0 first
        parts.append(jnp.take(params.table, fed, axis=0))
    if layer.context != "state":
        parts.append(jnp.repeat(context[:, None], layer.steps, axis=1))
    read = jnp.concatenate(parts, axis=-1)
    y, _ = unroll(layer.spec, params.rnn, read, h0, c0, None)
    return affine(params.output, y)


def _initial_state(
    layer: Decoder, params: Any, context: jax.Array
) -> tuple[jax.Array | None, jax.Array | None]:
    """Return h0 and c0 ``(L, B, H)``; None for zeros."""
    if layer.context == "input":
        return None, None
    if layer.bridge == "none":
        return jnp.stack([context] * layer.spec.num_layers), None
    act = BRIDGES[layer.bridge]
    made = [[act(affine(part, context)) for part in row] for row in params.bridge]
    h0, *c0 = (jnp.stack(part) for part in zip(*made, strict=True))
    return h0, c0[0] if c0 else None


def _run_free(
    unroll: Unroll, layer: Decoder, params: Any, context: jax.Array, h0: Any, c0: Any
) -> jax.Array:
    """Run one ``lax.scan`` whose steps feed back their most likely word."""
    spec, batch = layer.spec, len(context)
    given = {"h": h0, "c": c0}
    starts = tuple(
        jnp.zeros(spec.state_shape(part, batch), context.dtype)
        if given[part] is None
        else given[part]
        for part in spec.states
    )

    def step(carry: Any, _: None) -> Any:
        states, word = carry
        v = jnp.take(params.table, word, axis=0)
        if layer.context != "state":
            v = jnp.concatenate([v, context], axis=-1)
        h, *c = states
        y, states = unroll(spec, params.rnn, v[:, None], h, c[0] if c else None, None)
        a = affine(params.output, y[:, 0])
        return (states, jnp.argmax(a, axis=-1)), a

    first = jnp.zeros(batch, jnp.argmax(context, axis=-1).dtype)
    _, a = lax.scan(step, (starts, first), length=layer.steps)
    return jnp.swapaxes(a, 0, 1)

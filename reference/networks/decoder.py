"""The decoder: from a context vector, step by step, to a sequence; with its gradient.

Free running is teacher forcing on one's own words: an argmax does not change under a small change of
the parameters, so once the words are known, outputs and gradients are those of a decoder that is given
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reference.bptt import incoming, vjp
from reference.networks.activations import activate
from reference.networks.feedforward import LayerBack, affine_layer, embed
from reference.networks.layers import Affine, Decoder, DecoderParams
from reference.rnn import run
from reference.spec import Array

State = dict[str, Any]
"""The parts of an initial state that are not 0, or their gradients: h0, and c0 of an LSTM with a
bridge."""
Bridge = tuple[tuple[Affine, ...], ...]


def decode(
    layer: Decoder, params: DecoderParams, context: Array, words: Array | None
) -> tuple[Array, LayerBack]:
    """Run a decoder up to its pre-activations.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).
        words: Words that are fed in (B, S), or None where none are.

    Returns:
        Pre-activations (..., B, S, units), and the function back to the gradients by the parameters and
        the context.
    """
    read, read_back = inputs(layer, params, context, words)
    state, state_back = initial_state(layer, params, context)
    output, rnn_back = vjp(layer.spec, params.rnn, read, **state)
    a, output_back = affine_layer(params.output, output.y)

    def back(d: Array) -> tuple[DecoderParams, Array]:
        d_output, dy = output_back(d)
        found = rnn_back(incoming(output, y=dy))
        d_table, shares = read_back(found.x)
        d_bridge, more = state_back({"h0": found.h0, "c0": found.c0})
        first, *rest = shares + more
        return DecoderParams(d_table, found.params, d_output, d_bridge), sum(rest, start=first)

    return a, back


def inputs(
    layer: Decoder, params: DecoderParams, context: Array, words: Array | None
) -> tuple[Array, Callable[[Array], tuple[Array | None, list[Array]]]]:
    """Return the input of every step: [embedding of the word, context], those of the two that there are.

    The context's gradient is the sum over the steps.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).
        words: Words that are fed in (B, S), or None.

    Returns:
        The sequence (..., B, S, N), and the function from its gradient to that by the table, and to the
        shares of the context's.
    """
    parts = []
    if layer.words != "none":
        assert params.table is not None
        assert words is not None
        embedded, embed_back = embed(params.table, words)
        parts.append(embedded)
    if layer.context != "state":
        parts.append(np.concatenate([context] * layer.steps, axis=-2))

    def back(d: Array) -> tuple[Array | None, list[Array]]:
        d_words, d_context = d[..., : layer.word_size], d[..., layer.word_size :]
        return (
            None if layer.words == "none" else embed_back(d_words),
            [] if layer.context == "state" else [np.sum(d_context, axis=-2)[..., None, :]],
        )

    return np.concatenate(parts, axis=-1), back


def initial_state(
    layer: Decoder, params: DecoderParams, context: Array
) -> tuple[State, Callable[[State], tuple[Bridge, list[Array]]]]:
    """Return the initial state from the context: through the bridge, or h = context as it is.

    Every layer and part of the state adds its share to the context's gradient.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).

    Returns:
        The parts that are not 0, (..., L, B, H) each; and the function from their gradients to those by
        the bridge, and to the shares of the context's.
    """
    if layer.context == "input":
        return {}, lambda _: ((), [])
    if layer.bridge != "none":
        return bridged(layer, params, context)
    layers = range(layer.spec.num_layers)
    h0 = np.stack([context[..., 0, :] for _ in layers], axis=-3)
    return {"h0": h0}, lambda d: ((), [d["h0"][..., k, :, None, :] for k in layers])


def bridged(
    layer: Decoder, params: DecoderParams, context: Array
) -> tuple[State, Callable[[State], tuple[Bridge, list[Array]]]]:
    """Return act(W context + b) for every layer and part of the state.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).

    Returns:
        As from ``initial_state``.
    """
    names = [f"{part}0" for part in layer.spec.states]
    made: dict[str, list[Array]] = {name: [] for name in names}
    backs = []
    for affines in params.bridge:
        for name, affine in zip(names, affines, strict=True):
            a, affine_back = affine_layer(affine, context)
            v, activation_back = activate(layer.bridge, a)
            made[name].append(v[..., 0, :])
            backs.append((affine_back, activation_back))

    def back(d: State) -> tuple[Bridge, list[Array]]:
        found, shares = [], []
        for k, (affine_back, activation_back) in enumerate(backs):
            number, part = divmod(k, len(names))
            d_state = d[names[part]][..., number, :, None, :]
            d_affine, share = affine_back(activation_back(d_state))
            found.append(d_affine)
            shares.append(share)
        by_layer = zip(*(found[part :: len(names)] for part in range(len(names))), strict=True)
        return tuple(by_layer), shares

    return {name: np.stack(vs, axis=-3) for name, vs in made.items()}, back


def own_words(layer: Decoder, params: DecoderParams, context: Array) -> Array:
    """Return the words that a free-running decoder feeds itself: 0, then its likeliest so far.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).

    Returns:
        Words (B, S).
    """
    state, _ = initial_state(layer, params, context)
    words = np.zeros((context.shape[-3], 1), np.int64)
    one_step = replace(layer, steps=1)
    for _ in range(layer.steps):
        read, _ = inputs(one_step, params, context, words[:, -1:])
        output = run(layer.spec, params.rnn, read, **state)
        state = {"h0": output.h_n} if output.c_n is None else {"h0": output.h_n, "c0": output.c_n}
        a, _ = affine_layer(params.output, output.y)
        words = np.concatenate([words, np.argmax(a, axis=-1)], axis=-1)
    return words[:, :-1]

"""The decoder: from a context vector to a sequence of pre-activations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from backends.tensorflow.affine import ACTIVATIONS, affine
from backends.tensorflow.recurrent import Recurrence, States
from reference.networks.layers import Decoder, DecoderParams


def decode(
    layer: Decoder, made: DecoderParams, context: Any, targets: Any, recurrence: Recurrence
) -> Any:
    """Return the pre-activations of a decoder's outputs.

    Args:
        layer: The decoder.
        made: Its variables and cells.
        context: The context (B, C).
        targets: Target words (B, S), which teacher forcing feeds back; else unused.
        recurrence: Runs the recurrent network.

    Returns:
        Pre-activations (B, S, units).
    """
    states = _initial_states(layer, made, context)
    if layer.words == "free":
        return _run_free(layer, made, context, states, recurrence)
    read = []
    if layer.words == "teacher":
        fed = tf.pad(targets[:, :-1], ((0, 0), (1, 0)))  # word 0 first
        read.append(tf.nn.embedding_lookup(made.table, fed))
    if layer.context != "state":
        read.append(tf.tile(context[:, None], (1, layer.steps, 1)))
    y, _ = recurrence.run(layer.spec, made.rnn, tf.concat(read, axis=-1), states=states)
    return affine(made.output, y)


def _initial_states(layer: Decoder, made: DecoderParams, context: Any) -> States | None:
    """Return the context as initial states, through the bridge if there is one; None for zeros."""
    if layer.context == "input":
        return None
    if layer.bridge == "none":
        states = _zeros(layer, context)
        return states | {"h": [context] * layer.spec.num_layers}
    act = ACTIVATIONS[layer.bridge]
    rows = [[act(affine(part, context)) for part in row] for row in made.bridge]
    return dict(zip(layer.spec.states, zip(*rows, strict=True), strict=True))


def _zeros(layer: Decoder, context: Any) -> States:
    """Return zero states for as many rows as the context has."""
    spec, batch = layer.spec, tf.shape(context)[0]
    return {
        part: [tf.zeros((batch, spec.state_size(part)), context.dtype)] * spec.num_layers
        for part in spec.states
    }


def _run_free(
    layer: Decoder, made: DecoderParams, context: Any, states: States | None, recurrence: Recurrence
) -> Any:
    """Run step by step on the most likely word of the step before.

    A ``loop_function`` of TensorFlow 1's ``rnn_decoder`` did the same.
    """
    states = _zeros(layer, context) if states is None else states
    words, outputs = tf.zeros_like(context[:, 0], tf.int32), []
    for _ in range(layer.steps):
        read = tf.nn.embedding_lookup(made.table, words)
        if layer.context != "state":
            read = tf.concat([read, context], axis=-1)
        y, states = recurrence.step(layer.spec, made.rnn, read, states)
        outputs.append(affine(made.output, y))
        words = tf.argmax(outputs[-1], axis=-1, output_type=tf.int32)
    return tf.stack(outputs, axis=1)

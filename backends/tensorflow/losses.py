"""The losses; targets past a row's length do not count."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reference.networks.layers import NegativeLogLikelihood


def loss_of(
    layer: Any,
    value: Any,
    logits: Any,
    targets: Any,
    target_lengths: Any,
) -> Any:
    """Return the loss of a batch.

    Args:
        layer: The loss.
        value: The output of the layer before (B, S, units), or (B, units).
        logits: The argument of its activation.
        targets: Words (B, S) or (B,), or vectors in the shape of ``value``.
        target_lengths: The number of each row's targets (B,), or None.

    Returns:
        The mean or the sum over the valid steps, or over the rows.
    """
    if target_lengths is None:
        found = _each(layer, value, logits, targets)
        return tf.reduce_mean(found) if layer.reduction == "mean" else tf.reduce_sum(found)
    valid = tf.sequence_mask(target_lengths, tf.shape(targets)[1])
    mask = valid if targets.shape.rank == 2 else valid[..., None]
    found = _each(layer, value, logits, tf.where(mask, targets, tf.zeros_like(targets)))
    total = tf.reduce_sum(tf.where(valid, found, tf.zeros_like(found)))
    if layer.reduction == "sum":
        return total
    return total / tf.reduce_sum(tf.cast(valid, total.dtype))


def _each(layer: Any, value: Any, logits: Any, targets: Any) -> Any:
    """Return the loss of every step and row, ``(B, S)`` or ``(B,)``."""
    if isinstance(layer, NegativeLogLikelihood):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(tf.math.squared_difference(value, targets), axis=-1)

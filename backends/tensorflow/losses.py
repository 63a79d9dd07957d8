"""The losses; targets past a row's length do not count, whatever they are."""

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
    """The mean or the sum over the valid steps, or over the rows where ``value`` is a vector."""
    if target_lengths is None:
        found = each(layer, value, logits, targets)
        return tf.reduce_mean(found) if layer.reduction == "mean" else tf.reduce_sum(found)
    valid = tf.sequence_mask(target_lengths, tf.shape(targets)[1])
    mask = valid if targets.shape.rank == 2 else valid[..., None]
    found = each(layer, value, logits, tf.where(mask, targets, tf.zeros_like(targets)))
    total = tf.reduce_sum(tf.where(valid, found, tf.zeros_like(found)))
    if layer.reduction == "sum":
        return total
    return total / tf.reduce_sum(tf.cast(valid, total.dtype))


def each(layer: Any, value: Any, logits: Any, targets: Any) -> Any:
    """The loss of every step and row: ``(B, S)`` or ``(B,)``."""
    if isinstance(layer, NegativeLogLikelihood):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(tf.math.squared_difference(value, targets), axis=-1)

"""Affine maps and activations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reference.networks.layers import Affine

ACTIVATIONS = {
    "identity": tf.identity,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "softmax": tf.nn.softmax,
}


def affine(made: Affine, v: Any) -> Any:
    """Return v W + b; all steps of a sequence are the rows of one matmul.

    Args:
        made: W (in, out) and b (out,), or None.
        v: Rows (B, in), or a sequence (B, T, in).

    Returns:
        The result (..., out).
    """
    a = tf.matmul(v, made.W) if v.shape.rank == 2 else tf.tensordot(v, made.W, 1)
    return a if made.b is None else tf.nn.bias_add(a, made.b)

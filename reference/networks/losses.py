"""Sequence losses, each with its gradient; targets past a row's length do not count."""

from __future__ import annotations

import numpy as np

from reference.networks.activations import softmax
from reference.networks.layers import Data, MeanSquaredError, NegativeLogLikelihood
from reference.spec import Array
from reference.sums import constant


def weights(data: Data, o: Array, reduction: str) -> tuple[Array, float, Array]:
    """Return the valid targets, their number, and its inverse.

    1/N is rounded like any other number, since it is a factor of every gradient.

    Args:
        data: Targets and their lengths.
        o: The network's output (..., B, S, K).
        reduction: "mean" divides by the number of valid targets, "sum" by 1.

    Returns:
        The mask of valid targets (B, S), N, and 1/N as an array.
    """
    batch, steps = o.shape[-3:-1]
    ends = np.full(batch, steps) if data.target_lengths is None else data.target_lengths
    valid = np.arange(steps) < ends[:, None]
    count = float(valid.sum()) if reduction == "mean" else 1.0
    return valid, count, constant(1.0, o[..., :1, 0, :1]) / count


def negative_log_likelihood(
    layer: NegativeLogLikelihood, a: Array, data: Data
) -> tuple[Array, Array]:
    """Return −log p of the target classes, and its gradient.

    L   = Σ_bs −log softmax(a_bs)[target_bs] / N,   log softmax(a) = a − log Σ_k e^{a_k}
    da  = (softmax(a_bs) − unit(target_bs)) / N     where the target is valid, else 0

    Args:
        layer: The loss.
        a: Pre-activations of the softmax (..., B, S, K).
        data: Target classes.

    Returns:
        The loss (...), and its gradient by a.
    """
    assert data.targets is not None
    batch, steps, classes = a.shape[-3:]
    targets = data.targets.reshape(batch, steps)
    valid, count, share = weights(data, a, layer.reduction)
    targets = np.where(valid, targets, 0)
    shifted = a - np.max(a, axis=-1, keepdims=True)
    found = shifted[..., np.arange(batch)[:, None], np.arange(steps), targets]
    nll = np.where(valid, np.log(np.sum(np.exp(shifted), axis=-1)) - found, 0)
    unit = targets[..., None] == np.arange(classes)
    d = np.where(valid[..., None], softmax(a) - unit, 0) * share[..., None]
    return np.sum(np.sum(nll, axis=-1), axis=-1) / count, d


def mean_squared_error(layer: MeanSquaredError, o: Array, data: Data) -> tuple[Array, Array]:
    """Return the mean squared error, and its gradient.

    L  = Σ_bs (1/U) Σ_u (o_bsu − target_bsu)² / N
    do = 2 (o − target) / (U N)    where the target is valid, else 0

    Args:
        layer: The loss.
        o: The network's output (..., B, S, U).
        data: Targets, numbers.

    Returns:
        The loss (...), and its gradient by o.
    """
    assert data.targets is not None
    targets = data.targets.reshape(o.shape[-3:])
    valid, count, share = weights(data, o, layer.reduction)
    error = np.where(valid[..., None], o - targets, 0)
    units = o.shape[-1]
    squares = np.sum(np.sum(np.sum(error * error, axis=-1) / units, axis=-1), axis=-1)
    return squares / count, 2 * error * (share[..., None] / units)

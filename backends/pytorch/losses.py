"""Losses: ``cross_entropy`` of the logits, and ``mse_loss``, over the valid targets."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, mse_loss

from backends.pytorch.layers import Batch, Layer, Passed

IGNORED = -100
"""The class that ``cross_entropy`` leaves out, and does not count."""


def valid(values: torch.Tensor, target_lengths: torch.Tensor | None) -> torch.Tensor | None:
    """Which steps ``(B, S)`` of ``values (B, S, N)`` are compared with targets; None for all."""
    if target_lengths is None:
        return None
    return torch.arange(values.shape[1], device=values.device) < target_lengths[:, None]


class Loss(Layer):
    """The last layer of a network that is differentiated."""


class NegativeLogLikelihood(Loss):
    """``cross_entropy``, which takes the logits: the softmax is part of it."""

    def forward(self, before: Passed, batch: Batch) -> torch.Tensor:
        assert before.logits is not None
        assert batch.targets is not None
        targets, there = batch.targets, valid(before.values, batch.target_lengths)
        if there is not None:
            targets = targets.masked_fill(~there, IGNORED)
        return cross_entropy(
            before.logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED,
            reduction=self.layer.reduction,
        )  # fmt: skip


class MeanSquaredError(Loss):
    """``mse_loss``; its sum is over the units too, where the specification takes their mean."""

    def forward(self, before: Passed, batch: Batch) -> torch.Tensor:
        assert batch.targets is not None
        values, targets = before.values, batch.targets
        there = valid(values, batch.target_lengths)
        if there is not None:
            values, targets = values[there], targets[there]
        loss = mse_loss(values, targets, reduction=self.layer.reduction)
        return loss if self.layer.reduction == "mean" else loss / values.shape[-1]

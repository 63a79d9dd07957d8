"""The losses over valid targets: ``cross_entropy`` of the logits, and ``mse_loss``."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, mse_loss

from backends.pytorch.layers import Batch, Layer, Passed

IGNORED = -100
"""The class that ``cross_entropy`` ignores."""


def _valid(values: torch.Tensor, target_lengths: torch.Tensor | None) -> torch.Tensor | None:
    """Return which steps ``(B, S)`` of ``values (B, S, N)`` have targets; None for all."""
    if target_lengths is None:
        return None
    return torch.arange(values.shape[1], device=values.device) < target_lengths[:, None]


class Loss(Layer):
    """The last layer of a network, whose result is differentiated."""


class NegativeLogLikelihood(Loss):
    """``cross_entropy``, which takes logits and applies the softmax itself."""

    def forward(self, before: Passed, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch.

        Args:
            before: The results of the layer before, with logits.
            batch: The batch, with target words.

        Returns:
            The mean or the sum, of shape ().
        """
        assert before.logits is not None
        assert batch.targets is not None
        targets, there = batch.targets, _valid(before.values, batch.target_lengths)
        if there is not None:
            targets = targets.masked_fill(~there, IGNORED)
        return cross_entropy(
            before.logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED,
            reduction=self.layer.reduction,
        )  # fmt: skip


class MeanSquaredError(Loss):
    """``mse_loss``; its sum includes the units, where the specification takes their mean."""

    def forward(self, before: Passed, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch.

        Args:
            before: The results of the layer before.
            batch: The batch, with target vectors.

        Returns:
            The mean or the sum, of shape ().
        """
        assert batch.targets is not None
        values, targets = before.values, batch.targets
        there = _valid(values, batch.target_lengths)
        if there is not None:
            values, targets = values[there], targets[there]
        loss = mse_loss(values, targets, reduction=self.layer.reduction)
        return loss if self.layer.reduction == "mean" else loss / values.shape[-1]

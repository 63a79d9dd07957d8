"""Training with ``torch.optim``; ``torch.nn.utils.clip_grad_norm_`` clips gradients."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn, optim

from backends.adapter import Result, TrainingInputs
from backends.pytorch.device import Place
from backends.pytorch.network import Network, as_result, to_batch
from backends.pytorch.parameters import canonical_values
from reference.networks.optimisers import Adam, GradientDescent, Momentum, Optimiser


def _make(described: Optimiser, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Return the optimiser of ``torch.optim``."""
    match described:
        case GradientDescent(rate=rate):
            return optim.SGD(parameters, lr=rate)
        case Momentum(rate=rate, momentum=momentum):
            return optim.SGD(parameters, lr=rate, momentum=momentum)
        case Adam(rate=rate, beta1=beta1, beta2=beta2, epsilon=epsilon):
            return optim.Adam(parameters, lr=rate, betas=(beta1, beta2), eps=epsilon)


def train(inputs: TrainingInputs, place: Place) -> Result:
    """Train for as many steps as there are batches.

    Args:
        inputs: The network, its arrays and the optimiser.
        place: Device, dtype, dialect and modules.

    Returns:
        The loss of every batch before its update, and the parameters after the last update.
    """
    model = Network(inputs.network, inputs.params, place).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = _make(inputs.optimiser, parameters)
    found = []
    for data in inputs.batches:
        optimiser.zero_grad()
        _, loss = model(to_batch(data, place))
        loss.backward()
        if inputs.clip is not None:
            nn.utils.clip_grad_norm_(parameters, inputs.clip.most)
        optimiser.step()
        found.append(loss.detach())
    losses = {"loss": torch.stack(found)}
    return as_result(losses, *model.fetched("params", lambda p: p, canonical_values))

"""A whole network as one module, run forward, and back from its loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from backends.adapter import NetworkInputs, Result
from backends.pytorch import losses
from backends.pytorch.decoder import Decoder
from backends.pytorch.device import Place, dtypes_of, to_numpy
from backends.pytorch.layers import (
    Batch,
    Embedding,
    FinalState,
    Given,
    Linear,
    Of,
    OneHot,
    Recurrent,
    RecurrentBack,
)
from backends.pytorch.parameters import canonical_gradients
from reference.networks import layers
from reference.networks.layers import Data, NetworkParams
from reference.spec import Array
from reference.trees import each, named

MODULES: dict[type, Any] = {
    layers.Vectors: Given,
    layers.Vector: Given,
    layers.OneHot: OneHot,
    layers.Embedding: Embedding,
    layers.Recurrent: Recurrent,
    layers.FinalState: FinalState,
    layers.Readout: Linear,
    layers.Dense: Linear,
    layers.Decoder: Decoder,
    layers.NegativeLogLikelihood: losses.NegativeLogLikelihood,
    layers.MeanSquaredError: losses.MeanSquaredError,
}


class Network(nn.Module):
    """The modules of all layers, run one after the other.

    Args:
        network: The layers, the loss last.
        params: The parameters of each layer, in canonical layout.
        place: Device, dtype, dialect and modules.
    """

    def __init__(self, network: layers.Network, params: NetworkParams, place: Place) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MODULES[type(layer)](layer, mine, place)
            for layer, mine in zip(network, params, strict=True)
        )

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network and its loss.

        Args:
            batch: The batch.

        Returns:
            The output of the last layer before the loss, and the loss.
        """
        *before, loss = self.layers
        passed: Any = None
        for layer in before:
            passed = layer(passed, batch)
        return passed.values, loss(passed, batch)

    def fetched(
        self, name: str, of: Of, back: RecurrentBack
    ) -> tuple[dict[str, Array], dict[str, str]]:
        """Return a function's value for every parameter, in canonical layout, by name.

        Args:
            name: First part of the names, such as ``dparams``.
            of: A function of a parameter.
            back: Converts a recurrent network's arrays.

        Returns:
            The arrays, and the dtypes that PyTorch returned.
        """
        found = tuple(layer.parameters_of(of) for layer in self.layers)
        arrays = tuple(
            layer.canonical(values, back)
            for layer, values in zip(self.layers, each(to_numpy, found), strict=True)
        )
        return named(arrays, name), dtypes_of(named(found, name))


def run(inputs: NetworkInputs, place: Place) -> Result:
    """Run a whole network once, forward and back.

    Args:
        inputs: The network and its arrays.
        place: Device, dtype, dialect and modules.

    Returns:
        The output, the loss and its gradients.
    """
    model = Network(inputs.network, inputs.params, place)
    batch = to_batch(inputs.data, place)
    if batch.x.is_floating_point():
        batch.x.requires_grad_()
    y, loss = model.train()(batch)
    loss.backward()
    tensors = {"y": y, "loss": loss} | ({} if batch.x.grad is None else {"dx": batch.x.grad})
    return as_result(tensors, *model.fetched("dparams", lambda p: p.grad, canonical_gradients))


def as_result(
    tensors: dict[str, torch.Tensor],
    arrays: dict[str, Array] | None = None,
    dtypes: dict[str, str] | None = None,
) -> Result:
    """Return the result of a run.

    Args:
        tensors: Tensors by name.
        arrays: Arrays that ``Network.fetched`` returned, or None.
        dtypes: Dtypes that ``Network.fetched`` returned, or None.

    Returns:
        All arrays and dtypes.
    """
    return Result(
        {name: to_numpy(t) for name, t in tensors.items()} | (arrays or {}),
        dtypes_of(tensors) | (dtypes or {}),
    )


def to_batch(data: Data, place: Place) -> Batch:
    """Return data as tensors.

    Args:
        data: The data; integers are words or classes, all else numbers.
        place: Device and dtype.

    Returns:
        The batch.
    """

    def tensor(values: Array | None) -> torch.Tensor | None:
        if values is None:
            return None
        return place.words(values) if values.dtype.kind in "iu" else place.numbers(values)

    lengths = None if data.lengths is None else torch.tensor(data.lengths)
    return Batch(tensor(data.x), lengths, tensor(data.targets), tensor(data.target_lengths))

"""PyTorch's calls, by the names in its documentation."""

from __future__ import annotations

from collections.abc import Sequence

from backends.adapter import AnyInputs, Inputs, NetworkInputs
from backends.pytorch.cells import Cells
from backends.pytorch.device import Way
from reference import Array, Spec
from reference.networks.layers import (
    Data,
    Decoder,
    Dense,
    Embedding,
    Layer,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    OneHot,
    Readout,
    Recurrent,
)
from reference.networks.optimisers import Adam, GradientDescent, Momentum

OPTIMISERS = {GradientDescent: "SGD", Momentum: "SGD with momentum", Adam: "Adam"}
LOSSES = {NegativeLogLikelihood: "cross_entropy", MeanSquaredError: "mse_loss"}


def called(inputs: AnyInputs, way: Way) -> str:
    """Return the calls that run these inputs, in their order.

    Args:
        inputs: The inputs.
        way: The modules that run a recurrent network.

    Returns:
        The calls, in words.
    """
    if isinstance(inputs, Inputs):
        gradients = "" if inputs.incoming is None else "; torch.autograd.grad"
        return f"{_module(inputs.spec, way)}, {_input([inputs.lengths], way)}{gradients}"
    if isinstance(inputs, NetworkInputs):
        return f"{_network(inputs.network, [inputs.data], way)}; backward()"
    clip = "" if inputs.clip is None else ", torch.nn.utils.clip_grad_norm_"
    optimiser = f"torch.optim.{OPTIMISERS[type(inputs.optimiser)]}"
    return f"{_network(inputs.network, inputs.batches, way)}; backward(){clip}, {optimiser}"


def _module(spec: Spec, way: Way) -> str:
    return f"torch.nn.{way.kinds[spec.cell].__name__}"


def _input(lengths: Sequence[Array | None], way: Way) -> str:
    """Return how the module gets the sequence."""
    given = [ends for ends in lengths if ends is not None]
    if way is Cells:
        return "step by step" + (", masked by torch.where" if given else "")
    if not given:
        return "padded input"
    empty = any((ends == 0).any() for ends in given)
    return "packed input" + (", rows of length 0 left out by the adapter" if empty else "")


def _network(network: Network, batches: Sequence[Data], way: Way) -> str:
    return " → ".join(filter(None, (_layer(layer, batches, way) for layer in network)))


def _layer(layer: Layer, batches: Sequence[Data], way: Way) -> str:
    """Return the layer's calls; empty where PyTorch has nothing to do."""
    match layer:
        case OneHot():
            return "torch.nn.functional.one_hot"
        case Embedding():
            return "torch.nn.Embedding"
        case Recurrent(spec=spec):
            lengths = [data.lengths for data in batches]
            return f"{_module(spec, way)} ({_input(lengths, way)})"
        case Readout() | Dense():
            return "torch.nn.Linear" + _activation(layer.activation)
        case Decoder():
            return _decoder(layer, way)
        case NegativeLogLikelihood() | MeanSquaredError():
            return f"torch.nn.functional.{LOSSES[type(layer)]}"
    return ""


def _decoder(layer: Decoder, way: Way) -> str:
    """Return a decoder's calls: one for all steps, or one a step if it feeds back its own words."""
    fused = "one step a call" if layer.words == "free" else "all steps in one call"
    over = "step by step" if way is Cells else fused
    bridge = "" if layer.bridge == "none" else "torch.nn.Linear" + _activation(layer.bridge) + " → "
    words = "" if layer.words == "none" else "torch.nn.Embedding → "
    output = "torch.nn.Linear" + _activation(layer.activation)
    return f"{bridge}{words}{_module(layer.spec, way)} ({over}) → {output}"


def _activation(name: str) -> str:
    return "" if name == "identity" else f" → torch.{name}"

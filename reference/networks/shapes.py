"""The kind and width of every layer's output, and the shapes of its parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.networks.layers import (
    Affine,
    Decoder,
    DecoderParams,
    Dense,
    Embedding,
    FinalState,
    Layer,
    LayerParams,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
    Table,
    Vector,
    Vectors,
)
from reference.parameters import Params, Weights, weight_shapes
from reference.spec import Spec


class Passing(NamedTuple):
    """A layer's output: a sequence or a vector, of ``width`` numbers a step."""

    sequence: bool
    width: int


NOTHING = Passing(False, 0)
"""The input of an input layer."""


def passes(layer: Layer, before: Passing) -> Passing:
    """Return the kind and width of a layer's output.

    Args:
        layer: The layer.
        before: The output of the layer before it.

    Returns:
        Its output; a loss passes on the output before it.
    """
    match layer:
        case Vectors(size=size) | Embedding(size=size):
            return Passing(True, size)
        case OneHot(vocabulary=size):
            return Passing(True, size)
        case Vector(size=size):
            return Passing(False, size)
        case Recurrent(spec=spec):
            return Passing(True, spec.output_size)
        case FinalState():
            return Passing(False, before.width)
        case Readout(units=units, at=at):
            return Passing(at != "last", units)
        case Dense(units=units):
            return Passing(before.sequence, units)
        case Decoder(units=units):
            return Passing(True, units)
    return before  # a loss looks at what is there


def passings(network: Network) -> list[Passing]:
    """Return the kind and width of every layer's output.

    Args:
        network: Layers.

    Returns:
        The outputs in order.
    """
    found: list[Passing] = []
    for layer in network:
        found.append(passes(layer, found[-1] if found else NOTHING))
    return found


def is_sequence(network: Network) -> bool:
    """Return whether a network's output has an axis of steps.

    Args:
        network: Layers.

    Returns:
        True for a sequence, False for a vector.
    """
    return passings(network)[-1].sequence


def target_shape(network: Network, batch: int, steps: int) -> tuple[int, ...]:
    """Return the shape of the output that a loss looks at.

    Args:
        network: Layers.
        batch: B.
        steps: T, the steps of the input.

    Returns:
        (B, S, N) of a sequence, or (B, N) of a vector; S is the number of steps that a decoder makes, a
        readout reads, or the input has.
    """
    for layer in network:
        if isinstance(layer, Decoder):
            steps = layer.steps
        elif isinstance(layer, Readout) and isinstance(layer.at, tuple):
            steps = len(layer.at)
    *_, end = passings(network)
    return (batch, steps, end.width) if end.sequence else (batch, end.width)


def zeros(network: Network) -> NetworkParams:
    """Return parameters of the shapes that a network has, all 0.

    Args:
        network: Layers.

    Returns:
        An entry for every layer.
    """
    read = [NOTHING, *passings(network)]
    return tuple(
        _layer_zeros(layer, before.width) for layer, before in zip(network, read, strict=False)
    )


def _layer_zeros(layer: Layer, width: int) -> LayerParams:
    match layer:
        case Embedding(vocabulary=vocabulary, size=size):
            return Table(np.zeros((vocabulary, size)))
        case Recurrent(spec=spec):
            return recurrent_zeros(spec)
        case Readout(units=units):
            return _affine(units, width)
        case Dense(units=units, bias=bias):
            return _affine(units, width, bias=bias)
        case Decoder():
            return _decoder_zeros(layer, width)
    return ()


def recurrent_zeros(spec: Spec) -> Params:
    """Return weights of the shapes that a recurrent network has, all 0.

    Args:
        spec: The network.

    Returns:
        ``params[layer][direction]``.
    """

    def weights(layer: int) -> Weights:
        shapes = weight_shapes(spec, layer)
        zero = {name: None if s is None else np.zeros(s) for name, s in shapes.items()}
        return Weights(**zero)  # type: ignore[arg-type]  # a matrix is there

    return tuple(
        tuple(weights(layer) for _ in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def _affine(units: int, width: int, *, bias: bool = True) -> Affine:
    return Affine(np.zeros((units, width)), np.zeros(units) if bias else None)


def _decoder_zeros(layer: Decoder, width: int) -> DecoderParams:
    spec = layer.spec
    one = tuple(_affine(spec.state_size(part), width) for part in spec.states)
    return DecoderParams(
        None if layer.words == "none" else np.zeros((layer.units, layer.word_size)),
        recurrent_zeros(spec),
        _affine(layer.units, spec.output_size),
        () if layer.bridge == "none" else (one,) * spec.num_layers,
    )

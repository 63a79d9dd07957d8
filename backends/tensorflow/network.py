"""Whole networks: every layer of ``reference/networks/layers.py`` in TensorFlow's operations."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from backends.adapter import NetworkInputs, Result
from backends.tensorflow.affine import ACTIVATIONS, affine
from backends.tensorflow.decoder import decode
from backends.tensorflow.device import Place, feed, result
from backends.tensorflow.execution import Feeds, Program
from backends.tensorflow.losses import loss_of
from backends.tensorflow.parameters import Parts, canonical, trained, values, variables
from backends.tensorflow.recurrent import Recurrence, differentiate
from reference import Spec
from reference.networks.layers import (
    Decoder,
    Dense,
    Embedding,
    FinalState,
    Layer,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
    Vector,
    Vectors,
)
from reference.trees import named


class Passed(NamedTuple):
    """The results that a layer passes to the next one."""

    value: Any
    """The output."""
    logits: Any = None
    """The activation's argument."""
    final: Any = None
    """A recurrent network's final h, by layer and direction."""


class Built:
    """A network and its variables, made in the current graph.

    Args:
        recurrence: Makes and runs recurrent networks.
        network: The layers, the loss last.
        params: The parameters of each layer, in canonical layout.
        dtype: The dtype of the variables.
    """

    def __init__(
        self, recurrence: Recurrence, network: Network, params: NetworkParams, dtype: str
    ) -> None:
        self._recurrence, self._network, self._dtype = recurrence, network, dtype
        self._made = tuple(
            recurrence.make(_spec_of(layer), tree, dtype, f"layer{k}")
            for k, (layer, tree) in enumerate(zip(network, params, strict=True))
        )
        self.variables = variables(self._made)
        self.trained = trained(self._made, params)

    def forward(self, feeds: Feeds) -> tuple[Any, Any]:
        """Run the network and its loss.

        Args:
            feeds: One batch.

        Returns:
            The output of the last layer before the loss, and the loss.
        """
        *before, last = self._network
        passed = Passed(feeds["x"])
        for layer, made in zip(before, self._made[:-1], strict=True):
            passed = self._pass(layer, made, passed, feeds)
        targets, ends = feeds["targets"], feeds.get("target_lengths")
        return passed.value, loss_of(last, passed.value, passed.logits, targets, ends)

    def _pass(self, layer: Layer, made: Any, before: Passed, feeds: Feeds) -> Passed:
        v = before.value
        match layer:
            case Vectors() | Vector():
                return before
            case OneHot():
                return Passed(tf.one_hot(v, layer.vocabulary, dtype=self._dtype))
            case Embedding():
                return Passed(tf.nn.embedding_lookup(made.table, v))
            case Recurrent():
                y, states = self._recurrence.run(layer.spec, made, v, feeds.get("lengths"))
                return Passed(y, final=states["h"])
            case FinalState():
                directions = v.shape[-1] // before.final[-1].shape[-1]
                return Passed(tf.concat(before.final[-directions:], axis=-1))
            case Readout():
                a = affine(made, _select(layer, v, feeds.get("lengths")))
            case Dense():
                a = affine(made, v)
            case Decoder():
                a = decode(layer, made, v, feeds.get("targets"), self._recurrence)
            case _:
                raise TypeError(f"{layer} given, expected a layer of reference/networks/layers.py")
        return Passed(ACTIVATIONS[layer.activation](a), a)


def _spec_of(layer: Layer) -> Spec | None:
    """Return the spec of a layer that has a recurrent network, else None."""
    return layer.spec if isinstance(layer, Recurrent | Decoder) else None


def _select(layer: Readout, v: Any, lengths: Any) -> Any:
    """Return the steps of ``v (B, T, N)`` that a readout reads."""
    if layer.at == "every":
        return v
    if layer.at != "last":
        return tf.gather(v, layer.at, axis=1)
    return v[:, -1] if lengths is None else tf.gather(v, lengths - 1, axis=1, batch_dims=1)


def whole(recurrence: Recurrence, network: Network, params: NetworkParams, dtype: str) -> Program:
    """Return the program that runs a network forward and back.

    Args:
        recurrence: Makes and runs recurrent networks.
        network: The layers, the loss last.
        params: The parameters of each layer, in canonical layout.
        dtype: The dtype of the variables.

    Returns:
        The program, whose call returns y, loss, dparams and, unless x is words, dx.
    """
    built = Built(recurrence, network, params, dtype)

    def call(feeds: Feeds) -> dict[str, Any]:
        y, loss = built.forward(feeds)
        inputs = {"x": feeds["x"]} if isinstance(network[0], Vectors | Vector) else {}
        return {"y": y, "loss": loss} | differentiate([loss], None, inputs, built.variables)

    return Program(built.variables, call)


def parts_of(network: Network, params: NetworkParams) -> Parts:
    """Return the parameters of every layer, each with the spec of its cells.

    Args:
        network: The layers.
        params: The parameters of each layer.

    Returns:
        Pairs of spec and parameters, as ``parameters.values`` takes them.
    """
    return [(_spec_of(layer), tree) for layer, tree in zip(network, params, strict=True)]


def run(inputs: NetworkInputs, place: Place) -> Result:
    """Run a whole network once, forward and back.

    Args:
        inputs: The network and its arrays.
        place: Device, dialect, unrolling, execution and compiler.

    Returns:
        The output, the loss and its gradients.
    """
    network, dtype = inputs.network, inputs.dtype
    parts = parts_of(network, inputs.params)
    feeds = feed(dtype, inputs.data._asdict())
    recurrence = Recurrence(place.unrolling, place.dialect)
    build = partial(whole, recurrence, network, inputs.params, dtype)
    compiled = place.compile((network, dtype, inputs.precision), build, feeds)
    compiled.assign(values(place.dialect, parts, dtype))
    tensors = dict(compiled.run(place.execution.place(feeds, place.device)))
    found = canonical(place.dialect, parts, tensors.pop("dparams"))
    return result(tensors | named(found, "dparams"))

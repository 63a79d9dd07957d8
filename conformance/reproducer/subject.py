"""What a script is about: one case on one backend, as the templates read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backends import AnyInputs, Dialect, Inputs, NetworkInputs, TrainingInputs
from conformance.agreement import Z, bounds, rms_limit
from conformance.truth import Truth
from reference import Array, Spec
from reference.networks.layers import Decoder, Dense, FinalState, Network, Readout, Recurrent
from reference.networks.shapes import passings
from reference.rounding import ARITHMETICS
from reference.trees import named

MOST_STEPS = 100_000
"""Elements times steps of training that the complex step can afford; above it, values are inlined."""


@dataclass(frozen=True)
class LayerFacts:
    """One layer of a network, where it stands, and what its neighbours make of it."""

    k: int
    network: Network

    @property
    def layer(self) -> object:
        """The layer itself."""
        return self.network[self.k]

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.layer).__name__

    @property
    def spec(self) -> Spec | None:
        """Of a layer with a recurrent network."""
        return self.layer.spec if isinstance(self.layer, Recurrent | Decoder) else None

    @property
    def sequence(self) -> bool:
        """Whether it passes on a sequence."""
        return passings(self.network)[self.k].sequence

    @property
    def bias(self) -> bool:
        """Whether an affine layer has one."""
        return not isinstance(self.layer, Dense) or self.layer.bias

    @property
    def state(self) -> bool:
        """Whether its recurrent network starts from a given state, or is called step by step."""
        layer = self.layer
        return isinstance(layer, Decoder) and (layer.context != "input" or layer.words == "free")

    @cached_property
    def before(self) -> Spec:
        """Of the recurrent layer that a ``FinalState`` reads."""
        return next(s for k in range(self.k)[::-1] if (s := LayerFacts(k, self.network).spec))

    @property
    def rows(self) -> list[int]:
        """The rows of h_n that a ``FinalState`` reads: the directions of the last layer."""
        total = self.before.num_layers * self.before.num_directions
        return list(range(total - self.before.num_directions, total))

    @property
    def final(self) -> bool:
        """Whether a ``FinalState`` reads it."""
        return isinstance((*self.network, None)[self.k + 1], FinalState)

    @property
    def of_lstm(self) -> bool:
        """Whether a ``FinalState`` reads an LSTM's."""
        return self.before.cell == "lstm"

    @property
    def bridges(self) -> list[tuple[int, int]]:
        """Layer and part of the state of every map of a decoder's bridge."""
        layer = self.layer
        if not isinstance(layer, Decoder) or layer.bridge == "none":
            return []
        parts = 2 if layer.spec.cell == "lstm" else 1
        return [(k, part) for k in range(layer.spec.num_layers) for part in range(parts)]

    @property
    def affines(self) -> list[tuple[str, str, bool]]:
        """Every affine map: what a script calls it, the name of its parameters, has it a bias."""
        if isinstance(self.layer, Readout | Dense):
            return [(f"linear_{self.k}", f"params[{self.k}]", self.bias)]
        if not isinstance(self.layer, Decoder):
            return []
        maps = [(f"output_{self.k}", f"params[{self.k}].output", True)]
        return maps + [
            (f"bridge_{self.k}_{layer}_{part}", f"params[{self.k}].bridge[{layer}][{part}]", True)
            for layer, part in self.bridges
        ]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Its parameters in the order of the tree, by name and by what they are."""
        table = self.kind == "Embedding" or (
            isinstance(self.layer, Decoder) and self.layer.words != "none"
        )
        rnn = ".rnn" if self.kind == "Decoder" else ""
        return [
            *([(f"params[{self.k}].table", "table")] if table else []),
            *([(f"params[{self.k}]{rnn}", "cells")] if self.spec else []),
            *((name, "affine" if bias else "linear") for _, name, bias in self.affines),
        ]


@dataclass(frozen=True)
class Subject:
    """A case's arrays by the names that records have, its bounds, and how the dialect runs it."""

    id: str
    truth: Truth
    dialect: Dialect

    @property
    def inputs(self) -> AnyInputs:
        """With the training that the dialect declares."""
        return self.truth.inputs

    @property
    def dtype(self) -> str:
        """The case's."""
        return self.inputs.dtype

    @property
    def kind(self) -> str:
        """Which macro shows it."""
        return {Inputs: "bare", NetworkInputs: "network", TrainingInputs: "training"}[
            type(self.inputs)
        ]

    @property
    def layers(self) -> list[LayerFacts]:
        """Of a network; none of a bare one."""
        network = () if isinstance(self.inputs, Inputs) else self.inputs.network
        return [LayerFacts(k, network) for k in range(len(network))]

    @property
    def specs(self) -> list[Spec]:
        """Of every recurrent network in it."""
        if isinstance(self.inputs, Inputs):
            return [self.inputs.spec]
        return [layer.spec for layer in self.layers if layer.spec]

    @cached_property
    def given(self) -> Mapping[str, Array]:
        """What gradients are taken by: x, h0 and c0, where they are numbers, and the parameters."""
        inputs = self.inputs
        found: dict[str, Array | None] = {}
        if isinstance(inputs, Inputs):
            found = {"x": inputs.x, "h0": inputs.h0, "c0": inputs.c0}
        elif isinstance(inputs, NetworkInputs) and inputs.data.x.dtype.kind == "f":
            found = {"x": inputs.data.x}
        found |= named(inputs.params, "params")
        return {name: a for name, a in found.items() if a is not None}

    @property
    def arithmetic(self) -> str:
        """The arithmetic that the backend declares."""
        return self.dialect.arithmetic[self.dtype]

    @property
    def u_out(self) -> float:
        """The roundoff of its results' type."""
        return ARITHMETICS[self.arithmetic].u_out

    @property
    def z(self) -> float:
        """Standard deviations that make a bound."""
        return Z

    @cached_property
    def bounds(self) -> Mapping[str, tuple[Array, float]]:
        """For every result, the bound of each element, to float32, and the limit of the RMS."""
        found = self.truth.expected(self.arithmetic)
        return {
            name: (
                bounds(e, ARITHMETICS[self.arithmetic]).astype(np.float32).astype(np.float64),
                rms_limit(e.radius.freedom),
            )
            for name, e in found.items()
        }

    @property
    def inlined(self) -> bool:
        """Whether a script has the expected values in it, since to compute them takes too long."""
        if not isinstance(self.inputs, TrainingInputs):
            return False
        return sum(a.size for a in self.given.values()) * len(self.inputs.batches) > MOST_STEPS

"""A layer of a network as the templates read it: what it is, where it stands, what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from reference import Spec
from reference.networks.layers import Decoder, Dense, FinalState, Network, Readout, Recurrent
from reference.networks.shapes import passings


@dataclass(frozen=True)
class ShownLayer:
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
        return next(s for k in range(self.k)[::-1] if (s := ShownLayer(k, self.network).spec))

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
        return "c" in self.before.states

    @property
    def bridges(self) -> list[tuple[int, int]]:
        """Layer and part of the state of every map of a decoder's bridge."""
        layer = self.layer
        if not isinstance(layer, Decoder) or layer.bridge == "none":
            return []
        parts = len(layer.spec.states)
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

"""The layers of a network as modules; each reads what the layer before it passes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import one_hot

from backends.pytorch.device import Place
from backends.pytorch.parameters import arranged, build, parts_of, trained
from reference import Array, Params
from reference.networks import layers
from reference.networks.layers import Affine, Table

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda a: a,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softmax": partial(torch.softmax, dim=-1),
}

Of = Callable[[torch.Tensor], Any]
RecurrentBack = Callable[[Any, Any, Params, Params], Params]
"""``rnn.canonical_gradients`` or ``rnn.canonical_values``."""


class Batch(NamedTuple):
    """The tensors of a ``reference.networks.layers.Data``; ``lengths`` on the CPU, where packing wants them."""

    x: torch.Tensor
    lengths: torch.Tensor | None
    targets: torch.Tensor | None
    target_lengths: torch.Tensor | None


class Passed(NamedTuple):
    """What a layer passes on: a sequence or a vector; of a recurrent network, the final h as well;
    of an affine map, what its activation was applied to.
    """

    values: torch.Tensor
    final: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class Layer(nn.Module):
    """A layer of a network, made from its description and its parameters."""

    def __init__(self, layer: Any, params: Any, place: Place) -> None:
        super().__init__()
        self.layer, self.params, self.place = layer, params, place

    def parameters_of(self, of: Of) -> Any:
        """``of`` every parameter, arranged as the specification does, in PyTorch's layout."""
        return ()

    def canonical(self, found: Any, back: RecurrentBack) -> Any:
        """What ``parameters_of`` returned, as arrays, in canonical layout."""
        return found


class Given(Layer):
    """The input, which is numbers already."""

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        return Passed(batch.x)


class OneHot(Layer):
    """``one_hot``, in the floating-point type of the network."""

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        return Passed(one_hot(batch.x, self.layer.vocabulary).to(self.place.dtype))


class Embedding(Layer):
    """``nn.Embedding``."""

    def __init__(self, layer: layers.Embedding, params: Table, place: Place) -> None:
        super().__init__(layer, params, place)
        self.embedding = embedding(params.table, place)

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        return Passed(self.embedding(batch.x))

    def parameters_of(self, of: Of) -> Table:
        return Table(of(self.embedding.weight))


class Recurrent(Layer):
    """A recurrent module; where it refuses rows of length 0, they are left out and given back as zeros."""

    def __init__(self, layer: layers.Recurrent, params: Params, place: Place) -> None:
        super().__init__(layer, params, place)
        self.rnn = build(layer.spec, params, place)

    def forward(self, before: Passed, batch: Batch) -> Passed:
        x, lengths = before.values, batch.lengths
        if self.place.dialect.zero_length == "runs" or lengths is None or lengths.all():
            return Passed(*self._unroll(x, lengths))
        rows = lengths.nonzero().squeeze(1)
        kept = self._unroll(x[rows], lengths[rows])
        return Passed(*(put_back(part, rows.to(x.device), len(x)) for part in kept))

    def _unroll(
        self, x: torch.Tensor, lengths: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The outputs, and the last layer's final h, directions side by side."""
        spec = self.layer.spec
        y, state = self.rnn(x, None, lengths)
        h_n = parts_of(spec, self.place.dialect, state)["h"]
        return y, torch.cat(tuple(h_n[-spec.num_directions :]), dim=-1)

    def parameters_of(self, of: Of) -> Params:
        found = {name: of(p) for name, p in trained(self.rnn).items()}
        return arranged(self.layer.spec, self.place.way, found)

    def canonical(self, found: Params, back: RecurrentBack) -> Params:
        return back(self.layer.spec, self.place.dialect, self.params, found)


class FinalState(Layer):
    """The final h of the recurrent network before it."""

    def forward(self, before: Passed, batch: Batch) -> Passed:
        assert before.final is not None
        return Passed(before.final)


class Linear(Layer):
    """``nn.Linear`` and an activation; of a ``Readout``, at the steps that it reads."""

    def __init__(self, layer: layers.Dense | layers.Readout, params: Affine, place: Place) -> None:
        super().__init__(layer, params, place)
        self.linear = linear(params, place)

    def forward(self, before: Passed, batch: Batch) -> Passed:
        values = before.values
        if isinstance(self.layer, layers.Readout):
            values = read(self.layer.at, values, batch.lengths)
        return activated(self.layer.activation, self.linear(values))

    def parameters_of(self, of: Of) -> Affine:
        return affine_of(self.linear, of)


def read(
    at: str | tuple[int, ...], values: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    """The steps of ``values`` that a readout reads; a vector where it is the last valid one."""
    if at == "every":
        return values
    if at != "last":
        return values[:, list(at)]
    if lengths is None:
        return values[:, -1]
    return values[torch.arange(len(lengths)), lengths - 1]


def activated(name: str, logits: torch.Tensor) -> Passed:
    """The activation of an affine map's result."""
    return Passed(ACTIVATIONS[name](logits), logits=logits)


def embedding(table: Array, place: Place) -> nn.Embedding:
    """An embedding of these rows."""
    return nn.Embedding.from_pretrained(place.numbers(table), freeze=False)


def linear(params: Affine, place: Place) -> nn.Linear:
    """A linear map of these parameters."""
    units, width = params.W.shape
    bias = params.b is not None
    module = nn.Linear(width, units, bias, device=place.device, dtype=place.dtype)
    values = {"weight": params.W} | ({} if params.b is None else {"bias": params.b})
    module.load_state_dict({name: place.numbers(value) for name, value in values.items()})
    return module


def affine_of(module: nn.Linear, of: Of) -> Affine:
    """``of`` the parameters of a linear map."""
    return Affine(of(module.weight), None if module.bias is None else of(module.bias))


def put_back(kept: torch.Tensor, rows: torch.Tensor, batch: int) -> torch.Tensor:
    """``kept`` as ``rows`` of a batch whose other rows are 0."""
    return kept.new_zeros(batch, *kept.shape[1:]).index_copy(0, rows, kept)

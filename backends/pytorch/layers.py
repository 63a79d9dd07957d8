"""The layers of a network as modules; each takes the results of the layer before it."""

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
"""A function of a parameter, such as its gradient."""
RecurrentBack = Callable[[Any, Any, Params, Params], Params]
"""``parameters.canonical_gradients`` or ``parameters.canonical_values``."""


class Batch(NamedTuple):
    """The tensors of a ``layers.Data``; ``lengths`` on the CPU, as packing requires."""

    x: torch.Tensor
    lengths: torch.Tensor | None
    targets: torch.Tensor | None
    target_lengths: torch.Tensor | None


class Passed(NamedTuple):
    """The results that a layer passes to the next one."""

    values: torch.Tensor
    """A sequence (B, T, N), or a vector for each row (B, N)."""
    final: torch.Tensor | None = None
    """The final h of a recurrent network."""
    logits: torch.Tensor | None = None
    """The activation's argument, after an affine map."""


class Layer(nn.Module):
    """A layer of a network, made from its description and its parameters.

    Args:
        layer: The layer of the specification.
        params: Its parameters, in canonical layout.
        place: Device, dtype, dialect and modules.
    """

    def __init__(self, layer: Any, params: Any, place: Place) -> None:
        super().__init__()
        self.layer, self.params, self.place = layer, params, place

    def parameters_of(self, of: Of) -> Any:
        """Return a function's value for every parameter, as a tree in PyTorch's layout.

        Args:
            of: A function of a parameter.

        Returns:
            The tree, with the fields of the specification.
        """
        return ()

    def canonical(self, found: Any, back: RecurrentBack) -> Any:
        """Return arrays of ``parameters_of`` in canonical layout.

        Args:
            found: The result of ``parameters_of``, as arrays.
            back: Converts a recurrent network's arrays.

        Returns:
            The tree in canonical layout.
        """
        return found


class Given(Layer):
    """The input, which is numbers already."""

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        """Return the batch's input.

        Args:
            before: None, since this layer is the first.
            batch: The batch.

        Returns:
            The input, unchanged.
        """
        return Passed(batch.x)


class OneHot(Layer):
    """``one_hot``, in the dtype of the network."""

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        """Return one-hot vectors of the batch's words.

        Args:
            before: None, since this layer is the first.
            batch: The batch.

        Returns:
            Vectors (B, T, vocabulary).
        """
        return Passed(one_hot(batch.x, self.layer.vocabulary).to(self.place.dtype))


class Embedding(Layer):
    """``nn.Embedding``."""

    def __init__(self, layer: layers.Embedding, params: Table, place: Place) -> None:
        super().__init__(layer, params, place)
        self.embedding = embedding(params.table, place)

    def forward(self, before: Passed | None, batch: Batch) -> Passed:
        """Return the embeddings of the batch's words.

        Args:
            before: None, since this layer is the first.
            batch: The batch.

        Returns:
            Vectors (B, T, size).
        """
        return Passed(self.embedding(batch.x))

    def parameters_of(self, of: Of) -> Table:
        return Table(of(self.embedding.weight))


class Recurrent(Layer):
    """A recurrent module; rows of length 0 are left out and become zeros if it refuses them."""

    def __init__(self, layer: layers.Recurrent, params: Params, place: Place) -> None:
        super().__init__(layer, params, place)
        self.rnn = build(layer.spec, params, place)

    def forward(self, before: Passed, batch: Batch) -> Passed:
        """Run the recurrent network.

        Args:
            before: The sequence (B, T, I), from the layer before.
            batch: The batch, with the lengths of its rows.

        Returns:
            Outputs (B, T, D·H), and the last layer's final h.
        """
        x, lengths = before.values, batch.lengths
        if self.place.dialect.zero_length == "runs" or lengths is None or lengths.all():
            return Passed(*self._unroll(x, lengths))
        rows = lengths.nonzero().squeeze(1)
        kept = self._unroll(x[rows], lengths[rows])
        return Passed(*(_put_back(part, rows.to(x.device), len(x)) for part in kept))

    def _unroll(
        self, x: torch.Tensor, lengths: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs, and the last layer's final h with its directions concatenated."""
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
        """Return the final h.

        Args:
            before: The results of the recurrent layer before.
            batch: The batch; unused.

        Returns:
            h of the last layer (B, D·H).
        """
        assert before.final is not None
        return Passed(before.final)


class Linear(Layer):
    """``nn.Linear`` and an activation; for a ``Readout``, at the steps that it reads."""

    def __init__(self, layer: layers.Dense | layers.Readout, params: Affine, place: Place) -> None:
        super().__init__(layer, params, place)
        self.linear = linear(params, place)

    def forward(self, before: Passed, batch: Batch) -> Passed:
        """Return the layer's outputs and logits.

        Args:
            before: The results of the layer before.
            batch: The batch, with the lengths of its rows.

        Returns:
            Outputs and logits (..., units).
        """
        values = before.values
        if isinstance(self.layer, layers.Readout):
            values = _read(self.layer.at, values, batch.lengths)
        return activated(self.layer.activation, self.linear(values))

    def parameters_of(self, of: Of) -> Affine:
        return affine_of(self.linear, of)


def _read(
    at: str | tuple[int, ...], values: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    """Return the steps of ``values (B, T, N)`` that a readout reads."""
    if at == "every":
        return values
    if at != "last":
        return values[:, list(at)]
    if lengths is None:
        return values[:, -1]
    return values[torch.arange(len(lengths)), lengths - 1]


def activated(name: str, logits: torch.Tensor) -> Passed:
    """Apply an activation.

    Args:
        name: Its name in ``ACTIVATIONS``.
        logits: The result of an affine map.

    Returns:
        Values and logits.
    """
    return Passed(ACTIVATIONS[name](logits), logits=logits)


def embedding(table: Array, place: Place) -> nn.Embedding:
    """Return an embedding with given rows.

    Args:
        table: The rows (vocabulary, size).
        place: Device and dtype.

    Returns:
        The module, whose rows are trained.
    """
    return nn.Embedding.from_pretrained(place.numbers(table), freeze=False)


def linear(params: Affine, place: Place) -> nn.Linear:
    """Return a linear module with given parameters.

    Args:
        params: W (M, N), and b (M,) or None.
        place: Device and dtype.

    Returns:
        The module.
    """
    units, width = params.W.shape
    bias = params.b is not None
    module = nn.Linear(width, units, bias, device=place.device, dtype=place.dtype)
    values = {"weight": params.W} | ({} if params.b is None else {"bias": params.b})
    module.load_state_dict({name: place.numbers(value) for name, value in values.items()})
    return module


def affine_of(module: nn.Linear, of: Of) -> Affine:
    """Return a function's values for the parameters of a linear module.

    Args:
        module: The linear module.
        of: A function of a parameter.

    Returns:
        The values for W and b.
    """
    return Affine(of(module.weight), None if module.bias is None else of(module.bias))


def _put_back(kept: torch.Tensor, rows: torch.Tensor, batch: int) -> torch.Tensor:
    """Return a batch whose ``rows`` are ``kept`` and whose other rows are 0."""
    return kept.new_zeros(batch, *kept.shape[1:]).index_copy(0, rows, kept)

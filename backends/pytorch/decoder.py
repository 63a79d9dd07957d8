"""The decoder: one call of the recurrent module where all words are known, else one call for each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from backends.pytorch.device import Place
from backends.pytorch.layers import (
    ACTIVATIONS,
    Batch,
    Layer,
    Of,
    Passed,
    RecurrentBack,
    activated,
    affine_of,
    embedding,
    linear,
)
from backends.pytorch.parameters import arranged, as_state, build, trained
from reference.networks import layers
from reference.networks.layers import DecoderParams


class Decoder(Layer):
    """``nn.Embedding`` for words, a recurrent module, and ``nn.Linear`` for outputs and bridge."""

    def __init__(self, layer: layers.Decoder, params: DecoderParams, place: Place) -> None:
        super().__init__(layer, params, place)
        self.embedding = None if params.table is None else embedding(params.table, place)
        self.rnn = build(layer.spec, params.rnn, place)
        self.output = linear(params.output, place)
        self.bridge = nn.ModuleList(
            nn.ModuleList(linear(part, place) for part in parts) for parts in params.bridge
        )

    def forward(self, before: Passed, batch: Batch) -> Passed:
        """Return the decoder's outputs and logits.

        Args:
            before: The context (B, C), from the layer before.
            batch: The batch, whose targets teacher forcing feeds back.

        Returns:
            Outputs and logits (B, S, units).
        """
        context = before.values
        state = self._initial_state(context)
        if self.layer.words == "free":
            logits = self._free(context, state)
        else:
            h, _ = self.rnn(self._inputs(self._known_words(batch), context), state)
            logits = self.output(h)
        return activated(self.layer.activation, logits)

    def _free(self, context: torch.Tensor, state: Any) -> torch.Tensor:
        """Feed back the most likely word of every step to the next one."""
        word = torch.zeros(len(context), 1, dtype=torch.int64, device=context.device)
        logits = []
        for _ in range(self.layer.steps):
            h, state = self.rnn(self._inputs(word, context), state)
            logits.append(self.output(h))
            word = logits[-1].argmax(dim=-1)
        return torch.cat(logits, dim=1)

    def _known_words(self, batch: Batch) -> torch.Tensor | None:
        """Return the word before every target; the first is word 0."""
        if self.layer.words == "none":
            return None
        assert batch.targets is not None
        return nn.functional.pad(batch.targets[:, :-1], (1, 0))

    def _inputs(self, words: torch.Tensor | None, context: torch.Tensor) -> torch.Tensor:
        """Concatenate each step's word embedding and context, whichever the layer has."""
        steps = self.layer.steps if words is None else words.shape[1]
        parts = [] if words is None or self.embedding is None else [self.embedding(words)]
        if self.layer.context != "state":
            parts.append(context[:, None].expand(-1, steps, -1))
        return torch.cat(parts, dim=-1)

    def _initial_state(self, context: torch.Tensor) -> Any:
        """Return the context, or its bridge, as the initial state; None for zeros."""
        spec = self.layer.spec
        if self.layer.context == "input":
            return None
        if not len(self.bridge):
            zeros = {p: context.new_zeros(spec.state_shape(p, len(context))) for p in spec.states}
            h = context.expand(spec.num_layers, -1, -1).contiguous()
            parts = zeros | {"h": h}
        else:
            act = ACTIVATIONS[self.layer.bridge]
            parts = {
                name: torch.stack([act(maps[k](context)) for maps in self.bridge])
                for k, name in enumerate(spec.states)
            }
        return as_state(spec, self.place.dialect, parts)

    def parameters_of(self, of: Of) -> DecoderParams:
        found = {name: of(p) for name, p in trained(self.rnn).items()}
        return DecoderParams(
            None if self.embedding is None else of(self.embedding.weight),
            arranged(self.layer.spec, self.place.way, found),
            affine_of(self.output, of),
            tuple(tuple(affine_of(part, of) for part in parts) for parts in self.bridge),
        )

    def canonical(self, found: DecoderParams, back: RecurrentBack) -> DecoderParams:
        spec, dialect = self.layer.spec, self.place.dialect
        return found._replace(rnn=back(spec, dialect, self.params.rnn, found.rnn))

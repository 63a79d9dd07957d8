"""The fused modules ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM``, with packed sequences for lengths."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from reference import Role, Spec

PARTS: dict[Role, str] = {
    "kernel": "weight_ih",
    "recurrent": "weight_hh",
    "bias": "bias_ih",
    "recurrent_bias": "bias_hh",
}
"""PyTorch's name of every role."""


class Fused(nn.Module):
    """One call for all steps, layers and directions.

    Args:
        spec: The network.
        **options: Further arguments of the module: bias, nonlinearity, device, dtype.
    """

    kinds: ClassVar[dict[str, type[nn.Module]]] = {
        "vanilla": nn.RNN,
        "gru": nn.GRU,
        "lstm": nn.LSTM,
    }

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__()
        self.rnn = self.kinds[spec.cell](
            spec.input_size,
            spec.hidden_size,
            spec.num_layers,
            batch_first=spec.batch_first,
            bidirectional=spec.direction == "bidirectional",
            **options,
        )

    def forward(
        self, x: torch.Tensor, state: Any = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """Return outputs, 0 past the lengths, and the final state.

        Args:
            x: The input (B, T, I), or (T, B, I).
            state: h (L·D, B, H), for an LSTM (h, c); None for zeros.
            lengths: The length of each row (B,), on the CPU, at least 1; None if all are T.

        Returns:
            The outputs and the final state.
        """
        if lengths is None:
            return self.rnn(x, state)
        batch_first = self.rnn.batch_first
        packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        output, final = self.rnn(packed, state)
        total = x.shape[1 if batch_first else 0]
        y, _ = pad_packed_sequence(output, batch_first, total_length=total)
        return y, final

    @staticmethod
    def names(layer: int, direction: int) -> dict[Role, str]:
        """Return the names of the parameters of one layer and direction, by role.

        Args:
            layer: Number of the layer.
            direction: 0 for forward, 1 for backward.

        Returns:
            Keys of the module's state dict.
        """
        suffix = f"l{layer}" + ("", "_reverse")[direction]
        return {role: f"rnn.{part}_{suffix}" for role, part in PARTS.items()}

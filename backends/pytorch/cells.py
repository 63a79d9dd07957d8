"""The cells ``nn.RNNCell``, ``nn.GRUCell`` and ``nn.LSTMCell``, called step by step in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from backends.pytorch.fused import PARTS
from reference import Role, Spec
from reference.rnn import REVERSED

State = tuple[torch.Tensor, ...]
"""Each part ``(B, H)``, h first."""

Steps = tuple[torch.Tensor, ...]
"""A sequence: each step ``(B, N)``."""


class Cells(nn.Module):
    """A cell for every layer and direction, and the loops over them.

    Args:
        spec: The network.
        **options: Further arguments of the cells: bias, nonlinearity, device, dtype.
    """

    kinds: ClassVar[dict[str, type[nn.Module]]] = {
        "vanilla": nn.RNNCell,
        "gru": nn.GRUCell,
        "lstm": nn.LSTMCell,
    }

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleList(
            nn.ModuleList(
                self.kinds[spec.cell](width, spec.hidden_size, **options)
                for _ in range(spec.num_directions)
            )
            for width in map(spec.layer_input_size, range(spec.num_layers))
        )

    def forward(
        self, x: torch.Tensor, state: Any = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """Return outputs, 0 past the lengths, and the final state.

        Args:
            x: The input (B, T, I), or (T, B, I).
            state: h (L·D, B, H), for an LSTM (h, c); None for zeros.
            lengths: The length of each row (B,), on the CPU; None if all are T.

        Returns:
            The outputs and the final state.
        """
        spec = self.spec
        time = 1 if spec.batch_first else 0
        xs = x.unbind(time)
        valid: Sequence[torch.Tensor | None] = [None] * len(xs)
        if lengths is not None:
            valid = (torch.arange(len(xs))[:, None] < lengths)[..., None].to(x.device).unbind()
            # Masking outputs is not enough: a cell's gradient is 0 · NaN where its input is NaN.
            xs = tuple(torch.where(ok, x, 0) for ok, x in zip(valid, xs, strict=True))
        starts = self._starts(state, x, len(xs[0]))
        finals: list[State] = []
        for cells in self.layers:
            outputs = []
            for cell, reverse in zip(cells, REVERSED[spec.direction], strict=True):
                ys, final = _unroll(cell, xs, starts[len(finals)], valid, reverse)
                outputs.append(ys)
                finals.append(final)
            xs = _joined(outputs)
        parts = tuple(map(torch.stack, zip(*finals, strict=True)))
        return torch.stack(xs, time), parts if "c" in spec.states else parts[0]

    def _starts(self, state: Any, x: torch.Tensor, batch: int) -> Sequence[State]:
        """Return the initial state of every layer and direction; zeros by default."""
        spec = self.spec
        if state is None:
            zeros = tuple(x.new_zeros(batch, spec.state_size(part)) for part in spec.states)
            return [zeros] * (spec.num_layers * spec.num_directions)
        given = state if "c" in spec.states else (state,)
        return [*zip(*(part.unbind() for part in given), strict=True)]

    @staticmethod
    def names(layer: int, direction: int) -> dict[Role, str]:
        """Return the names of the parameters of one layer and direction, by role.

        Args:
            layer: Number of the layer.
            direction: 0 for forward, 1 for backward.

        Returns:
            Keys of the module's state dict.
        """
        return {role: f"layers.{layer}.{direction}.{part}" for role, part in PARTS.items()}


def _unroll(
    cell: nn.Module,
    xs: Steps,
    state: State,
    valid: Sequence[torch.Tensor | None],
    reverse: bool,
) -> tuple[Steps, State]:
    """Run one layer in one direction; return outputs and final state.

    Steps that are not valid return 0 and keep the state.
    """
    steps = [*zip(xs, valid, strict=True)]
    ys = []
    for x, ok in reversed(steps) if reverse else steps:
        new = _step(cell, x, state)
        if ok is None:
            state, y = new, new[0]
        else:
            state = tuple(torch.where(ok, n, s) for n, s in zip(new, state, strict=True))
            y = torch.where(ok, new[0], 0)
        ys.append(y)
    return tuple(ys[::-1] if reverse else ys), state


def _joined(outputs: Sequence[Steps]) -> Steps:
    """Concatenate the outputs of a layer's directions, in every step."""
    if len(outputs) == 1:
        return outputs[0]
    return tuple(torch.cat(both, dim=-1) for both in zip(*outputs, strict=True))


def _step(cell: nn.Module, x: torch.Tensor, state: State) -> State:
    """Call a cell once: ``nn.LSTMCell`` takes and returns (h, c), the others h."""
    return cell(x, state) if isinstance(cell, nn.LSTMCell) else (cell(x, *state),)

"""The spec: which recurrent network it is, and the sizes that follow.

Dimensions are named throughout: B batch, T time, I input, H hidden, L layers,
D directions (1 or 2), G gates of the cell.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Cell: TypeAlias = Literal["vanilla", "gru", "lstm"]
Direction: TypeAlias = Literal["forward", "reverse", "bidirectional"]
Activation: TypeAlias = Literal["tanh", "relu"]
Reset: TypeAlias = Literal["after", "before"]

GATES: dict[str, tuple[str, ...]] = {
    "vanilla": ("h",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
}
"""The gate blocks of every weight and bias, in canonical order."""

STATES: dict[str, tuple[str, ...]] = {"vanilla": ("h",), "gru": ("h",), "lstm": ("h", "c")}
"""The states that a cell carries from step to step."""

CHOICES: dict[str, tuple[str, ...]] = {
    "cell": get_args(Cell),
    "direction": get_args(Direction),
    "activation": get_args(Activation),
    "reset": get_args(Reset),
}
OPTION_OF: dict[str, tuple[str, Any]] = {
    "activation": ("vanilla", "tanh"),
    "reset": ("gru", "after"),
    "forget_bias": ("lstm", 0.0),
}
"""Each cell option with the one cell that has it, and its default."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A stacked recurrent network, in PyTorch's field names where it has one.

    ``activation`` belongs to the vanilla cell, ``reset`` to the GRU (is the reset gate applied
    after or before the recurrent product), ``forget_bias`` to the LSTM (added to the forget
    gate's pre-activation). Setting one on another cell raises ``ValueError``, as does every
    value outside its choices: no option is accepted and ignored.
    """

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int = 1
    direction: Direction = "forward"
    bias: bool = True
    batch_first: bool = True
    activation: Activation = "tanh"
    reset: Reset = "after"
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            choice = getattr(self, name)
            if not isinstance(choice, str) or choice not in choices:
                raise ValueError(f"Spec.{name}: {choice!r} given, expected one of {choices}")
        for name in ("input_size", "hidden_size", "num_layers"):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(
                    f"Spec.{name}: {size!r} given, expected a Python int of at least 1"
                )
        for name in ("bias", "batch_first"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"Spec.{name}: {getattr(self, name)!r} given, expected True or False"
                )
        if (
            type(self.forget_bias) not in (int, float)  # a bool is an int, but no bias
            or not abs(self.forget_bias) <= sys.float_info.max
        ):
            raise ValueError(
                f"Spec.forget_bias: {self.forget_bias!r} given, expected a finite Python float"
            )
        for name, (cell, default) in OPTION_OF.items():
            if self.cell != cell and getattr(self, name) != default:
                raise ValueError(
                    f"Spec.{name}: {getattr(self, name)!r} given for cell {self.cell!r}, but only "
                    f"{cell!r} has this option; leave it out"
                )

    @property
    def num_directions(self) -> int:
        """D: 2 for a bidirectional network, else 1."""
        return 2 if self.direction == "bidirectional" else 1

    @property
    def num_gates(self) -> int:
        """G: the number of gate blocks in every weight and bias."""
        return len(GATES[self.cell])

    @property
    def states(self) -> tuple[str, ...]:
        """The parts of the cell's state, h first."""
        return STATES[self.cell]

    @property
    def output_size(self) -> int:
        """Width of a layer's outputs, both directions side by side: D·H."""
        return self.num_directions * self.state_size("h")

    def state_size(self, part: str) -> int:
        """Return the width of one part of the state.

        Args:
            part: "h", which is also the output of one direction, or "c".

        Returns:
            Its number of units: H for each.

        Raises:
            ValueError: The cell has no such part.

        """
        if part not in self.states:
            raise ValueError(
                f"part: {part!r} given, expected one of {self.states}, the states of a "
                f"{self.cell} cell"
            )
        return self.hidden_size

    def state_shape(self, part: str, batch: int) -> tuple[int, int, int]:
        """Return the shape of one part of the states of all layers and directions.

        Args:
            part: "h" or "c".
            batch: B.

        Returns:
            (L·D, B, width of the part).

        """
        return self.num_layers * self.num_directions, batch, self.state_size(part)

    def layer_input_size(self, layer: int) -> int:
        """Return the width of the sequence that a layer reads.

        Args:
            layer: Number of the layer, from 0.

        Returns:
            I for the first layer, D·H for the others.

        """
        return self.input_size if layer == 0 else self.output_size

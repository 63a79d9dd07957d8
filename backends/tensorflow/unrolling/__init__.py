"""The ways to run cells over time: their interface, and ``dynamic_rnn`` and ``static_rnn``.

Both run a forward network as one call, on a ``MultiRNNCell`` where there are several layers. A bidirectional
network is one call a layer, on the concatenated outputs of the layer before, since a ``MultiRNNCell`` would
keep the two directions apart until the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf
from tf_keras.src.layers.rnn import legacy_cells

from backends.tensorflow.cells import legacy, legacy_class
from reference import Spec

nn = tf.compat.v1.nn

Cells = Sequence[Sequence[Any]]
"""``cells[layer][direction]``, built."""
Rows = Sequence[Any]
"""The state of every layer and direction: parts ``(B, H)`` in the cell's order."""


class Unrolling(ABC):
    """One way to run cells over time."""

    fixed_steps: bool
    """True if a graph is made for one number of steps only."""

    @abstractmethod
    def cell(self, spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
        """Make a cell.

        Args:
            spec: The network.
            dtype: The dtype of the variables.
            input_size: The width of the input.
            scope: The scope of the variables, which no other cell has.

        Returns:
            The cell, built.
        """

    @abstractmethod
    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        """Run all cells over time.

        Args:
            spec: The network.
            cells: The cells by layer and direction.
            x: The input (B, T, I), or (T, B, I).
            lengths: The length of each row (B,), or None.
            start: The initial states, or None for zeros.

        Returns:
            The outputs and the final states.
        """

    @abstractmethod
    def step(self, spec: Spec, cells: Cells, x: Any, rows: Rows) -> tuple[Any, Rows]:
        """Run one step of a forward network.

        Args:
            spec: The network.
            cells: The cells by layer and direction.
            x: The input (B, I).
            rows: The states before the step.

        Returns:
            The output (B, H) and the states after the step.
        """

    @abstractmethod
    def called(self, spec: Spec, batch: int) -> str:
        """Return the call that runs a network, by its name in TensorFlow's documentation.

        Args:
            spec: The network.
            batch: The number of rows.

        Returns:
            The call, in words.
        """


class Legacy(Unrolling):
    """Base class of ``dynamic_rnn`` and ``static_rnn``: TensorFlow 1's cells and stacks."""

    calls: ClassVar[Mapping[str, str]]
    """The function of each direction."""

    @abstractmethod
    def one_way(self, spec: Spec, cell: Any, x: Any, lengths: Any, start: Any) -> tuple[Any, Any]:
        """Run a forward network in one call.

        Args:
            spec: The network.
            cell: Its cell, or a stack of cells.
            x: The input (B, T, I), or (T, B, I).
            lengths: The length of each row (B,), or None.
            start: The initial state of the cell, or None for zeros.

        Returns:
            The outputs and the final state.
        """

    @abstractmethod
    def two_ways(
        self, spec: Spec, pair: Sequence[Any], x: Any, lengths: Any, start: Any, scope: str
    ) -> tuple[Any, Any]:
        """Run one bidirectional layer in one call.

        Args:
            spec: The network.
            pair: The cells of both directions.
            x: The input (B, T, I), or (T, B, I).
            lengths: The length of each row (B,), or None.
            start: The initial states of both cells, each None for zeros.
            scope: The scope of the call.

        Returns:
            The concatenated outputs, and both final states.
        """

    def cell(self, spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
        return legacy(spec, dtype, input_size, scope)

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        none = [None] * (spec.num_layers * spec.num_directions)
        states = none if start is None else [_state(spec, row) for row in start]
        if spec.direction == "forward":
            given = None if start is None else tuple(states) if len(cells) > 1 else states[0]
            y, final = self.one_way(spec, _stack(cells), x, lengths, given)
            return y, [_row(spec, s) for s in (final if len(cells) > 1 else [final])]
        finals: list[Any] = []
        for layer, pair in enumerate(cells):
            given = states[2 * layer : 2 * layer + 2]
            x, final = self.two_ways(spec, pair, x, lengths, given, f"layer{layer}")
            finals += final
        return x, [_row(spec, s) for s in finals]

    def step(self, spec: Spec, cells: Cells, x: Any, rows: Rows) -> tuple[Any, Rows]:
        states = [_state(spec, row) for row in rows]
        y, final = _stack(cells)(x, tuple(states) if len(cells) > 1 else states[0])
        return y, [_row(spec, s) for s in (final if len(cells) > 1 else [final])]

    def called(self, spec: Spec, batch: int) -> str:
        cell, call = legacy_class(spec).__name__, self.calls[spec.direction]
        stacked = spec.num_layers > 1 and spec.direction == "forward"
        return f"{call} of {f'MultiRNNCell of {cell}' if stacked else cell}"


class Dynamic(Legacy):
    """A while loop in the graph."""

    fixed_steps = False
    calls: ClassVar = {"forward": "dynamic_rnn", "bidirectional": "bidirectional_dynamic_rnn"}

    def one_way(self, spec: Spec, cell: Any, x: Any, lengths: Any, start: Any) -> tuple[Any, Any]:
        return nn.dynamic_rnn(
            cell, x, lengths, start, dtype=x.dtype, time_major=not spec.batch_first
        )

    def two_ways(
        self, spec: Spec, pair: Sequence[Any], x: Any, lengths: Any, start: Any, scope: str
    ) -> tuple[Any, Any]:
        outputs, final = nn.bidirectional_dynamic_rnn(
            *pair,
            x,
            lengths,
            *start,
            dtype=x.dtype,
            time_major=not spec.batch_first,
            scope=scope,
        )
        return tf.concat(outputs, axis=-1), final


class Static(Legacy):
    """One copy of the cell in the graph for every step."""

    fixed_steps = True
    calls: ClassVar = {"forward": "static_rnn", "bidirectional": "static_bidirectional_rnn"}

    def one_way(self, spec: Spec, cell: Any, x: Any, lengths: Any, start: Any) -> tuple[Any, Any]:
        outputs, final = nn.static_rnn(cell, steps_of(spec, x), start, x.dtype, lengths)
        return sequence_of(spec, outputs), final

    def two_ways(
        self, spec: Spec, pair: Sequence[Any], x: Any, lengths: Any, start: Any, scope: str
    ) -> tuple[Any, Any]:
        outputs, *final = nn.static_bidirectional_rnn(
            *pair, steps_of(spec, x), *start, x.dtype, lengths, scope
        )
        return sequence_of(spec, outputs), final


def steps_of(spec: Spec, x: Any) -> list[Any]:
    """Return a sequence as a list of steps.

    Args:
        spec: The network.
        x: The sequence (B, T, N), or (T, B, N).

    Returns:
        Steps (B, N).
    """
    return tf.unstack(x, axis=1 if spec.batch_first else 0)


def sequence_of(spec: Spec, steps: Sequence[Any]) -> Any:
    """Return a list of steps as a sequence.

    Args:
        spec: The network.
        steps: Steps (B, N).

    Returns:
        The sequence (B, T, N), or (T, B, N).
    """
    return tf.stack(steps, axis=1 if spec.batch_first else 0)


def _stack(cells: Cells) -> Any:
    """Return the cell of a forward network: a stack where there are several layers."""
    column = [cell for (cell,) in cells]
    return legacy_cells.MultiRNNCell(column) if len(column) > 1 else column[0]


def _state(spec: Spec, row: tuple[Any, ...]) -> Any:
    """Return a state in the form of TensorFlow 1's cell."""
    return legacy_cells.LSTMStateTuple(*row) if "c" in spec.states else row[0]


def _row(spec: Spec, state: Any) -> tuple[Any, ...]:
    return tuple(state) if "c" in spec.states else (state,)

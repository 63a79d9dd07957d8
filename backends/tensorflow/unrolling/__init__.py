"""How cells are run over time: what every way has to offer, and ``dynamic_rnn`` and ``static_rnn``.

Both run a forward network as one call on a ``MultiRNNCell`` where there are several layers. A
bidirectional network is one call a layer, on the outputs of the layer before side by side, since a
``MultiRNNCell`` would keep the two directions apart until the end.
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
"""The state of every layer and direction: its parts ``(B, H)`` in the cell's own order."""


class Unrolling(ABC):
    """One way to run cells over time."""

    fixed_steps: bool
    """A graph is made for one number of steps, and no other."""

    @abstractmethod
    def cell(self, spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
        """A cell of the kind that is unrolled; ``scope`` is no other cell's."""

    @abstractmethod
    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        """The outputs and the final states; ``start`` None: from zeros."""

    @abstractmethod
    def step(self, spec: Spec, cells: Cells, x: Any, rows: Rows) -> tuple[Any, Rows]:
        """The outputs and states after one step of a forward network on ``x (B, I)``."""

    @abstractmethod
    def called(self, spec: Spec, batch: int) -> str:
        """What runs for ``batch`` rows, as a reader of TensorFlow's documentation would name it."""


class Legacy(Unrolling):
    """What ``dynamic_rnn`` and ``static_rnn`` share: TensorFlow 1's cells, and stacks of them."""

    calls: ClassVar[Mapping[str, str]]
    """The function of each direction."""

    @abstractmethod
    def one_way(self, spec: Spec, cell: Any, x: Any, lengths: Any, start: Any) -> tuple[Any, Any]:
        """The outputs and the final state of one call on a cell."""

    @abstractmethod
    def two_ways(
        self, spec: Spec, pair: Sequence[Any], x: Any, lengths: Any, start: Any, scope: str
    ) -> tuple[Any, Any]:
        """The outputs side by side and the two final states of one call on two cells."""

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
    """A sequence as a list of its steps, each ``(B, N)``."""
    return tf.unstack(x, axis=1 if spec.batch_first else 0)


def sequence_of(spec: Spec, steps: Sequence[Any]) -> Any:
    """The list of steps as a sequence again."""
    return tf.stack(steps, axis=1 if spec.batch_first else 0)


def _stack(cells: Cells) -> Any:
    """The one cell of a forward network."""
    column = [cell for (cell,) in cells]
    return legacy_cells.MultiRNNCell(column) if len(column) > 1 else column[0]


def _state(spec: Spec, row: tuple[Any, ...]) -> Any:
    """A state as TensorFlow 1's cell takes it."""
    return legacy_cells.LSTMStateTuple(*row) if "c" in spec.states else row[0]


def _row(spec: Spec, state: Any) -> tuple[Any, ...]:
    return tuple(state) if "c" in spec.states else (state,)

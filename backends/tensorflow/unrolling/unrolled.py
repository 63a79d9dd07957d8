"""A loop over the steps in Python, without any operation for recurrent networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from backends.tensorflow.cells import Written
from backends.tensorflow.unrolling import Cells, Rows, Unrolling, sequence_of, steps_of
from reference import Spec
from reference.rnn import REVERSED


class Unrolled(Unrolling):
    """Cells in tensor maths, called step by step.

    x is 0 in the padding from the start: the side of a ``tf.where`` that is not taken still has a gradient,
    and 0 · NaN is NaN.
    """

    fixed_steps = True

    def cell(self, spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
        return Written(spec, dtype, input_size)

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        xs = steps_of(spec, x)
        valid = None
        if lengths is not None:
            valid = [(t < lengths)[:, None] for t in range(len(xs))]
            xs = [tf.where(ok, x_t, tf.zeros_like(x_t)) for ok, x_t in zip(valid, xs, strict=True)]
        if start is None:
            start = zeros(spec, tf.shape(xs[0])[0], x.dtype)
        finals: list[Any] = []
        for layer in cells:
            outputs = []
            for cell, reverse in zip(layer, REVERSED[spec.direction], strict=True):
                ys, final = _over_time(cell, xs, valid, start[len(finals)], reverse=reverse)
                outputs.append(ys)
                finals.append(final)
            xs = [tf.concat(y_t, axis=-1) for y_t in zip(*outputs, strict=True)]
        return sequence_of(spec, xs), finals

    def step(self, spec: Spec, cells: Cells, x: Any, rows: Rows) -> tuple[Any, Rows]:
        finals = []
        for (cell,), row in zip(cells, rows, strict=True):
            x, state = cell(x, row)
            finals.append(state)
        return x, finals

    def called(self, spec: Spec, batch: int) -> str:
        return f"{spec.cell} cell of tf.matmul, step by step"


def zeros(spec: Spec, batch: Any, dtype: Any) -> Rows:
    """Return initial states of zeros.

    Args:
        spec: The network.
        batch: The number of rows.
        dtype: The dtype of the states.

    Returns:
        A state (B, H) for each part of every layer and direction.
    """
    state = tuple(tf.zeros((batch, spec.state_size(part)), dtype) for part in spec.states)
    return [state] * (spec.num_layers * spec.num_directions)


def _over_time(
    cell: Any, xs: Sequence[Any], valid: Sequence[Any] | None, state: Any, *, reverse: bool
) -> tuple[list[Any], Any]:
    """Run one layer in one direction; return outputs, 0 past a row's length, and final state."""
    ys: dict[int, Any] = {}
    order = range(len(xs))
    for t in reversed(order) if reverse else order:
        y, new = cell(xs[t], state)
        if valid is not None:
            y = tf.where(valid[t], y, tf.zeros_like(y))
            new = tuple(tf.where(valid[t], n, s) for n, s in zip(new, state, strict=True))
        ys[t], state = y, new
    return [ys[t] for t in order], state

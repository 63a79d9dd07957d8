"""``CudnnRNNV3``, which ``tf.keras`` layers call on a GPU: all steps, layers and directions in one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from backends.layouts import Block
from backends.tensorflow.unrolling import Cells, Rows, Unrolling
from backends.tensorflow.unrolling.unrolled import zeros
from reference import Spec


class Gates:
    """One layer and direction's weights in cuDNN's layout: rows are units, biases are two.

    Args:
        spec: The network.
        dtype: The dtype of the variables.
        input_size: The width of the input.
    """

    def __init__(self, spec: Spec, dtype: str, input_size: int) -> None:
        width = spec.num_gates * spec.hidden_size

        def variable(*shape: int) -> Any:
            return tf.Variable(tf.zeros(shape, dtype))

        self.weights = Block(
            kernel=variable(width, input_size),
            recurrent=variable(width, spec.state_size("h")),
            bias=variable(width),
            recurrent_bias=variable(width),
        )

    @property
    def variables(self) -> list[Any]:
        return list(self.weights)


class Cudnn(Unrolling):
    """One operation for all steps, in training mode as in ``tf.keras``."""

    fixed_steps = False

    def cell(self, spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
        return Gates(spec, dtype, input_size)

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        time, batch = (1, 0) if spec.batch_first else (0, 1)
        sizes = tf.shape(x)
        if start is None:
            start = zeros(spec, sizes[batch], x.dtype)
        h, *c = (tf.stack(part, axis=time) for part in zip(*start, strict=True))
        y, h_n, c_n, _, _ = tf.raw_ops.CudnnRNNV3(
            input=x,
            input_h=h,
            input_c=c[0] if c else tf.zeros((), x.dtype),
            params=flat(cells),
            sequence_lengths=tf.fill([sizes[batch]], sizes[time]) if lengths is None else lengths,
            rnn_mode=mode(spec),
            direction=direction(spec),
            is_training=True,
            time_major=not spec.batch_first,
        )
        count = spec.num_layers * spec.num_directions
        parts = [tf.unstack(part, count, axis=time) for part in ((h_n, c_n) if c else (h_n,))]
        y.set_shape((*x.shape[:2], spec.output_size))
        return y, list(zip(*parts, strict=True))

    def step(self, spec: Spec, cells: Cells, x: Any, rows: Rows) -> tuple[Any, Rows]:
        time = 1 if spec.batch_first else 0
        y, final = self.run(spec, cells, tf.expand_dims(x, time), None, rows)
        return tf.squeeze(y, time), final

    def called(self, spec: Spec, batch: int) -> str:
        return f"CudnnRNNV3, {mode(spec)}, {direction(spec)}"


def mode(spec: Spec) -> str:
    """Return cuDNN's name of a cell.

    Args:
        spec: The network.

    Returns:
        The value of ``rnn_mode``.
    """
    return f"rnn_{spec.activation}" if spec.cell == "vanilla" else spec.cell


def direction(spec: Spec) -> str:
    """Return TensorFlow's name of a direction.

    Args:
        spec: The network.

    Returns:
        "unidirectional" or "bidirectional".
    """
    return "bidirectional" if spec.direction == "bidirectional" else "unidirectional"


def flat(cells: Sequence[Sequence[Any]]) -> Any:
    """Return all weights as one vector in cuDNN's order: all matrices, then all biases.

    Args:
        cells: The weights, by layer and direction.

    Returns:
        The vector.
    """
    blocks = [cell.weights for layer in cells for cell in layer]
    matrices = [tf.reshape(part, [-1]) for w in blocks for part in (w.kernel, w.recurrent)]
    return tf.concat([*matrices, *(b for w in blocks for b in (w.bias, w.recurrent_bias))], axis=0)

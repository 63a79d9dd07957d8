"""``tf.while_loop`` over the steps, one loop a layer and direction."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from backends.tensorflow.unrolling import Cells, Rows
from backends.tensorflow.unrolling.deferred import hoists, over_time
from backends.tensorflow.unrolling.unrolled import Unrolled, zeros
from reference import Spec
from reference.rnn import REVERSED


class While(Unrolled):
    """Cells in tensor maths, in a loop with custom gradients (``deferred.py``).

    Sizes are known when the graph is made, as XLA requires. x is 0 in the padding from the start, as in ``Unrolled``.
    """

    fixed_steps = False

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any, start: Rows | None
    ) -> tuple[Any, Rows]:
        xs = _turned(spec, x)
        valid = None
        if lengths is not None:
            valid = (tf.range(xs.shape[0])[:, None] < lengths)[..., None]
            xs = tf.where(valid, xs, tf.zeros_like(xs))
        if start is None:
            start = zeros(spec, xs.shape[1], x.dtype)
        finals: list[Any] = []
        for layer in cells:
            outputs = []
            for cell, reverse in zip(layer, REVERSED[spec.direction], strict=True):
                ys, final = over_time(cell, xs, valid, start[len(finals)], reverse=reverse)
                outputs.append(ys)
                finals.append(final)
            xs = tf.concat(outputs, axis=-1)
        return _turned(spec, xs), finals

    def called(self, spec: Spec, batch: int) -> str:
        sizes = [spec.layer_input_size(layer) for layer in range(spec.num_layers)]
        width = spec.num_gates * spec.hidden_size
        hoisted = [k for k, size in enumerate(sizes) if hoists(batch, size, width)]
        which = "" if len(hoisted) == len(sizes) else f" of layers {hoisted}"
        before = f", x W{which} before it" if hoisted else ""
        return f"{spec.cell} cell of tf.matmul in tf.while_loop{before}, under tf.custom_gradient"


def _turned(spec: Spec, x: Any) -> Any:
    """Swap batch and time, unless time is first already."""
    return tf.transpose(x, (1, 0, 2)) if spec.batch_first else x

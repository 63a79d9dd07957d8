"""One time step: TensorFlow 1's own cells, and the same equations in tensor maths.

A cell is built before it is called, has ``variables``, and takes an input ``(B, I)`` and a state to
an output ``(B, H)`` and the next state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tf_keras.src.layers.rnn import legacy_cells

from backends.layouts import Block
from reference import Spec

ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu}


def legacy_class(spec: Spec) -> Any:
    """A single LSTM layer is a ``BasicLSTMCell``, a stack is made of ``LSTMCell``."""
    lstm = legacy_cells.BasicLSTMCell if spec.num_layers == 1 else legacy_cells.LSTMCell
    return {"vanilla": legacy_cells.BasicRNNCell, "gru": legacy_cells.GRUCell, "lstm": lstm}[
        spec.cell
    ]


def legacy(spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
    """TensorFlow 1's cell, its variables in ``scope``."""
    options: dict[str, Any] = {}
    if spec.cell == "vanilla":
        options["activation"] = ACTIVATIONS[spec.activation]
    if spec.cell == "lstm":
        options["forget_bias"] = spec.forget_bias
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is deprecated and will be removed", UserWarning)
        cell = legacy_class(spec)(spec.hidden_size, dtype=dtype, **options)
    with tf.compat.v1.variable_scope(scope):
        cell.build((None, input_size))
    return cell


class Written:
    """A cell in tensor maths: x W + h U + b for all gates at once. Its state is (h,), or (h, c)."""

    def __init__(self, spec: Spec, dtype: str, input_size: int) -> None:
        def variable(*shape: int) -> Any:
            return tf.Variable(tf.zeros(shape, dtype))

        width = spec.num_gates * spec.hidden_size
        self.spec = spec
        self.weights = Block(
            variable(input_size, width),
            variable(spec.hidden_size, width),
            variable(width) if spec.bias else None,
            variable(width) if spec.bias and spec.cell == "gru" else None,
        )

    @property
    def variables(self) -> list[Any]:
        return [v for v in self.weights if v is not None]

    def __call__(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        state = STEP[self.spec.cell](self.spec, self.weights, x, *state)
        return state[0], state


def _affine(v: Any, W: Any, b: Any) -> Any:
    return tf.matmul(v, W) if b is None else tf.matmul(v, W) + b


def vanilla(spec: Spec, w: Block, x: Any, h: Any) -> tuple[Any, ...]:
    """h' = act(x W + h U + b)."""
    return (ACTIVATIONS[spec.activation](_affine(x, w.kernel, w.bias) + tf.matmul(h, w.recurrent)),)


def gru(spec: Spec, w: Block, x: Any, h: Any) -> tuple[Any, ...]:
    """h' = (1 − z) n + z h, the reset gate applied after or before the recurrent product."""
    x_r, x_z, x_n = tf.split(_affine(x, w.kernel, w.bias), 3, axis=-1)
    if spec.reset == "after":
        h_r, h_z, h_n = tf.split(_affine(h, w.recurrent, w.recurrent_bias), 3, axis=-1)
        r, z = tf.sigmoid(x_r + h_r), tf.sigmoid(x_z + h_z)
        n = tf.tanh(x_n + r * h_n)
    else:
        assert w.recurrent is not None
        cut, b = 2 * spec.hidden_size, w.recurrent_bias
        b_rz, b_n = (None, None) if b is None else (b[:cut], b[cut:])
        h_r, h_z = tf.split(_affine(h, w.recurrent[:, :cut], b_rz), 2, axis=-1)
        r, z = tf.sigmoid(x_r + h_r), tf.sigmoid(x_z + h_z)
        n = tf.tanh(x_n + _affine(r * h, w.recurrent[:, cut:], b_n))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, w: Block, x: Any, h: Any, c: Any) -> tuple[Any, ...]:
    """c' = σ(f + forget bias) c + σ(i) tanh(g);  h' = σ(o) tanh(c')."""
    a = _affine(x, w.kernel, w.bias) + tf.matmul(h, w.recurrent)
    i, f, g, o = tf.split(a, 4, axis=-1)
    c = tf.sigmoid(f + spec.forget_bias) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


STEP: dict[str, Callable[..., tuple[Any, ...]]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}

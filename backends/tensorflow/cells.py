"""One time step: TensorFlow 1's cells, and the same equations in tensor maths.

A cell is built before it is called, and has ``variables``. It takes an input ``(B, I)`` and a state, and returns
an output ``(B, H)`` and the next state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf
from tf_keras.src.layers.rnn import legacy_cells

from backends.layouts import Block
from reference import Spec

ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu}


def legacy_class(spec: Spec) -> Any:
    """Return the class of TensorFlow 1's cell.

    Args:
        spec: The network; one LSTM layer is a ``BasicLSTMCell``, a stack has ``LSTMCell``.

    Returns:
        The class.
    """
    lstm = legacy_cells.BasicLSTMCell if spec.num_layers == 1 else legacy_cells.LSTMCell
    return {"vanilla": legacy_cells.BasicRNNCell, "gru": legacy_cells.GRUCell, "lstm": lstm}[
        spec.cell
    ]


def legacy(spec: Spec, dtype: str, input_size: int, scope: str) -> Any:
    """Return TensorFlow 1's cell, built.

    Args:
        spec: The network.
        dtype: The dtype of the variables.
        input_size: The width of the input.
        scope: The scope of the variables.

    Returns:
        The cell.
    """
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
    """A cell in tensor maths: x W + h U + b for all gates at once.

    Its state is (h,), or (h, c) for an LSTM.

    Args:
        spec: The network.
        dtype: The dtype of the variables.
        input_size: The width of the input.
    """

    def __init__(self, spec: Spec, dtype: str, input_size: int) -> None:
        def variable(*shape: int) -> Any:
            return tf.Variable(tf.zeros(shape, dtype))

        width = spec.num_gates * spec.hidden_size
        self.spec = spec
        self.weights = Block(
            kernel=variable(input_size, width),
            recurrent=variable(spec.state_size("h"), width),
            bias=variable(width) if spec.bias else None,
            recurrent_bias=variable(width) if spec.bias and spec.cell == "gru" else None,
        )

    @property
    def variables(self) -> list[Any]:
        return [v for v in self.weights if v is not None]

    def __call__(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        w = self.weights
        side = affine(x, w.kernel, w.bias)
        state = STEP[self.spec.cell](self.spec, side, partial(by_recurrent, w), *state)
        return state[0], state


Side = Callable[..., Any]
"""The recurrent side of a step, as a function of ``v (B, H)`` and, optionally, of columns."""


def affine(v: Any, W: Any, b: Any) -> Any:
    """Return v W + b; all steps of a sequence are the rows of one matmul.

    Args:
        v: Rows (B, in), or a sequence (T, B, in).
        W: Weights (in, out).
        b: The bias (out,), or None.

    Returns:
        The result (..., out).
    """
    a = tf.matmul(v, W) if v.shape.rank == 2 else tf.tensordot(v, W, 1)
    return a if b is None else a + b


def by_recurrent(w: Block, v: Any, columns: slice = slice(None)) -> Any:
    """Return the recurrent side of a step, v U + b.

    Args:
        w: The cell's weights.
        v: Rows (B, H).
        columns: The columns of U and b to use.

    Returns:
        The result (B, columns).
    """
    assert w.recurrent is not None
    b = w.recurrent_bias
    return affine(v, w.recurrent[:, columns], None if b is None else b[columns])


def vanilla(spec: Spec, x: Any, by_h: Side, h: Any) -> tuple[Any, ...]:
    """h' = act(x W + h U + b).

    Args:
        spec: The network.
        x: The input side, x W + b (B, H).
        by_h: The recurrent side, as a function of h.
        h: The state (B, H).

    Returns:
        (h',).
    """
    return (ACTIVATIONS[spec.activation](x + by_h(h)),)


def gru(spec: Spec, x: Any, by_h: Side, h: Any) -> tuple[Any, ...]:
    """h' = (1 − z) n + z h; the reset gate is applied after or before the recurrent matmul.

    Args:
        spec: The network, whose ``reset`` says when.
        x: The input side, x W + b (B, 3H), with gates r, z, n.
        by_h: The recurrent side, as a function of h.
        h: The state (B, H).

    Returns:
        (h',).
    """
    x_r, x_z, x_n = tf.split(x, 3, axis=-1)
    if spec.reset == "after":
        h_r, h_z, h_n = tf.split(by_h(h), 3, axis=-1)
        r, z = tf.sigmoid(x_r + h_r), tf.sigmoid(x_z + h_z)
        n = tf.tanh(x_n + r * h_n)
    else:
        cut = 2 * spec.hidden_size
        h_r, h_z = tf.split(by_h(h, slice(cut)), 2, axis=-1)
        r, z = tf.sigmoid(x_r + h_r), tf.sigmoid(x_z + h_z)
        n = tf.tanh(x_n + by_h(r * h, slice(cut, None)))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, x: Any, by_h: Side, h: Any, c: Any) -> tuple[Any, ...]:
    """c' = σ(f + forget bias) c + σ(i) tanh(g);  h' = σ(o) tanh(c').

    Args:
        spec: The network.
        x: The input side, x W + b (B, 4H), with gates i, f, g, o.
        by_h: The recurrent side, as a function of h.
        h: The state (B, H).
        c: The cell's state (B, H).

    Returns:
        (h', c').
    """
    i, f, g, o = tf.split(x + by_h(h), 4, axis=-1)
    c = tf.sigmoid(f + spec.forget_bias) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


STEP: dict[str, Callable[..., tuple[Any, ...]]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}

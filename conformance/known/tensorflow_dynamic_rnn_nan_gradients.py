"""NaN in the padding reaches the gradients of dynamic_rnn and static_rnn, in spite of the lengths.

So does padding that is finite, where the cell overflows on it.

Outputs and states past a row's length are chosen away with tf.where, so they are right. But the
cell has run on the padding of every row that ended before the others, and the gradient of what
tf.where did not choose is 0, which the cell's gradient multiplies by NaN, or by infinity.

Prints the gradients; exits with 0 where the NaN is there, with 1 where it no longer is.
Needs tensorflow and numpy.
"""

import sys

import numpy as np
import tensorflow as tf

nn = tf.compat.v1.nn
PADDING = (np.nan, 1e308)
LENGTHS = np.array([2, 1], np.int32)  # 2 rows, 2 steps: the second row has 1


class Cell:
    """h' = relu(v relu(w x) + u h)."""

    output_size = state_size = 1

    def __init__(self):
        self.w, self.v, self.u = (
            tf.Variable([[value]], dtype=tf.float64) for value in (10.0, 0.1, 0.2)
        )

    def zero_state(self, batch_size, dtype):
        return tf.zeros((batch_size, 1), dtype)

    def __call__(self, x, h):
        inner = tf.nn.relu(tf.matmul(x, self.w))
        h = tf.nn.relu(tf.matmul(inner, self.v) + tf.matmul(h, self.u))
        return h, h


def dynamic(cell, x):
    """Outputs and final state of a while loop."""
    return nn.dynamic_rnn(cell, x, LENGTHS, dtype=x.dtype)


def static(cell, x):
    """Outputs and final state of one copy of the cell for every step."""
    outputs, state = nn.static_rnn(cell, tf.unstack(x, axis=1), None, x.dtype, LENGTHS)
    return tf.stack(outputs, axis=1), state


def gradients(run, padding):
    """The outputs, and the gradients of their sum by x and by the weights."""
    x = np.array([[[1.0], [2.0]], [[3.0], [padding]]])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        cell, x = Cell(), tf.constant(x)
        y, _ = run(cell, x)
        d = tf.gradients(tf.reduce_sum(y), [x, cell.w, cell.v, cell.u])
        session.run(tf.compat.v1.global_variables_initializer())
        return session.run([y, *d])


leaks = []
for run in (dynamic, static):
    _, *expected = gradients(run, 0.0)
    for padding in PADDING:
        y, *found = gradients(run, padding)
        print(f"{run.__name__}_rnn, TensorFlow {tf.__version__}; padding {padding}, in brackets 0")
        print(f"  y      {y.ravel()}")
        for name, d, e in zip(("dx", "dw", "dv", "du"), found, expected, strict=True):
            print(f"  {name}     {d.ravel()}  ({e.ravel()})")
        leaks.append(any(np.isnan(d).any() for d in found) and np.isfinite(y).all())

sys.exit(0 if all(leaks) else 1)

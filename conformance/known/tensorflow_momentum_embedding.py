"""TensorFlow 1's MomentumOptimizer forgets rows of an embedding that a batch does not use.

v ← momentum · v + g moves every parameter at every step, also where g = 0. The gradient of
tf.nn.embedding_lookup comes as IndexedSlices, and of those MomentumOptimizer updates the rows that are
in them, and no other: v of the others is not even multiplied by the momentum.

Prints row 0 of a table after two steps, of which the second uses row 1 alone; exits with 0 where it
stood still in the second step, with 1 where it no longer does. Needs tensorflow and numpy.
"""

import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def row_after(steps: int, *, dense: bool) -> float:
    """Row 0 of the table after ``steps`` steps."""
    with tf.Graph().as_default(), v1.Session() as session:
        table = tf.Variable(np.zeros((2, 1)))
        word = v1.placeholder(tf.int32, ())
        loss = tf.reduce_sum(tf.nn.embedding_lookup(table, word))
        (gradient,) = tf.gradients(loss, [table])
        if dense:
            gradient = tf.convert_to_tensor(gradient)
        update = v1.train.MomentumOptimizer(1.0, 0.5).apply_gradients([(gradient, table)])
        session.run(v1.global_variables_initializer())
        for k in range(steps):
            session.run(update, {word: k})
        return float(session.run(table)[0, 0])


first = row_after(1, dense=False)
sparse, dense = row_after(2, dense=False), row_after(2, dense=True)
print(
    f"TensorFlow {tf.__version__}: row 0 is {first} after step 1; after step 2 it is {sparse} with"
)
print(f"the gradient as it comes, and {dense} with the same gradient as a dense tensor")
sys.exit(sparse != first)

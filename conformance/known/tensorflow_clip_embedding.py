"""The norm of tf.clip_by_global_norm is not that of an embedding's gradient.

A look-up's gradient is an IndexedSlices with one row for every time that a word was read.
tf.linalg.global_norm squares those rows as they are; but the gradient by a word's embedding is the
sum over the times that it was read, and the square of a sum is not the sum of the squares. So
clipping, and with it every update, depends on whether the same gradient is sparse or dense.

Prints both norms and both clipped gradients; exits with 0 where they differ, with 1 where not.
Needs tensorflow and numpy.
"""

import sys

import numpy as np
import tensorflow as tf

with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    table = tf.Variable(np.ones((3, 2)))
    embedded = tf.nn.embedding_lookup(table, [1, 1, 1, 2])  # word 1 three times
    (sparse,) = tf.gradients(tf.reduce_sum(embedded), [table])
    dense = tf.math.unsorted_segment_sum(sparse.values, sparse.indices, 3)
    clipped, norm = {}, {}
    for name, g in (("sparse", sparse), ("dense", dense)):
        (c,), n = tf.clip_by_global_norm([g], 1.0)
        c = tf.math.unsorted_segment_sum(c.values, c.indices, 3) if name == "sparse" else c
        session.run(tf.compat.v1.global_variables_initializer())
        clipped[name], norm[name] = session.run([c, n])

print(
    f"TensorFlow {tf.__version__}; gradient by the table, all of whose norm is √(2·3² + 2·1²) = √20"
)
for name, size in norm.items():
    print(f"  {name:6}  norm {size:.6f}, clipped to 1: {clipped[name].tolist()}")
sys.exit(0 if abs(norm["sparse"] - norm["dense"]) > 0.1 else 1)

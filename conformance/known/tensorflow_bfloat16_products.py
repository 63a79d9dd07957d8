"""On a CPU, tf.matmul of bfloat16 cuts its results off where it should round them to the nearest.

The product is made in float32, whose lower 16 bits are then left out. An error is up to a whole unit in
the last place and always towards 0, where rounding is off by half of one at most, and on average by none;
so in a recurrent network all errors go the same way, and add up. `tf.cast` to bfloat16 rounds, and so
does a product that XLA compiles. CPUs with products in bfloat16 (AVX512_BF16, AMX) use other kernels.

Prints the errors in units in the last place; exits with 0 where they are one-sided, with 1 where they
no longer are. Needs tensorflow and numpy.
"""

import sys

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
A, B = (tf.cast(rng.uniform(0.1, 1, (64, 64)), tf.bfloat16) for _ in range(2))
EXACT = A.numpy().astype(np.float64) @ B.numpy().astype(np.float64)
UNIT = 2.0 ** (np.floor(np.log2(EXACT)) - 7)  # bfloat16 has 8 digits


def errors(result):
    """Return the errors of a product, in units in the last place."""
    return (result.numpy().astype(np.float64) - EXACT) / UNIT


ways = {
    "tf.matmul of bfloat16": tf.matmul(A, B),
    "the same, compiled by XLA": tf.function(tf.matmul, jit_compile=True)(A, B),
    "of float32, then tf.cast": tf.cast(
        tf.matmul(tf.cast(A, tf.float32), tf.cast(B, tf.float32)), tf.bfloat16
    ),
}
print(f"TensorFlow {tf.__version__}; error / unit in the last place")
for name, result in ways.items():
    e = errors(result)
    print(f"  {name:27} mean {e.mean():+.3f}, from {e.min():+.2f} to {e.max():+.2f}")

one_sided = errors(ways["tf.matmul of bfloat16"])
sys.exit(0 if one_sided.max() < 0.01 and one_sided.mean() < -0.4 else 1)

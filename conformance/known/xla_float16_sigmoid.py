"""XLA on a CPU: the logistic function of a float16 below −11.09 is 0, where float16 has numbers for it.

``jax.nn.sigmoid(jnp.float16(-12))`` is 0; the nearest float16 to 1 / (1 + e¹²) is 6.14e-6, a hundred times
the smallest number above 0. It is computed as 1 / (1 + e⁻ᵃ) in float16, where e⁻ᵃ overflows from 11.09 on.
So a gate that is nearly closed is closed, and its gradients are 0. TensorFlow does the same under
``jit_compile=True``, and does not without it.

Prints both beside the nearest float16; exits with 0 where they differ, with 1 where they no longer do.
Needs numpy, and jax or tensorflow.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

found: dict[str, Callable] = {}
if find_spec("jax"):
    import jax

    found[f"JAX {jax.__version__}"] = lambda a: jax.nn.sigmoid(jax.numpy.asarray(a))
if find_spec("tensorflow"):
    import tensorflow as tf

    xla = tf.function(tf.sigmoid, jit_compile=True)
    found[f"TensorFlow {tf.__version__}, XLA"] = lambda a: xla(tf.constant(a))

a = np.array([-9, -11, -11.125, -12, -14, -16], np.float16)
nearest = (1 / (1 + np.exp(-a.astype(float)))).astype(np.float16)
differ = False
print("a          ", a)
print("nearest    ", nearest)
for name, sigmoid in found.items():
    values = np.asarray(sigmoid(a))
    print(name, values)
    differ |= bool((np.abs(values - nearest) > 1e-6).any())
sys.exit(0 if differ else 1)

"""Words of a script for each framework and each listed backend."""

from __future__ import annotations

from typing import NamedTuple


class Framework(NamedTuple):
    """One framework's name in prose, its version as an expression, and what a script needs of it."""

    title: str
    version: str
    needs: str
    modules: tuple[str, ...] = ()
    """Modules of the standard library that ``before`` needs."""
    before: str = ""
    """A line of a script that runs before the framework is imported."""


FRAMEWORKS: dict[str, Framework] = {
    "tensorflow": Framework(
        "TensorFlow",
        "tf.__version__",
        "tensorflow and tf-keras",
        ("os",),
        'os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")',
    ),
    "pytorch": Framework("PyTorch", "torch.__version__", "torch"),
    "jax": Framework("JAX", "jax.__version__", "jax and optax"),
}
"""By the extra that installs them."""


WAYS: dict[str, str] = {
    "tensorflow_dynamic_rnn": "dynamic_rnn in a graph and a Session",
    "tensorflow_dynamic_rnn_function": "dynamic_rnn in a tf.function",
    "tensorflow_dynamic_rnn_xla": "dynamic_rnn in a tf.function compiled by XLA",
    "tensorflow_static_rnn": "static_rnn in a graph and a Session",
    "tensorflow_unrolled": "cells of tf.matmul, step by step, in a graph and a Session",
    "tensorflow_while": "cells of tf.matmul in a tf.while_loop with gradients of its own, in a tf.function compiled by XLA",
    "tensorflow_cudnn": "CudnnRNNV3 in a tf.function",
    "pytorch": "the fused modules of torch.nn",
    "pytorch_cells": "the cells of torch.nn, step by step",
    "pytorch_native": "the fused modules of torch.nn by PyTorch's own kernels",
    "jax_scan": "lax.scan under jax.jit",
    "jax_vjp": "lax.scan with a custom_vjp under jax.jit",
    "jax_cudnn": "jax.experimental.rnn.lstm under jax.jit",
}
"""How each backend runs a network, in prose."""

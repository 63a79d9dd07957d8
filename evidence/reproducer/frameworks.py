"""What a script has to know of each backend in the list: whose call it makes, and how it is run."""

from __future__ import annotations

from typing import NamedTuple


class Framework(NamedTuple):
    """One framework's name in prose, its version as an expression, and what a script needs of it."""

    title: str
    version: str
    needs: str


FRAMEWORKS: dict[str, Framework] = {
    "tensorflow": Framework("TensorFlow", "tf.__version__", "tensorflow and tf-keras"),
    "pytorch": Framework("PyTorch", "torch.__version__", "torch"),
    "jax": Framework("JAX", "jax.__version__", "jax and optax"),
}
"""By the extra that installs them."""


class Way(NamedTuple):
    """How a backend runs a network: the calls in prose, and the choices of its template."""

    calls: str
    unrolling: str = ""
    execution: str = ""

    @property
    def written(self) -> bool:
        """Whether its cells are in tensor maths, and not TensorFlow 1's own."""
        return self.unrolling in ("unrolled", "while", "cudnn")


WAYS: dict[str, Way] = {
    "tensorflow_dynamic_rnn": Way("dynamic_rnn in a graph and a Session", "dynamic", "session"),
    "tensorflow_dynamic_rnn_function": Way("dynamic_rnn in a tf.function", "dynamic", "function"),
    "tensorflow_dynamic_rnn_xla": Way(
        "dynamic_rnn in a tf.function compiled by XLA", "dynamic", "xla"
    ),
    "tensorflow_static_rnn": Way("static_rnn in a graph and a Session", "static", "session"),
    "tensorflow_unrolled": Way(
        "cells of tf.matmul, step by step, in a graph and a Session", "unrolled", "session"
    ),
    "tensorflow_while": Way(
        "cells of tf.matmul in a tf.while_loop with gradients of its own, in a tf.function compiled by XLA",
        "while",
        "xla",
    ),
    "tensorflow_cudnn": Way("CudnnRNNV3 in a tf.function", "cudnn", "function"),
    "pytorch": Way("the fused modules of torch.nn", "fused"),
    "pytorch_cells": Way("the cells of torch.nn, step by step", "cells"),
    "pytorch_native": Way(
        "the fused modules of torch.nn by PyTorch's own kernels", "fused", "native"
    ),
    "jax_scan": Way("lax.scan under jax.jit"),
    "jax_vjp": Way("lax.scan with a custom_vjp under jax.jit", "deferred"),
    "jax_cudnn": Way("jax.experimental.rnn.lstm under jax.jit", "cudnn"),
}
"""By backend."""

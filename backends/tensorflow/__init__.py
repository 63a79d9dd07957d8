"""TensorFlow: how a recurrent network is unrolled over time, and how the graph is executed.

                                 Session           tf.function       with XLA
    dynamic_rnn                  DynamicSession    DynamicFunction   DynamicXla
    static_rnn                   StaticSession
    tensor maths, step by step   UnrolledSession
    tensor maths, tf.while_loop                                      WhileXla
    CudnnRNNV3                                      CudnnFunction

The two choices know nothing of each other: ``unrolling.py``, ``unrolled.py``, ``while_loop.py`` and ``cudnn.py``
are the one, ``execution.py`` the other. Whole networks (``layers.py``) and training (``training.py``) take
both.
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "3"
)  # its start-up notices tell of GPUs that nobody asked for

import tensorflow as tf

from backends.adapter import DeviceNotFound
from backends.dialects import (
    TENSORFLOW_CUDNN,
    TENSORFLOW_LEGACY,
    TENSORFLOW_UNROLLED,
    TENSORFLOW_WHILE,
    TENSORFLOW_XLA,
)
from backends.tensorflow.backend import TensorFlow
from backends.tensorflow.cudnn import Cudnn
from backends.tensorflow.execution import Function, Session
from backends.tensorflow.unrolled import Unrolled
from backends.tensorflow.unrolling import Dynamic, Static
from backends.tensorflow.while_loop import While

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # "deprecated", once per cell


class DynamicSession(TensorFlow):
    """``dynamic_rnn`` as TensorFlow 1 ran it."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Dynamic()
    execution = Session()


class DynamicFunction(TensorFlow):
    """The same calls inside a ``tf.function``."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Dynamic()
    execution = Function(jit_compile=False)


class DynamicXla(TensorFlow):
    """The same ``tf.function``, compiled by XLA."""

    dialect = TENSORFLOW_XLA
    unrolling = Dynamic()
    execution = Function(jit_compile=True)


class StaticSession(TensorFlow):
    """``static_rnn``: one copy of the cell for every step."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Static()
    execution = Session()


class UnrolledSession(TensorFlow):
    """Cells written in tensor maths, step by step."""

    dialect = TENSORFLOW_UNROLLED
    unrolling = Unrolled()
    execution = Session()


class WhileXla(TensorFlow):
    """The same cells in a loop of the graph, compiled by XLA, with gradients made for it."""

    dialect = TENSORFLOW_WHILE
    unrolling = While()
    execution = Function(jit_compile=True)


class CudnnFunction(TensorFlow):
    """cuDNN's kernels inside a ``tf.function``."""

    dialect = TENSORFLOW_CUDNN
    unrolling = Cudnn()
    execution = Function(jit_compile=False)

    def __init__(self, device: str) -> None:
        super().__init__(device)
        if self.kind != "cuda":
            raise DeviceNotFound(f"device {device!r}: CudnnRNNV3 needs cuda")

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

import os

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "3"
)  # its start-up notices tell of GPUs that nobody asked for

from backends.tensorflow.adapter import (
    CudnnFunction,
    DynamicFunction,
    DynamicSession,
    DynamicXla,
    StaticSession,
    UnrolledSession,
    WhileXla,
)

__all__ = [
    "CudnnFunction",
    "DynamicFunction",
    "DynamicSession",
    "DynamicXla",
    "StaticSession",
    "UnrolledSession",
    "WhileXla",
]

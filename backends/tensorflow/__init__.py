"""TensorFlow: how a recurrent network is unrolled over time, and how the graph is executed.

                                 Session           tf.function       with XLA
    dynamic_rnn                  DynamicSession    DynamicFunction   DynamicXla
    static_rnn                   StaticSession
    tensor maths, step by step   UnrolledSession
    tensor maths, tf.while_loop                                      WhileXla
    CudnnRNNV3                                     CudnnFunction

The two choices are independent: the modules of ``unrolling`` unroll, ``execution.py`` executes. Whole networks
(``network.py``) and training (``training.py``) take both.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no start-up notices about GPUs

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

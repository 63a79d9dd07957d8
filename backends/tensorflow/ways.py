"""How each TensorFlow backend unrolls a network over time, and how it executes the graph."""

from __future__ import annotations

from backends.tensorflow.execution import Execution, Function, Session
from backends.tensorflow.unrolling import Dynamic, Static, Unrolling
from backends.tensorflow.unrolling.cudnn import Cudnn
from backends.tensorflow.unrolling.unrolled import Unrolled
from backends.tensorflow.unrolling.while_loop import While

UNROLLINGS: dict[str, Unrolling] = {
    "tensorflow_dynamic_rnn": Dynamic(),
    "tensorflow_dynamic_rnn_function": Dynamic(),
    "tensorflow_dynamic_rnn_xla": Dynamic(),
    "tensorflow_static_rnn": Static(),
    "tensorflow_unrolled": Unrolled(),
    "tensorflow_while": While(),
    "tensorflow_cudnn": Cudnn(),
}
"""The unrolling of each backend."""

EXECUTIONS: dict[str, Execution] = {
    "tensorflow_dynamic_rnn": Session(),
    "tensorflow_dynamic_rnn_function": Function(jit_compile=False),
    "tensorflow_dynamic_rnn_xla": Function(jit_compile=True),
    "tensorflow_static_rnn": Session(),
    "tensorflow_unrolled": Session(),
    "tensorflow_while": Function(jit_compile=True),
    "tensorflow_cudnn": Function(jit_compile=False),
}
"""The execution of each backend."""

"""One case as a script runs it: device and precision, without an adapter."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import tensorflow as tf

from backends.adapter import AnyInputs, Inputs, NetworkInputs, Result, TrainingInputs
from backends.dialects import Dialect
from backends.tensorflow import network, recurrent, training
from backends.tensorflow.device import Place, set_precision
from backends.tensorflow.execution import Compiled, Execution, Feeds, Function, Program, Session
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


def standalone(inputs: AnyInputs, dialect: Dialect, backend: str, device: str) -> Result:
    """Run a case once.

    Args:
        inputs: The case's inputs.
        dialect: The backend's dialect.
        backend: Its name in ``backends.BACKENDS``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The tensors that the adapter returns.
    """
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # "deprecated", once per cell
    set_precision(inputs.precision)
    unrolling, execution, name = (
        UNROLLINGS[backend],
        EXECUTIONS[backend],
        device.replace("cuda", "gpu"),
    )

    def compiled(_: Hashable, build: Callable[[], Program], feeds: Feeds) -> Compiled:
        return execution.compile(build, feeds, name, fixed=unrolling.fixed_steps)

    place = Place(name, dialect, unrolling, execution, compiled)
    match inputs:
        case Inputs():
            return recurrent.fetch(inputs, recurrent.load(inputs, place)(), place)
        case NetworkInputs():
            return network.run(inputs, place)
        case TrainingInputs():
            return training.train(inputs, place)

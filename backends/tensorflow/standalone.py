"""One case as a script runs it: device and precision, without an adapter."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import tensorflow as tf

from backends.adapter import AnyInputs, Inputs, NetworkInputs, Result, TrainingInputs
from backends.dialects import Dialect
from backends.tensorflow import network, recurrent, training
from backends.tensorflow.device import Place, set_precision
from backends.tensorflow.execution import Compiled, Feeds, Program
from backends.tensorflow.ways import EXECUTIONS, UNROLLINGS


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
    unrolling, execution = UNROLLINGS[backend], EXECUTIONS[backend]
    name = device.replace("cuda", "gpu")

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

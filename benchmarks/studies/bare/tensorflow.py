"""TensorFlow: a run of the session, or a tf.function whose results are read as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from backends import Inputs
from backends.tensorflow.execution import Session, any_size
from backends.tensorflow.recurrent import bare


def call(backend: Any, inputs: Inputs) -> Callable[[], Any]:
    """Return a call of the framework's own LSTM.

    Args:
        backend: the adapter whose overhead is timed; it tells how the framework is called.
        inputs: an LSTM with one layer; with incoming gradients, the call also computes gradients.

    Returns:
        The call.
    """
    x, h0, c0 = (np.float32(a) for a in (inputs.x, inputs.h0, inputs.c0))
    feeds: dict[str, Any] = {"x": x, "h0": h0, "c0": c0}
    if inputs.incoming is not None:
        for name, d in inputs.incoming._asdict().items():
            feeds[f"d{name}"] = np.float32(d)
    arguments = (backend.recurrence, inputs.spec, inputs.params, inputs.dtype)
    if isinstance(backend.execution, Session):
        with tf.Graph().as_default() as graph:
            fixed = (
                backend.unrolling.fixed_steps
            )  # otherwise one graph serves all batch sizes and lengths
            places = {n: tf.compat.v1.placeholder(a.dtype, a.shape if fixed else any_size(a))
                      for n, a in feeds.items()}  # fmt: skip
            program = bare(*arguments)
            fetched = program.call(places)
            start = tf.compat.v1.variables_initializer(program.variables)
        session = tf.compat.v1.Session(graph=graph)
        session.run(start)
        fed = {places[name]: a for name, a in feeds.items()}
        return lambda: session.run(fetched, fed)
    program = bare(*arguments)
    function = tf.function(program.call, autograph=False, jit_compile=backend.execution.jit_compile)
    arrays = {name: tf.constant(a) for name, a in feeds.items()}

    def run() -> Any:
        found = function(arrays)
        return [t.numpy() for t in tf.nest.flatten(found)]

    return run

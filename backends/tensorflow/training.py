"""One step of training: loss, gradients, clipping, update."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from backends.adapter import Result, TrainingInputs
from backends.layouts import values as trained_values
from backends.tensorflow.device import Place, feed, result
from backends.tensorflow.execution import Feeds, Program
from backends.tensorflow.network import Built, parts_of
from backends.tensorflow.optimisers import Keras, TensorFlow1
from backends.tensorflow.parameters import canonical, values
from backends.tensorflow.recurrent import Recurrence
from reference.trees import named


def program(
    recurrence: Recurrence, inputs: TrainingInputs, kind: type[TensorFlow1 | Keras]
) -> Program:
    """Return the program of one training step.

    A look-up's gradient reaches clipping and optimiser as ``tf.gradients`` returns it, sparse.

    Args:
        recurrence: Makes and runs recurrent networks.
        inputs: The network, its arrays and the optimiser.
        kind: The class of the execution's optimisers.

    Returns:
        The program, whose call returns a batch's loss and then updates the parameters.
    """
    built = Built(recurrence, inputs.network, inputs.params, inputs.dtype)
    optimiser = kind(inputs.optimiser, built.trained)

    def call(feeds: Feeds) -> dict[str, Any]:
        _, loss = built.forward(feeds)
        found = tf.gradients(loss, built.trained)
        if inputs.clip:
            found, _ = tf.clip_by_global_norm(found, inputs.clip.most)
        with tf.control_dependencies(optimiser.apply(found)):
            return {"loss": tf.identity(loss)}

    return Program(built.variables, call, optimiser.slots)


def train(inputs: TrainingInputs, place: Place) -> Result:
    """Train for as many steps as there are batches.

    Args:
        inputs: The network, its arrays and the optimiser.
        place: Device, dialect, unrolling, execution and compiler.

    Returns:
        The losses, and the parameters after the last step except those that stay fixed.
    """
    network, dialect, dtype = inputs.network, place.dialect, inputs.dtype
    parts = parts_of(network, inputs.params)
    batches = [feed(dtype, batch._asdict()) for batch in inputs.batches]
    recurrence = Recurrence(place.unrolling, dialect)
    build = partial(program, recurrence, inputs, place.execution.optimiser)
    key = (network, dtype, inputs.precision, inputs.optimiser, inputs.clip)
    compiled = place.compile(key, build, batches[0])
    compiled.assign(values(dialect, parts, dtype))
    ran = [compiled.run(place.execution.place(feeds, place.device)) for feeds in batches]
    left = compiled.read()
    exact = canonical(dialect, parts, [a.astype(np.float64) for a in left], trained_values)
    kinds = canonical(dialect, parts, left)  # for their dtypes
    losses = {"loss": np.stack([each["loss"] for each in ran])}
    typed = result(losses | named(kinds, "params"))
    ended = {n: a for n, a in named(exact, "params").items() if n not in inputs.fixed}
    return typed._replace(tensors=losses | ended)

"""One step of training: loss, gradients, clipping, update."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from backends.adapter import TrainingInputs
from backends.tensorflow.execution import Feeds, Program
from backends.tensorflow.network import Built
from backends.tensorflow.optimisers import Keras, TensorFlow1
from backends.tensorflow.recurrent import Recurrence


def training(
    recurrence: Recurrence, inputs: TrainingInputs, kind: type[TensorFlow1 | Keras]
) -> Program:
    """The loss of a batch, and the update that follows it.

    A look-up's gradient reaches clipping and optimiser as ``tf.gradients`` returns it, sparse.
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

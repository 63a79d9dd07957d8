"""One step of training: loss, gradients, clipping, update."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from backends.adapter import TrainingInputs, Unsupported
from backends.dialects import Dialect
from backends.tensorflow.execution import Feeds, Program
from backends.tensorflow.layers import Built
from backends.tensorflow.optimisers import Keras, TensorFlow1
from backends.tensorflow.rnn import Recurrence
from reference.networks.optimisers import Adam


def refuse(inputs: TrainingInputs, dialect: Dialect) -> None:
    """Raise ``Unsupported`` for what neither TensorFlow's Adam nor its clipping has."""
    optimiser, clip = inputs.optimiser, inputs.clip
    if isinstance(optimiser, Adam) and optimiser.placement != dialect.adam_epsilon:
        raise Unsupported(
            f"placement: its Adam adds ε {dialect.adam_epsilon}, not {optimiser.placement}"
        )
    if clip and clip.epsilon != dialect.clip_epsilon:
        raise Unsupported(
            f"clip.epsilon: tf.clip_by_global_norm adds {dialect.clip_epsilon} to the norm, not "
            f"{clip.epsilon}"
        )


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

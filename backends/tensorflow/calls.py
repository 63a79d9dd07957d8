"""The calls that run a network, by the names in TensorFlow's documentation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from backends.adapter import AnyInputs, Inputs, TrainingInputs
from backends.tensorflow.execution import Execution
from backends.tensorflow.unrolling import Unrolling
from reference import Spec
from reference.networks.layers import (
    Decoder,
    Dense,
    Embedding,
    MeanSquaredError,
    NegativeLogLikelihood,
    OneHot,
    Readout,
    Recurrent,
)

OPERATIONS: dict[type, str] = {
    OneHot: "tf.one_hot",
    Embedding: "tf.nn.embedding_lookup",
    Readout: "tf.matmul",
    Dense: "tf.matmul",
    NegativeLogLikelihood: "tf.nn.sparse_softmax_cross_entropy_with_logits",
    MeanSquaredError: "tf.math.squared_difference",
}


def calls(inputs: AnyInputs, unrolling: Unrolling, execution: Execution) -> list[str]:
    """Return the operations that run these inputs, and how they are executed.

    Args:
        inputs: The inputs.
        unrolling: Runs cells over time.
        execution: Executes the program.

    Returns:
        Operations in order, each once.
    """
    if isinstance(inputs, Inputs):
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        found = [unrolling.called(inputs.spec, batch)]
    else:
        data = inputs.batches[0] if isinstance(inputs, TrainingInputs) else inputs.data
        called = partial(unrolling.called, batch=len(data.x))
        found = [call for layer in inputs.network for call in _of(layer, called)]
    if not isinstance(inputs, Inputs) or inputs.incoming is not None:
        found += ["tf.gradients"]
    if isinstance(inputs, TrainingInputs):
        kind = execution.optimiser
        found += ["tf.clip_by_global_norm"] if inputs.clip else []
        found += [f"{kind.module}.{kind.classes[type(inputs.optimiser)].__name__}"]
    return [*dict.fromkeys(found), execution.how]


def _of(layer: Any, called: Callable[[Spec], str]) -> list[str]:
    if isinstance(layer, Recurrent):
        return [called(layer.spec)]
    if isinstance(layer, Decoder):
        lookup = [] if layer.words == "none" else ["tf.nn.embedding_lookup"]
        free = layer.words == "free"
        run = "its cells step by step" if free else called(layer.spec)
        return [*lookup, run, "tf.matmul"]
    return [OPERATIONS[type(layer)]] if type(layer) in OPERATIONS else []

"""A case in words, for the head of its script."""

from __future__ import annotations

import numpy as np

from backends import AnyInputs, Inputs, TrainingInputs
from evidence.reproducer.subject import Subject
from reference import Spec

CELLS = {"vanilla": "a vanilla RNN", "gru": "a GRU", "lstm": "an LSTM"}


def described(spec: Spec) -> str:
    """Describe a recurrent network in a few words.

    Args:
        spec: The network.

    Returns:
        A phrase such as "an LSTM (forward)".
    """
    layers = f"{spec.num_layers} layers, " if spec.num_layers > 1 else ""
    options = {
        "vanilla": f", {spec.activation}",
        "gru": f", reset gate {spec.reset} the recurrent product",
        "lstm": f", forget bias {spec.forget_bias}" if spec.forget_bias else "",
    }[spec.cell]
    bias = "" if spec.bias else ", no bias"
    return f"{CELLS[spec.cell]} ({layers}{spec.direction}{options}{bias})"


def sizes(subject: Subject) -> str:
    """Describe batch, steps and widths in words.

    Args:
        subject: The case on its backend.

    Returns:
        A phrase.
    """
    inputs: AnyInputs = subject.inputs
    if isinstance(inputs, Inputs):
        spec = inputs.spec
        batch, steps = inputs.x.shape[:2] if spec.batch_first else inputs.x.shape[1::-1]
        return f"batch {batch}, {steps} steps, {spec.input_size} inputs, {spec.hidden_size} units"
    data = inputs.batches[0] if isinstance(inputs, TrainingInputs) else inputs.data
    return f"x of shape {' × '.join(map(str, np.shape(data.x)))}"

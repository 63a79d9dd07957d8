"""What the templates ask of a case: which options it has, in few words."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from evidence.reproducer.subject import Subject
from reference import GATES, Spec
from reference.networks.layers import Decoder, Dense, NegativeLogLikelihood, Readout

PARTS = {True: ("W_ih", "W_hh", "b_ih", "b_hh"), False: ("W_ih", "W_hh")}
"""The parameters of a layer and direction, with biases and without."""

CELLS = {"vanilla": "a vanilla RNN", "gru": "a GRU", "lstm": "an LSTM"}


def facts(subject: Subject, extra: str) -> dict[str, Any]:
    """The options of a case, by the names under which templates read them."""
    inputs = subject.inputs
    (bias,) = {spec.bias for spec in subject.specs}  # a script has one list of a layer's parameters
    common = {
        "id": subject.id,
        "extra": extra,
        "dtype": subject.dtype,
        "precision": inputs.precision,
        "kind": subject.kind,
        "arithmetic": subject.arithmetic,
        "u_out": subject.u_out,
        "z": subject.z,
        "inlined": subject.inlined,
        "layers": subject.layers,
        "free": any(
            isinstance(of.layer, Decoder) and of.layer.words == "free" for of in subject.layers
        ),
        "used": used(subject),
        "sizes": sizes(subject),
        "parts": PARTS[bias],
        "gates": " and ".join(dict.fromkeys(", ".join(GATES[spec.cell]) for spec in subject.specs)),
    }
    return common | (bare(inputs) if isinstance(inputs, Inputs) else network(inputs))


def bare(inputs: Inputs) -> dict[str, Any]:
    """Of a recurrent network alone."""
    spec, lengths = inputs.spec, inputs.lengths
    batch = inputs.x.shape[0 if spec.batch_first else 1]
    return {
        "spec": spec,
        "lengths": lengths is not None,
        "zero_rows": lengths is not None and bool((lengths == 0).any()),
        "state": inputs.h0 is not None,
        "gradients": inputs.incoming is not None,
        "y_shape": (*inputs.x.shape[:2], spec.num_directions * spec.hidden_size),
        "state_shape": (spec.num_layers * spec.num_directions, batch, spec.hidden_size),
        "training": False,
    }


def network(inputs: NetworkInputs | TrainingInputs) -> dict[str, Any]:
    """Of a whole network, run once or trained; raises ``ValueError`` for what no template shows."""
    training = isinstance(inputs, TrainingInputs)
    data = inputs.batches[0] if isinstance(inputs, TrainingInputs) else inputs.data
    if data.lengths is not None and (training or not data.lengths.all()):
        raise ValueError(
            "lengths: no script shows a network with rows of length 0, or training with lengths"
        )
    words = data.x.dtype.kind in "iu"
    found = {
        "lengths": data.lengths is not None,
        "target_lengths": data.target_lengths is not None,
        "words": words,
        "x": "x" if training else "words" if words else 'p["x"]',
        "classes": isinstance(inputs.network[-1], NegativeLogLikelihood),
        "linear": any(isinstance(layer, Readout | Dense | Decoder) for layer in inputs.network),
        "gradients": not training,
        "training": training,
        "state": False,
    }
    return found | (updates(inputs) if isinstance(inputs, TrainingInputs) else {})


def updates(inputs: TrainingInputs) -> dict[str, Any]:
    """What training does after the gradients of a batch."""
    return {
        "steps": len(inputs.batches),
        "clip": inputs.clip,
        "optimiser": inputs.optimiser,
        "optimiser_kind": type(inputs.optimiser).__name__,
        "fixed": inputs.fixed,
    }


def used(subject: Subject) -> set[str]:
    """The functions that the equations call."""
    found = set()
    for spec in subject.specs:
        found |= {"sigmoid"} if spec.cell != "vanilla" else set()
        found |= {"relu"} if spec.activation == "relu" else set()
        found |= {"affine"} if spec.bias else set()
    for facts_of in subject.layers:
        layer = facts_of.layer
        if isinstance(layer, Readout | Dense | Decoder):
            found.add(layer.activation)
        if facts_of.bridges:
            found.add("affine")
    return found


def described(spec: Spec) -> str:
    """A recurrent network in a few words."""
    layers = f"{spec.num_layers} layers, " if spec.num_layers > 1 else ""
    options = {
        "vanilla": f", {spec.activation}",
        "gru": f", reset gate {spec.reset} the recurrent product",
        "lstm": f", forget bias {spec.forget_bias}" if spec.forget_bias else "",
    }[spec.cell]
    bias = "" if spec.bias else ", no bias"
    return f"{CELLS[spec.cell]} ({layers}{spec.direction}{options}{bias})"


def sizes(subject: Subject) -> str:
    """Batch, steps and widths, in words."""
    inputs: AnyInputs = subject.inputs
    if isinstance(inputs, Inputs):
        spec = inputs.spec
        batch, steps = inputs.x.shape[:2] if spec.batch_first else inputs.x.shape[1::-1]
        return f"batch {batch}, {steps} steps, {spec.input_size} inputs, {spec.hidden_size} units"
    data = inputs.batches[0] if isinstance(inputs, TrainingInputs) else inputs.data
    return f"x of shape {' × '.join(map(str, np.shape(data.x)))}"

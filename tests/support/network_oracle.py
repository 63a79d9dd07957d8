"""An oracle for whole networks: every layer in scalar loops over rows, steps and units, in 50 digits.

What a layer passes on is nested lists ``[row][step][unit]`` of mpf; a vector is a sequence of one step.
From ``reference`` come only the layers' names and fields; recurrent networks are those of ``oracle.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from oracle import MP, Vector, exp, oracle, relu, tanh, vector

from reference import Array
from reference.networks.layers import (
    Affine,
    Data,
    Decoder,
    DecoderParams,
    Dense,
    Embedding,
    FinalState,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
)
from reference.networks.layers import Vector as VectorInput

Rows: TypeAlias = list[list[Vector]]
Words: TypeAlias = list[list[int]]


class Answer(NamedTuple):
    """The last layer's output, the loss where there is one, and the words that a decoder was fed."""

    y: Array
    loss: Any
    words: Words | None


def network_oracle(network: Network, params: NetworkParams, data: Data) -> Answer:
    """The outputs of a network, all of them mpf."""
    v, is_vector = read(network[0], params[0], data.x), isinstance(network[0], VectorInput)
    states: Any = None
    words: Words | None = None
    loss: Any = None
    for layer, p in zip(network[1:], params[1:], strict=True):
        match layer:
            case Recurrent(spec=spec):
                y, states, _ = oracle(spec, p, np.array(v, object), lengths=data.lengths)  # type: ignore[arg-type]
                v = y.tolist()
            case FinalState():
                v, is_vector = final_states(states, len(v), len(v[0][0])), True
            case Readout(at=at, activation=g):
                v = [[apply(g, affine(p, step)) for step in row] for row in chosen(at, v, data)]
                is_vector = at == "last"
            case Dense(activation=g):
                v = [[apply(g, affine(p, step)) for step in row] for row in v]
            case Decoder():
                v, words = decoded(layer, p, [row[0] for row in v], data.targets)  # type: ignore[arg-type]
                is_vector = False
            case NegativeLogLikelihood() | MeanSquaredError():
                loss = lost(layer, v, data)
    y = np.array([row[0] for row in v] if is_vector else v, object)
    return Answer(y, loss, words)


def read(layer: Any, p: Any, x: Array) -> Rows:
    """The input layers."""
    if isinstance(layer, OneHot):
        size = layer.vocabulary
        return [[[MP.mpf(1 if k == word else 0) for k in range(size)] for word in row] for row in x]
    if isinstance(layer, Embedding):
        return [[vector(p.table[word]) for word in row] for row in x]
    if isinstance(layer, VectorInput):
        return [[vector(row)] for row in x]
    return [[vector(step) for step in row] for row in x]


def final_states(states: Any, rows: int, width: int) -> Rows:
    """Return the state of the last layer, whose directions together are as wide as its output."""
    last = len(states) - width // len(states[0][0])
    return [[[n for k in range(last, len(states)) for n in states[k][b]]] for b in range(rows)]


def chosen(at: Any, v: Rows, data: Data) -> Rows:
    """The steps that a readout reads."""
    if at == "every":
        return v
    if at == "last":
        ends = [len(row) for row in v] if data.lengths is None else data.lengths
        return [[row[int(end) - 1]] for row, end in zip(v, ends, strict=True)]
    return [[row[t] for t in at] for row in v]


def affine(p: Affine, v: Vector) -> Vector:
    """W v + b."""
    found = []
    for j in range(len(p.W)):
        total = MP.mpf(0) if p.b is None else MP.mpf(float(p.b[j]))
        for k in range(len(v)):
            total += MP.mpf(float(p.W[j][k])) * v[k]
        found.append(total)
    return found


def apply(name: str, a: Vector) -> Vector:
    """One step's activations."""
    if name == "softmax":
        total = sum(exp(n) for n in a)
        return [exp(n) / total for n in a]
    return [{"identity": lambda n: n, "tanh": tanh, "relu": relu}[name](n) for n in a]


def decoded(
    layer: Decoder, p: DecoderParams, contexts: list[Vector], targets: Array | None
) -> tuple[Rows, Words]:
    """Step by step: what is read, the state after it, the output, and the word that is read next."""
    h, c = started(layer, p, contexts)
    outputs: Rows = [[] for _ in contexts]
    words: Words = [[0] for _ in contexts]
    for s in range(layer.steps):
        x = []
        for b, context in enumerate(contexts):
            word = [] if p.table is None else vector(p.table[words[b][s]])
            x.append([word + (context if layer.context in ("input", "both") else [])])
        y, h, c = oracle(layer.spec, p.rnn, np.array(x, object), h, c)
        for b in range(len(contexts)):
            output = apply(layer.activation, affine(p.output, list(y[b][0])))
            outputs[b].append(output)
            if layer.words == "teacher":
                words[b].append(int(targets[b][s]))  # type: ignore[index]
            else:
                words[b].append(max(range(len(output)), key=output.__getitem__))
    return outputs, [row[:-1] for row in words]


def started(
    layer: Decoder, p: DecoderParams, contexts: list[Vector]
) -> tuple[Array | None, Array | None]:
    """h and c before the first step, (layers, rows, units); None is zero."""
    if layer.context == "input":
        return None, None
    layers = range(layer.spec.num_layers)
    if layer.bridge == "none":
        return np.array([contexts for _ in layers], object), None
    parts = [
        np.array([[apply(layer.bridge, affine(p.bridge[k][part], v)) for v in contexts] for k in layers], object)
        for part in range(len(p.bridge[0]))
    ]  # fmt: skip
    return parts[0], parts[1] if len(parts) > 1 else None


def lost(layer: Any, v: Rows, data: Data) -> Any:
    """The loss over the targets that are valid, one by one."""
    targets = np.asarray(data.targets).reshape(len(v), len(v[0]), -1)
    total, count = MP.mpf(0), 0
    for b, row in enumerate(v):
        valid = len(row) if data.target_lengths is None else int(data.target_lengths[b])
        for s in range(valid):
            total += (
                -MP.log(row[s][int(targets[b][s][0])])
                if isinstance(layer, NegativeLogLikelihood)
                else mean_square(row[s], vector(targets[b][s]))
            )
            count += 1
    return total / count if layer.reduction == "mean" else total


def mean_square(output: Sequence[Any], target: Sequence[Any]) -> Any:
    """Over the units of one step."""
    total = MP.mpf(0)
    for k in range(len(output)):
        total += (output[k] - target[k]) * (output[k] - target[k])
    return total / len(output)

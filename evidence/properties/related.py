"""Inputs that are related to given ones: some rows, a span of steps, one layer, reversed in time.

Batch and time are found where the spec has them. Tensors are moved as inputs are, by the same functions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends import Inputs
from conformance.cases import SIZES
from conformance.draw import digest
from conformance.evaluate import Tensors
from reference import Array, Output, Spec

BY_STEP = ("y", "dx")
"""The tensors with axes of batch and time; those of states have the batch second."""
LARGE = 2.0**15
"""Finite in every dtype."""
SEVERAL_ROWS = tuple(name for name, (batch, *_) in SIZES.items() if batch > 1)
SEVERAL_STEPS = tuple(name for name in SEVERAL_ROWS if SIZES[name][1] > 1)
"""Sizes of which not every draw has lengths of 1 and less."""


def make_random(inputs: Inputs) -> np.random.Generator:
    """Random numbers of these inputs' own, the same at every call."""
    return np.random.default_rng(list(bytes.fromhex(digest(inputs))))


def _batch_axis(spec: Spec) -> int:
    """Of x, y and what is shaped like them."""
    return 0 if spec.batch_first else 1


def batch_size(inputs: Inputs) -> int:
    """B."""
    return int(inputs.x.shape[_batch_axis(inputs.spec)])


def num_steps(inputs: Inputs) -> int:
    """T."""
    return int(inputs.x.shape[1 - _batch_axis(inputs.spec)])


def row_lengths(inputs: Inputs) -> Array:
    """The length of every row; T where none are given."""
    return (
        np.full(batch_size(inputs), num_steps(inputs)) if inputs.lengths is None else inputs.lengths
    )


def only_outputs(tensors: Tensors) -> Tensors:
    """Outputs and states, without gradients."""
    return {name: a for name, a in tensors.items() if name in ("y", "h_n", "c_n")}


def only_gradients(tensors: Tensors) -> Tensors:
    """Gradients alone."""
    return {name: a for name, a in tensors.items() if name.startswith("d")}


# Rows of the batch.


def select_rows(inputs: Inputs, chosen: Array) -> Inputs:
    """The batch rows of these numbers, in this order."""
    axis = _batch_axis(inputs.spec)
    d = inputs.incoming
    return replace(
        inputs,
        x=inputs.x.take(chosen, axis),
        h0=_take(inputs.h0, chosen, 1),
        c0=_take(inputs.c0, chosen, 1),
        lengths=_take(inputs.lengths, chosen, 0),
        incoming=d and Output(d.y.take(chosen, axis), d.h_n.take(chosen, 1), _take(d.c_n, chosen, 1)),
    )  # fmt: skip


def _take(a: Array | None, chosen: Array, axis: int) -> Array | None:
    return None if a is None else a.take(chosen, axis)


def row_axis(spec: Spec, name: str) -> int:
    """Where the tensor of this name has its rows; not of parameters, which have none."""
    return _batch_axis(spec) if name in BY_STEP else 1


# Steps.


def select_steps(inputs: Inputs, start: int, stop: int) -> Inputs:
    """The steps from ``start`` to before ``stop``; of the incoming gradient, that by y alone."""
    some = np.arange(start, stop)
    axis = 1 - _batch_axis(inputs.spec)
    lengths = None if inputs.lengths is None else np.clip(inputs.lengths - start, 0, len(some))
    d = inputs.incoming
    incoming = d and d._replace(y=d.y.take(some, axis))
    return replace(inputs, x=inputs.x.take(some, axis), lengths=lengths, incoming=incoming)


def _reverse_rows(inputs: Inputs, a: Array) -> Array:
    """``a``, shaped like x or y, with every row's valid steps in the opposite order."""
    by_row = a.copy() if inputs.spec.batch_first else np.swapaxes(a, 0, 1).copy()
    for row, end in enumerate(row_lengths(inputs)):
        by_row[row, :end] = by_row[row, :end][::-1].copy()
    return by_row if inputs.spec.batch_first else np.swapaxes(by_row, 0, 1)


def reverse_tensors(inputs: Inputs, tensors: Tensors) -> Tensors:
    """Outputs and gradients by x reversed so; states and parameters have no order in time."""
    return {k: _reverse_rows(inputs, a) if k in BY_STEP else a for k, a in tensors.items()}


def reverse_in_time(inputs: Inputs) -> Inputs:
    """Input, and gradient by y, with every row's valid steps in the opposite order."""
    d = inputs.incoming
    incoming = d and d._replace(y=_reverse_rows(inputs, d.y))
    return replace(inputs, x=_reverse_rows(inputs, inputs.x), incoming=incoming)


def with_padding(inputs: Inputs, a: Array, value: float) -> Array:
    """``a``, shaped like x or y, with ``value`` past every row's length."""
    by_row = a.copy() if inputs.spec.batch_first else np.swapaxes(a, 0, 1).copy()
    by_row[np.arange(by_row.shape[1]) >= row_lengths(inputs)[:, None]] = value
    return by_row if inputs.spec.batch_first else np.swapaxes(by_row, 0, 1)


# Layers and directions.


def single_layer(inputs: Inputs, layer: int, x: Array, incoming: Output | None) -> Inputs:
    """That layer as a network of its own, on what it reads."""
    spec = inputs.spec
    mine = slice(layer * spec.num_directions, (layer + 1) * spec.num_directions)
    return replace(
        inputs,
        spec=replace(spec, num_layers=1, input_size=spec.layer_input_size(layer)),
        params=(inputs.params[layer],),
        x=x,
        h0=None if inputs.h0 is None else inputs.h0[mine],
        c0=None if inputs.c0 is None else inputs.c0[mine],
        incoming=incoming,
    )


def single_direction(inputs: Inputs, direction: int) -> Inputs:
    """A forward network with the weights and states of one direction of a layer's two."""
    mine = slice(direction, direction + 1)
    d = inputs.incoming
    size = inputs.spec.state_size("h")
    width = slice(direction * size, (direction + 1) * size)

    def state(s: Array | None) -> Array | None:
        return None if s is None else s[mine]

    return replace(
        inputs,
        spec=replace(inputs.spec, direction="forward"),
        params=((inputs.params[0][direction],),),
        h0=state(inputs.h0),
        c0=state(inputs.c0),
        incoming=d and Output(d.y[..., width], d.h_n[mine], state(d.c_n)),
    )


def rename_tensors(tensors: Tensors, old: str, new: str) -> Tensors:
    """The tensors with ``new`` for ``old`` in their names."""
    return {name.replace(old, new): a for name, a in tensors.items()}

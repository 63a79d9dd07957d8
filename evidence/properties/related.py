"""Make related inputs: some rows, a range of steps, one layer, reversed in time.

Batch and time are found where the spec has them. Tensors are moved by the same functions as inputs.
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
"""The tensors with axes of batch and time; states have the batch as their second axis."""
LARGE = 2.0**15
"""A large number that is finite in every dtype."""
SEVERAL_ROWS = tuple(name for name, (batch, *_) in SIZES.items() if batch > 1)
SEVERAL_STEPS = tuple(name for name in SEVERAL_ROWS if SIZES[name][1] > 1)
"""The sizes that have draws with lengths above 1."""


def make_random(inputs: Inputs) -> np.random.Generator:
    """Make a random generator that these inputs seed.

    Args:
        inputs: the inputs.

    Returns:
        The generator; the same at every call.

    """
    return np.random.default_rng(list(bytes.fromhex(digest(inputs))))


def _batch_axis(spec: Spec) -> int:
    """Return the batch axis of x, y and arrays of their shape."""
    return 0 if spec.batch_first else 1


def batch_size(inputs: Inputs) -> int:
    """Return B.

    Args:
        inputs: the inputs.

    Returns:
        The batch size.

    """
    return int(inputs.x.shape[_batch_axis(inputs.spec)])


def num_steps(inputs: Inputs) -> int:
    """Return T.

    Args:
        inputs: the inputs.

    Returns:
        The number of time steps.

    """
    return int(inputs.x.shape[1 - _batch_axis(inputs.spec)])


def row_lengths(inputs: Inputs) -> Array:
    """Return the length of every row.

    Args:
        inputs: the inputs.

    Returns:
        Lengths ``(B,)``; T if none are given.

    """
    return (
        np.full(batch_size(inputs), num_steps(inputs)) if inputs.lengths is None else inputs.lengths
    )


def only_outputs(tensors: Tensors) -> Tensors:
    """Select outputs and states.

    Args:
        tensors: the tensors by name.

    Returns:
        The tensors without gradients.

    """
    return {name: a for name, a in tensors.items() if name in ("y", "h_n", "c_n")}


def only_gradients(tensors: Tensors) -> Tensors:
    """Select the gradients.

    Args:
        tensors: the tensors by name.

    Returns:
        The gradients.

    """
    return {name: a for name, a in tensors.items() if name.startswith("d")}


# Rows of the batch.


def select_rows(inputs: Inputs, chosen: Array) -> Inputs:
    """Select rows of the batch.

    Args:
        inputs: the inputs.
        chosen: the numbers of the rows, in order.

    Returns:
        The inputs of these rows.

    """
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
    """Return the batch axis of a tensor. Parameters have none.

    Args:
        spec: the network.
        name: the name of the tensor.

    Returns:
        The axis.

    """
    return _batch_axis(spec) if name in BY_STEP else 1


# Steps.


def select_steps(inputs: Inputs, start: int, stop: int) -> Inputs:
    """Select the steps from ``start`` up to ``stop``; the incoming gradients of final states are unchanged.

    Args:
        inputs: the inputs.
        start: the first step.
        stop: the step after the last one.

    Returns:
        The inputs of these steps.

    """
    some = np.arange(start, stop)
    axis = 1 - _batch_axis(inputs.spec)
    lengths = None if inputs.lengths is None else np.clip(inputs.lengths - start, 0, len(some))
    d = inputs.incoming
    incoming = d and d._replace(y=d.y.take(some, axis))
    return replace(inputs, x=inputs.x.take(some, axis), lengths=lengths, incoming=incoming)


def _reverse_rows(inputs: Inputs, a: Array) -> Array:
    """Reverse every row's valid steps in an array of the shape of x or y."""
    by_row = a.copy() if inputs.spec.batch_first else np.swapaxes(a, 0, 1).copy()
    for row, end in enumerate(row_lengths(inputs)):
        by_row[row, :end] = by_row[row, :end][::-1].copy()
    return by_row if inputs.spec.batch_first else np.swapaxes(by_row, 0, 1)


def reverse_tensors(inputs: Inputs, tensors: Tensors) -> Tensors:
    """Reverse outputs and gradients by x in time; states and parameters are unchanged.

    Args:
        inputs: the inputs, which have the lengths.
        tensors: the tensors by name.

    Returns:
        The reversed tensors.

    """
    return {k: _reverse_rows(inputs, a) if k in BY_STEP else a for k, a in tensors.items()}


def reverse_in_time(inputs: Inputs) -> Inputs:
    """Reverse every row's valid steps in the input and in the incoming gradient by y.

    Args:
        inputs: the inputs.

    Returns:
        The reversed inputs.

    """
    d = inputs.incoming
    incoming = d and d._replace(y=_reverse_rows(inputs, d.y))
    return replace(inputs, x=_reverse_rows(inputs, inputs.x), incoming=incoming)


def with_padding(inputs: Inputs, a: Array, value: float) -> Array:
    """Set the steps past every row's length to a value.

    Args:
        inputs: the inputs, which have the lengths.
        a: an array of the shape of x or y.
        value: the value.

    Returns:
        A new array.

    """
    by_row = a.copy() if inputs.spec.batch_first else np.swapaxes(a, 0, 1).copy()
    by_row[np.arange(by_row.shape[1]) >= row_lengths(inputs)[:, None]] = value
    return by_row if inputs.spec.batch_first else np.swapaxes(by_row, 0, 1)


# Layers and directions.


def single_layer(inputs: Inputs, layer: int, x: Array, incoming: Output | None) -> Inputs:
    """Make one layer a network of its own.

    Args:
        inputs: the inputs of the stack.
        layer: the number of the layer.
        x: the layer's input.
        incoming: the layer's incoming gradients.

    Returns:
        The inputs of the layer.

    """
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
    """Make a forward network of one direction of a bidirectional layer.

    Args:
        inputs: the inputs of the layer.
        direction: 0 or 1.

    Returns:
        The inputs of the direction.

    """
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
    """Replace a part of the tensors' names.

    Args:
        tensors: the tensors by name.
        old: the part to replace.
        new: the replacement.

    Returns:
        The tensors by their new names.

    """
    return {name.replace(old, new): a for name, a in tensors.items()}

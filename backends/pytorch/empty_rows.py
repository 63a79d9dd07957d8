"""Rows of length 0, which ``pack_padded_sequence`` refuses.

The adapter leaves such rows out of the batch and puts them back as the specification defines them: outputs 0, final
state = initial state. So the gradient by x is 0 there, and the gradient by the initial state is the incoming
gradient of the final state.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends.adapter import Inputs
from backends.pytorch.device import Place
from reference import Array, Output


def leaves_rows_out(inputs: Inputs, place: Place) -> bool:
    """Tell whether the adapter leaves rows of length 0 out of the batch.

    Args:
        inputs: The network and its arrays.
        place: Device, dtype, dialect and modules.

    Returns:
        True where a row has length 0 and PyTorch refuses such rows.
    """
    return (
        place.dialect.zero_length != "runs"
        and inputs.lengths is not None
        and not inputs.lengths.all()
    )


def without_empty_rows(inputs: Inputs) -> Inputs:
    """Leave out the rows of length 0.

    Args:
        inputs: The network and its arrays, with lengths.

    Returns:
        The inputs without those rows.
    """
    assert inputs.lengths is not None
    rows = inputs.lengths > 0
    axis = _batch_axis(inputs)

    def states(state: Array | None) -> Array | None:
        return None if state is None else state[:, rows]

    incoming = inputs.incoming
    if incoming is not None:
        dy, dh_n, dc_n = incoming
        incoming = Output(np.compress(rows, dy, axis), dh_n[:, rows], states(dc_n))
    return replace(
        inputs,
        x=np.compress(rows, inputs.x, axis),
        h0=states(inputs.h0),
        c0=states(inputs.c0),
        lengths=inputs.lengths[rows],
        incoming=incoming,
    )


def with_empty_rows(inputs: Inputs, name: str, kept: Array) -> Array:
    """Put the rows of length 0 back into a result.

    Args:
        inputs: The network and its arrays, with lengths.
        name: The tensor's name, as in ``backends.Result``.
        kept: The tensor without those rows.

    Returns:
        The tensor of all rows.
    """
    assert inputs.lengths is not None
    rows = inputs.lengths > 0
    axis = _batch_axis(inputs) if name in ("y", "dx") else 1
    incoming = inputs.incoming
    left_out = {
        "h_n": inputs.h0,
        "c_n": inputs.c0,
        "dh0": incoming and incoming.h_n,
        "dc0": incoming and incoming.c_n,
    }.get(name)
    shape = list(kept.shape)
    shape[axis] = len(rows)
    whole = np.zeros(shape) if left_out is None else left_out.copy()
    whole[(slice(None),) * axis + (rows,)] = kept
    return whole


def _batch_axis(inputs: Inputs) -> int:
    return 0 if inputs.spec.batch_first else 1

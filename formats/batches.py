"""Batches that frameworks run files' networks on, batch-major, and their results."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from backends.adapter import Inputs, Result
from reference import Array

States: TypeAlias = list[list[list[Any]]]
"""States by layer, direction and kind (h, and c of an LSTM), ``(B, H)`` each."""


class Batch(NamedTuple):
    """A batch: ``x (B, T, I)``, ``lengths (B,)`` ≥ 1, and initial states (zeros by default), in float64."""

    x: Array
    lengths: Array | None
    states: States


def make_batch(inputs: Inputs) -> Batch:
    """Return the arrays of a run, batch-major.

    Args:
        inputs: the run; its parameters are not used.

    Returns:
        The batch, with zeros past each row's length.

    Raises:
        ValueError: a row has length 0, which not all frameworks run.
    """
    spec = inputs.spec
    if inputs.lengths is not None and not inputs.lengths.all():
        raise ValueError("lengths: 0 given, expected at least 1; drop the empty rows")
    x = inputs.x if spec.batch_first else np.swapaxes(inputs.x, 0, 1)
    x = np.array(x)
    if inputs.lengths is not None:
        x[np.arange(x.shape[1]) >= inputs.lengths[:, None]] = 0  # padding may hold NaN
    given = {"h": inputs.h0, "c": inputs.c0}
    initial = [
        np.zeros(spec.state_shape(part, len(x))) if (a := given[part]) is None else a
        for part in spec.states
    ]
    rows = [[state[k] for state in initial] for k in range(len(initial[0]))]
    wide = spec.num_directions
    return Batch(x, inputs.lengths, [rows[k : k + wide] for k in range(0, len(rows), wide)])


def make_result(inputs: Inputs, y: Any, states: States, dtype: str) -> Result:
    """Return outputs and final states with the shapes of ``reference.run``.

    Args:
        inputs: the run.
        y: outputs ``(B, T, D·H)``; values past each row's length are set to 0.
        states: final states by layer, direction and kind.
        dtype: the dtype in which the framework returned them.

    Returns:
        ``y``, ``h_n`` and, for an LSTM, ``c_n``.
    """
    spec = inputs.spec
    y = np.array(y, np.float64)
    if inputs.lengths is not None:
        y[np.arange(y.shape[1]) >= inputs.lengths[:, None]] = 0
    found = {"y": y if spec.batch_first else np.swapaxes(y, 0, 1)}
    for k, name in enumerate(spec.states):
        found[f"{name}_n"] = np.stack(
            [np.asarray(direction[k], np.float64) for row in states for direction in row]
        )
    return Result(found, dict.fromkeys(found, dtype))

"""What a framework runs a file's network on, batch-major, and what it returns."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from backends.adapter import Inputs, Result
from reference import STATES, Array

States: TypeAlias = list[list[list[Any]]]
"""By layer and direction: h, and c of an LSTM, ``(B, H)`` each."""


class Batch(NamedTuple):
    """``x (B, T, I)``, ``lengths (B,)`` from 1 on, and the initial states, 0 where none are given; all in float64."""

    x: Array
    lengths: Array | None
    states: States


def make_batch(inputs: Inputs) -> Batch:
    """The arrays of a run; raises ``ValueError`` for a row of length 0, which not all frameworks run."""
    spec = inputs.spec
    if inputs.lengths is not None and not inputs.lengths.all():
        raise ValueError("lengths: 0 given, expected 1 at least")
    x = inputs.x if spec.batch_first else np.swapaxes(inputs.x, 0, 1)
    x = np.array(x)
    if inputs.lengths is not None:
        x[np.arange(x.shape[1]) >= inputs.lengths[:, None]] = (
            0  # what stands there may be no number
        )
    given = {"h": inputs.h0, "c": inputs.c0}
    zeros = np.zeros((spec.num_layers * spec.num_directions, len(x), spec.hidden_size))
    held = [zeros if (a := given[name]) is None else a for name in STATES[spec.cell]]
    rows = [[state[k] for state in held] for k in range(len(zeros))]
    wide = spec.num_directions
    return Batch(x, inputs.lengths, [rows[k : k + wide] for k in range(0, len(rows), wide)])


def make_result(inputs: Inputs, y: Any, states: States, dtype: str) -> Result:
    """Outputs ``(B, T, D·H)``, 0 past each row's length, and final states, as ``reference.run`` has them, and the
    dtype that they came in.
    """
    spec = inputs.spec
    y = np.array(y, np.float64)
    if inputs.lengths is not None:
        y[np.arange(y.shape[1]) >= inputs.lengths[:, None]] = 0
    found = {"y": y if spec.batch_first else np.swapaxes(y, 0, 1)}
    for k, name in enumerate(STATES[spec.cell]):
        found[f"{name}_n"] = np.stack(
            [np.asarray(way[k], np.float64) for row in states for way in row]
        )
    return Result(found, dict.fromkeys(found, dtype))

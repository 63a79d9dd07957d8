"""What of a timed result is held to the specification: all of it, or two rows of the batch.

The reference takes 64 samples more than a run. Where that would take minutes, two rows drawn by the
workload's name are checked: incoming gradients are 0 in all other rows, in what is timed as well, so
that the gradients of the weights are those of the two rows alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from backends import Inputs, Result
from benchmarks.timing.cost import cost
from conformance.cases import Case
from conformance.draw import draw
from reference import Array, Output

MOST_FLOPS = 5 * 10**7
"""Of one run that is checked whole; with 64 samples some seconds."""
ROWS = 2


def rows_held(case: Case) -> Array:
    """The rows that are checked, in order."""
    if cost(case).flops <= MOST_FLOPS or case.batch <= ROWS:
        return np.arange(case.batch)
    seed = int.from_bytes(hashlib.sha256(case.id.encode()).digest()[:8])
    return np.sort(np.random.default_rng(seed).choice(case.batch, ROWS, replace=False))


def in_words(case: Case, rows: Array) -> str:
    """What is checked."""
    if len(rows) == case.batch:
        return "whole"
    return f"rows {', '.join(map(str, rows))} of {case.batch}"


def timed(case: Case, rows: Array) -> Inputs:
    """The inputs that are timed: incoming gradients are 0 but in ``rows``."""
    inputs = draw(case)
    if inputs.incoming is None or len(rows) == case.batch:
        return inputs
    axes = dict(zip(Output._fields, (_batch_axis(inputs), 1, 1), strict=True))
    kept = {
        name: None if d is None else _only(d, rows, axes[name])
        for name, d in inputs.incoming._asdict().items()
    }
    return replace(inputs, incoming=Output(**kept))  # type: ignore[arg-type]  # None of c_n where it is


def inputs_of(inputs: Inputs, rows: Array) -> Inputs:
    """The same network on ``rows`` alone."""
    x_axis = _batch_axis(inputs)

    def state(a: Array | None) -> Array | None:
        return None if a is None else a[:, rows]

    incoming = inputs.incoming and Output(
        np.take(inputs.incoming.y, rows, x_axis),
        inputs.incoming.h_n[:, rows],
        state(inputs.incoming.c_n),
    )
    return replace(
        inputs, x=np.take(inputs.x, rows, x_axis), h0=state(inputs.h0), c0=state(inputs.c0),
        lengths=None if inputs.lengths is None else inputs.lengths[rows], incoming=incoming,
    )  # fmt: skip


def result_of(inputs: Inputs, result: Result, rows: Array) -> Result:
    """What of a result is of ``rows``; the gradients of the parameters are of all.

    A tensor that has not the batch's rows stays as it is, and its shape is found wrong.
    """
    x_axis = _batch_axis(inputs)
    batch = inputs.x.shape[x_axis]
    axes = {"y": x_axis, "dx": x_axis} | dict.fromkeys(("h_n", "c_n", "dh0", "dc0"), 1)

    def cut(name: str, a: Array) -> Array:
        axis = axes.get(name)
        if axis is None or a.ndim <= axis or a.shape[axis] != batch:
            return a
        return np.take(a, rows, axis)

    return Result({name: cut(name, a) for name, a in result.tensors.items()}, result.dtypes)


def _only(d: Array, rows: Array, axis: int) -> Array:
    kept = np.zeros_like(d)
    place = (slice(None),) * axis + (rows,)
    kept[place] = d[place]
    return kept


def _batch_axis(inputs: Inputs) -> int:
    return 0 if inputs.spec.batch_first else 1

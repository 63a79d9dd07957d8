"""Choose the rows of a timed result that are checked: the whole batch, or two rows of it.

The reference runs a network 64 times. Where that would take minutes, two rows are checked, drawn from the workload's
name. Incoming gradients are 0 in all other rows, in the timed run too, so the gradients of the weights depend on the
two rows only.
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
"""Largest run that is checked whole; 64 samples of it take some seconds."""
ROWS = 2


def choose_rows(case: Case) -> Array:
    """Return the rows that are checked.

    Args:
        case: the timed network.

    Returns:
        Row numbers in ascending order.
    """
    if cost(case).flops <= MOST_FLOPS or case.batch <= ROWS:
        return np.arange(case.batch)
    seed = int.from_bytes(hashlib.sha256(case.id.encode()).digest()[:8])
    return np.sort(np.random.default_rng(seed).choice(case.batch, ROWS, replace=False))


def describe(case: Case, rows: Array) -> str:
    """Describe the rows that are checked.

    Args:
        case: the timed network.
        rows: row numbers.

    Returns:
        ``whole``, or text such as ``rows 3, 17 of 64``.
    """
    if len(rows) == case.batch:
        return "whole"
    return f"rows {', '.join(map(str, rows))} of {case.batch}"


def timed_inputs(case: Case, rows: Array) -> Inputs:
    """Return the inputs that are timed.

    Args:
        case: the timed network.
        rows: rows that are checked; incoming gradients are 0 in all others.

    Returns:
        The inputs, with the whole batch.
    """
    inputs = draw(case)
    if inputs.incoming is None or len(rows) == case.batch:
        return inputs
    axes = dict(zip(Output._fields, (_batch_axis(inputs), 1, 1), strict=True))
    kept = {
        name: None if d is None else _only(d, rows, axes[name])
        for name, d in inputs.incoming._asdict().items()
    }
    return replace(inputs, incoming=Output(**kept))  # type: ignore[arg-type]  # None of c_n where it is


def select_inputs(inputs: Inputs, rows: Array) -> Inputs:
    """Select rows of the inputs.

    Args:
        inputs: the whole batch.
        rows: row numbers.

    Returns:
        The same network on these rows only.
    """
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


def select_result(inputs: Inputs, result: Result, rows: Array) -> Result:
    """Select rows of a result; parameter gradients are unchanged.

    A tensor of the wrong batch size is unchanged too, so that the check of shapes reports it.

    Args:
        inputs: the whole batch.
        result: its result.
        rows: row numbers.

    Returns:
        The result of these rows.
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

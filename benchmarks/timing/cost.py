"""The cost of a workload on any backend: operations, bytes and transcendental functions.

Per layer and direction, with G gates (1, 3, 4), I inputs, H units, B rows, T steps, s bytes a number:

    F_x = 2 G H I B T        the input matmul
    F_h = 2 G H H B T        the recurrent matmuls
    forward  = F_x + F_h
    training = 3 (F_x + F_h)     each matmul is done once forward and twice backward
    transcendentals = (5, 3, 1, 0) B T H     LSTM, GRU, tanh, relu; counted separately: their cost varies by kernel
    weights read at every step = s G H H

DeepBench counts (2, 6, 8) H² B T: it omits the input matmul, for training too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.timing.workloads import Mode
from conformance.cases import Case
from reference import Spec

BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
TRANSCENDENTALS = {"lstm": 5, "gru": 3, "vanilla": 1}
TIMES: dict[Mode, int] = {"forward": 1, "training": 3}
"""Number of times that each matmul of the forward run is done."""


class Cost(NamedTuple):
    """The cost of one call."""

    flops: int
    deepbench_flops: int
    transcendentals: int
    weight_bytes: int
    """Size of all recurrent weights, which every step reads."""


def cost(case: Case) -> Cost:
    """Return the cost of a case.

    Args:
        case: the network; with gradients, the cost is that of training.

    Returns:
        The cost of one call.
    """
    spec, steps = case.spec, case.batch * case.steps
    of_x = sum(2 * spec.num_gates * spec.hidden_size * width * steps for width in _widths(spec))
    recurrent = spec.num_gates * spec.hidden_size * spec.state_size("h")
    of_h = sum(2 * recurrent * steps for _ in _widths(spec))
    relu = spec.cell == "vanilla" and spec.activation == "relu"
    each = 0 if relu else TRANSCENDENTALS[spec.cell]
    cells = len(list(_widths(spec)))
    return Cost(
        flops=TIMES["training" if case.gradients else "forward"] * (of_x + of_h),
        deepbench_flops=of_h,
        transcendentals=each * steps * spec.hidden_size * cells,
        weight_bytes=BYTES[case.dtype] * recurrent * cells,
    )


def _widths(spec: Spec) -> Iterator[int]:
    """Yield the input width of every layer and direction."""
    for layer in range(spec.num_layers):
        for _ in range(spec.num_directions):
            yield spec.layer_input_size(layer)

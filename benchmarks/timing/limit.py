"""The speed limit of a network: the time of the framework's own matmuls, measured in the same process.

    forward     one matmul of all inputs, then T matmuls with the recurrent weights, each on the previous result
    training    three times the first, one for dU, and 2 T of the others

for every layer and direction, and nothing else: no gates, no other memory. A network that reaches 100 % of its limit
spends all its time in matmuls. More than 100 % is possible: a fused kernel keeps weights in cache.

The limit also calibrates: a network's sample is divided by the limit's samples right before and after it, so that
whatever slows down both cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from backends import Backend
from benchmarks.timing.cost import BYTES
from conformance.cases import Case
from reference import Array, Spec

Binding: TypeAlias = Literal["input product", "steps: arithmetic", "steps: reading weights",
                             "steps: latency"]  # fmt: skip
"""The part of the limit that takes most of its time."""

HALF = 0.5
"""A step above this share of a large matmul's rate is bound by arithmetic; one that reads weights above this share
of a copy's rate is bound by reading weights; any other step is bound by latency."""
MANY = 3
FLOOR = 2.0
"""A step on a GPU that takes less than this many times the smallest matmul is bound by kernel launches."""


class Limit(NamedTuple):
    """A call that runs the matmuls, and the part that takes most of the time."""

    call: Callable[[], Any]
    binds: Binding


class _Part(NamedTuple):
    rows: int
    width: int
    columns: int
    times: int

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.width * self.columns * self.times


TINY = _Part(1, 8, 8, 100)
"""Matmuls that take no longer than their launch."""


def make_limit(backend: Backend, case: Case) -> Limit:
    """Return the limit of a case.

    Args:
        backend: the framework's adapter, on its device.
        case: the network.

    Returns:
        The limit, warmed up.
    """
    large, steps = _parts(case, of_input=True), _parts(case, of_input=False)
    before = [_call(backend, part, case) for part in large]
    after = [_call(backend, part, case) for part in steps]

    def call() -> None:
        for product in before:
            product()
        for product in after:
            product()

    call()
    floor = _seconds([_call(backend, TINY, case)]) / TINY.times if backend.kind == "cuda" else None
    return Limit(call, _binding(_seconds(before), _seconds(after), large, steps, case.dtype, floor))


def _parts(case: Case, *, of_input: bool) -> list[_Part]:
    return list(_of_input(case) if of_input else _of_steps(case))


def _of_input(case: Case) -> Iterator[_Part]:
    many = case.batch * case.steps
    for spec, width in _layers(case.spec):
        columns = spec.num_gates * spec.hidden_size
        yield _Part(many * (3 if case.gradients else 1), width, columns, 1)
        if case.gradients:
            yield _Part(spec.state_size("h"), many, columns, 1)


def _of_steps(case: Case) -> Iterator[_Part]:
    for spec, _ in _layers(case.spec):
        times = case.steps * (2 if case.gradients else 1)
        yield _Part(case.batch, spec.state_size("h"), spec.num_gates * spec.hidden_size, times)


def _layers(spec: Spec) -> Iterator[tuple[Spec, int]]:
    for layer in range(spec.num_layers):
        for _ in range(spec.num_directions):
            yield spec, spec.layer_input_size(layer)


def _call(backend: Backend, part: _Part, case: Case) -> Callable[[], Any]:
    # The identity keeps a state unchanged: it neither grows nor becomes subnormal, which would be slow.
    W = np.zeros((part.width, part.columns))
    np.fill_diagonal(W, 1.0)
    v = np.ones((part.rows, part.width))
    return backend.products(W, v, case.dtype, part.times, case.precision)


def _seconds(calls: list[Callable[[], Any]]) -> float:
    """Return the least time of a few runs of all calls, in seconds."""
    for call in calls:
        call()
    return min(_timed(calls) for _ in range(MANY))


def _timed(calls: list[Callable[[], Any]]) -> float:
    started = time.perf_counter()
    for call in calls:
        call()
    return time.perf_counter() - started


def _binding(
    of_input: float,
    of_steps: float,
    large: list[_Part],
    steps: list[_Part],
    dtype: str,
    floor: float | None,
) -> Binding:
    """Return the part that takes most of the time; ``floor`` is the time of the smallest matmul on a GPU."""
    if of_input > of_steps:
        return "input product"
    if floor is not None and of_steps / sum(p.times for p in steps) < FLOOR * floor:
        return "steps: latency"
    rate = sum(p.flops for p in large) / of_input
    if sum(p.flops for p in steps) / of_steps > HALF * rate:
        return "steps: arithmetic"
    if floor is not None:
        return "steps: reading weights"
    W = np.ones((steps[0].width, steps[0].columns), {2: "f2", 4: "f4", 8: "f8"}[BYTES[dtype]])
    read = sum(p.times * p.width * p.columns * W.itemsize for p in steps) / of_steps
    return "steps: reading weights" if read > HALF * _bandwidth(W) else "steps: latency"


def _bandwidth(W: Array) -> float:
    """Return the rate of repeated copies of an array, in bytes read and written per second."""
    to = np.empty_like(W)
    return 2 * W.nbytes / min(_timed([partial(np.copyto, to, W)]) for _ in range(MANY + 1))

"""Time each workload on the backend of this process, and hold what was timed to the truth.

A sample is calibrate – run – calibrate: pytest-benchmark times the run, and its set-up times the limit's
products (``limit.py``), whose samples stand before, between and after those of the run.
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backends import Inputs, Unsupported
from benchmarks import held
from benchmarks.cost import cost
from benchmarks.limit import limit
from benchmarks.machine import Watch
from benchmarks.workloads import Mode, Workload
from conformance.cases import Case
from conformance.check import checked, fingerprint, hold
from conformance.opened import Opened
from conformance.truth import truth
from reports.records import Measurement, Outcome

WARMUP = 3
LEAST, MOST = 8, 100
"""Samples, whatever their time."""

Call = Callable[[], Any]


class ThisProcess:
    """What one process writes of every row, besides what it measures."""

    def __init__(self, number: int, threads: int, seconds: float) -> None:
        self.number = number
        self.threads = threads
        self.seconds = seconds
        """For the samples of one row."""


@pytest.mark.filterwarnings("default")  # a framework's own warnings are no outcome
def test_row(
    workload: Workload,
    mode: Mode,
    backend: Opened,
    process: ThisProcess,
    write: Callable[[Measurement], None],
    benchmark: BenchmarkFixture,
) -> None:
    case = workload.case(mode)
    rows = held.rows_held(case)
    inputs = held.timed(case, rows)
    of_rows = held.inputs_of(inputs, rows)
    expected = truth(of_rows)

    def record(outcome: Outcome, reason: str, **figures: Any) -> None:
        row = _measurement(workload, mode, case, backend, process, outcome, reason, **figures)
        write(row)

    figures: dict[str, Any] = {"workload_version": expected.version}
    figures["checked"] = held.in_words(case, rows)
    try:
        found = _timed(inputs, case, backend, process, benchmark)
        result = checked(held.result_of(inputs, found.pop("result"), rows))
    except Unsupported as why:
        record("unsupported", str(why), **figures)
        pytest.skip(str(why))
    except Exception as error:  # any failure of a backend is an outcome, and is raised again
        record("errored", f"{type(error).__name__}: {error}", **figures)
        raise
    arithmetic = backend.adapter.dialect.arithmetic[case.dtype]
    verdict = hold(result, expected, backend, arithmetic)
    if verdict.outcome != "agrees":
        found |= {"seconds": [], "limit_seconds": []}
    named = fingerprint(result, expected, backend, arithmetic, verdict)
    figures |= {"margin": verdict.margin, "fingerprint": named}
    record(verdict.outcome, verdict.reason, **figures, **found)
    benchmark.extra_info |= {"margin": verdict.margin, "limit_seconds": found["limit_seconds"]}
    if verdict.outcome != "agrees":
        pytest.fail(f"no speed: {verdict.reason}", pytrace=False)


def _timed(
    inputs: Inputs, case: Case, backend: Opened, process: ThisProcess, benchmark: BenchmarkFixture
) -> dict[str, Any]:
    """The result of the last run, and what was measured."""
    adapter, watch = backend.adapter, Watch()
    started = time.perf_counter()
    call = adapter.load(inputs)
    call()
    first_call = time.perf_counter() - started
    calibration = limit(adapter, case)
    products: list[float] = []

    def calibrate() -> None:
        started = time.perf_counter()
        calibration.call()
        products.append(time.perf_counter() - started)

    once = _seconds(call)
    calibrate()
    rounds = round(process.seconds / (once + products[-1]))
    raw = benchmark.pedantic(
        call, setup=calibrate, rounds=min(max(rounds, LEAST), MOST), warmup_rounds=WARMUP
    )
    calibrate()
    seconds = list(benchmark.stats.stats.data)
    return {
        "result": adapter.fetch(inputs, raw),
        "ran": adapter.ran(inputs),
        "first_call_seconds": first_call,
        "seconds": seconds,
        "limit_seconds": products[-len(seconds) - 1 :],
        "binds": calibration.binds,
        "peak_memory_bytes": watch.peak_memory(),
        "conditions": watch.conditions(),
    }


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _measurement(
    workload: Workload,
    mode: Mode,
    case: Case,
    backend: Opened,
    process: ThisProcess,
    outcome: Outcome,
    reason: str,
    *,
    seconds: Sequence[float] = (),
    **figures: Any,
) -> Measurement:
    """The record of one row in one process; its speed is that of ``seconds``, or none."""
    quartiles = statistics.quantiles(seconds, n=4) if seconds else None
    none = {"margin": None, "fingerprint": None, "ran": "", "first_call_seconds": None}
    return Measurement(
        workload=workload.name,
        backend=backend.name,
        device=backend.device,
        dtype=case.dtype,
        mode=mode,
        outcome=outcome,
        reason=reason,
        seconds=list(seconds),
        min_seconds=min(seconds, default=None),
        median_seconds=quartiles[1] if quartiles else None,
        iqr_seconds=quartiles[2] - quartiles[0] if quartiles else None,
        repeat=_repeat_command(workload, mode, backend),
        threads=process.threads,
        process=process.number,
        **cost(case)._asdict(),
        **none | figures,
    )


def _repeat_command(workload: Workload, mode: Mode, backend: Opened) -> str:
    """One command that times one workload again."""
    options = {"--backend": backend.name, "--device": backend.device, "--workload": workload.name,
               "--mode": mode}  # fmt: skip
    return shlex.join(
        ["python", "-m", "benchmarks", *(part for o in options.items() for part in o)]
    )

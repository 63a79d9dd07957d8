"""Time each workload on the backend of this process, and hold what was timed to the truth.

pytest-benchmark times the runs. Between them its set-up times the limit's products (``limit.py``); or, where
this process is one of a pair, gives the other its turn (``partner.py``).
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backends import Backend, Inputs, Unsupported
from benchmarks import held
from benchmarks.cost import cost
from benchmarks.limit import limit
from benchmarks.machine import Watch
from benchmarks.partner import Partner
from benchmarks.workloads import Mode, Workload
from conformance.cases import Case
from conformance.check import checked, fingerprint, hold
from conformance.opened import Opened
from conformance.truth import truth
from reports.records import Measurement, Outcome

WARMUP = 3
LEAST, MOST = 8, 100
"""Samples, whatever their time."""
LEAST_IN_TURN = 16
"""Of each process of a pair, since single samples of identical code differ by up to a third."""

Call = Callable[[], Any]


class ThisProcess:
    """What one process writes of every row, besides what it measures."""

    def __init__(self, number: int, threads: int, seconds: float, partner: Partner) -> None:
        self.number = number
        self.threads = threads
        self.seconds = seconds
        """For the samples of one row."""
        self.partner = partner


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
        found |= {"seconds": [], "limit_seconds": [], "processor_seconds": []}
    named = fingerprint(result, expected, backend, arithmetic, verdict)
    figures |= {"margin": verdict.margin, "fingerprint": named}
    record(verdict.outcome, verdict.reason, **figures, **found)
    benchmark.extra_info |= {"margin": verdict.margin, "limit_seconds": found.get("limit_seconds")}
    if verdict.outcome != "agrees":
        pytest.fail(f"no speed: {verdict.reason}", pytrace=False)


def _timed(
    inputs: Inputs, case: Case, backend: Opened, process: ThisProcess, benchmark: BenchmarkFixture
) -> dict[str, Any]:
    """The result of the last run, and what was measured."""
    adapter, watch = backend.adapter, Watch()
    before, started = adapter.prepared(), time.perf_counter()
    call = adapter.load(inputs)
    loaded = time.perf_counter()
    call()
    called, after = time.perf_counter(), adapter.prepared()
    between: Between = (
        InTurn(process, backend, call)
        if process.partner.exists
        else Calibrated(adapter, case, call)
    )
    rounds = min(max(between.rounds(process.seconds), LEAST), MOST)
    raw = benchmark.pedantic(call, setup=between.before_sample, rounds=rounds, warmup_rounds=WARMUP)
    between.after_last()
    seconds = list(benchmark.stats.stats.data)
    return {
        "result": adapter.fetch(inputs, raw),
        "ran": adapter.ran(inputs),
        "load_seconds": loaded - started,
        "first_call_seconds": called - loaded,
        "tracing_seconds": _spent(before.tracing, after.tracing),
        "compiling_seconds": _spent(before.compiling, after.compiling),
        "seconds": seconds,
        "peak_memory_bytes": watch.peak_memory(),
        "conditions": watch.conditions(),
        **between.figures(len(seconds)),
    }


def _spent(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


class Between(Protocol):
    """What happens between samples."""

    def rounds(self, seconds: float) -> int:
        """How many samples fit into so many seconds."""

    def before_sample(self) -> None: ...

    def after_last(self) -> None: ...

    def figures(self, samples: int) -> dict[str, Any]:
        """Of the record, for so many samples."""


class Calibrated:
    """The limit's products, before, between and after samples."""

    def __init__(self, adapter: Backend, case: Case, call: Call) -> None:
        self._limit, self._call = limit(adapter, case), call
        self._products: list[float] = []

    def rounds(self, seconds: float) -> int:
        once = _seconds(self._call)
        self.before_sample()
        return round(seconds / (once + self._products[-1]))

    def before_sample(self) -> None:
        self._products.append(_seconds(self._limit.call))

    after_last = before_sample

    def figures(self, samples: int) -> dict[str, Any]:
        return {"limit_seconds": self._products[-samples - 1 :], "binds": self._limit.binds}


class InTurn:
    """A sample of the partner, then a run that does not count: the cache held what the partner used.

    Beside the time of a sample, that of its processor is measured: another process's is not in it.
    """

    def __init__(self, process: ThisProcess, backend: Opened, call: Call) -> None:
        self._partner, self._call = process.partner, call
        self._computes_here = process.threads == 1 and backend.device.partition(":")[0] == "cpu"
        self._processor: list[float] = []
        self._started: float | None = None

    def rounds(self, seconds: float) -> int:
        once = _seconds(self._call)
        return self._partner.agree(min(max(round(seconds / (2 * once)), LEAST_IN_TURN), MOST))

    def before_sample(self) -> None:
        self.after_last()
        self._partner.swap()
        self._call()
        self._started = time.process_time()

    def after_last(self) -> None:
        if self._started is not None:
            self._processor.append(time.process_time() - self._started)

    def figures(self, samples: int) -> dict[str, Any]:
        return {"processor_seconds": self._processor[-samples:] if self._computes_here else []}


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

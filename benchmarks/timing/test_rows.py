"""Time each workload on the backend of this process, and compare the timed results with the truth.

pytest-benchmark times the runs. Its set-up between runs times the limit's matmuls (``limit.py``) or, in one of a pair
of processes, lets the other one run (``alternation.py``).
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backends import Inputs, Unsupported
from backends.adapter import refusal
from benchmarks.timing import checked_rows
from benchmarks.timing.alternation import Alternation
from benchmarks.timing.cost import cost
from benchmarks.timing.gpu_clock import read_state
from benchmarks.timing.machine_load import Watch
from benchmarks.timing.sampling import AlternatingSampling, LimitSampling, Sampling
from benchmarks.timing.workloads import Mode, Workload
from conformance.cases import Case
from conformance.check import compare, find_fingerprint, validate_result
from conformance.draw import digest
from conformance.open_backend import OpenBackend
from conformance.truth import truth
from records.schema import Measurement, Outcome


class ThisProcess(NamedTuple):
    """Facts about this process that every row's record has, besides the measured figures."""

    number: int
    threads: int
    seconds: float
    """Time for the samples of one row."""
    dtype: str
    alternation: Alternation


@pytest.mark.filterwarnings("default")  # warnings of a framework are not failures
def test_row(
    workload: Workload,
    mode: Mode,
    backend: OpenBackend,
    process: ThisProcess,
    write: Callable[[Measurement], None],
    benchmark: BenchmarkFixture,
) -> None:
    case = workload.case(mode, process.dtype)
    rows = checked_rows.choose_rows(case)
    inputs = checked_rows.timed_inputs(case, rows)
    of_rows = checked_rows.select_inputs(inputs, rows)

    def record(outcome: Outcome, reason: str, **figures: Any) -> None:
        row = _measurement(workload, mode, case, backend, process, outcome, reason, **figures)
        write(row)

    figures: dict[str, Any] = {"workload_version": digest(of_rows)}
    figures["checked"] = checked_rows.describe(case, rows)
    adapter = backend.adapter
    if refused := refusal(adapter.dialect, inputs, adapter.kind):
        record("unsupported", refused, **figures)
        pytest.skip(refused)
    expected = truth(of_rows)  # outside the try: an error in it is not the backend's
    try:
        found = _timed(inputs, case, backend, process, benchmark)
        result = validate_result(checked_rows.select_result(inputs, found.pop("result"), rows))
    except Unsupported as why:
        record("unsupported", str(why), **figures)
        pytest.skip(str(why))  # the row is recorded; pytest counts it as skipped
    except Exception as error:  # any failure of a backend is recorded and raised again
        record("errored", f"{type(error).__name__}: {error}", **figures)
        raise
    arithmetic = backend.adapter.dialect.held_to(case.named_dtype, backend.adapter.kind)
    verdict = compare(result, expected, backend, arithmetic)
    if verdict.outcome != "agrees":
        samples = ("seconds", "device_seconds", "limit_seconds", "processor_seconds")
        found |= {name: [] for name in samples}
    named = find_fingerprint(result, expected, backend, arithmetic, verdict)
    figures |= {"margin": verdict.margin, "fingerprint": named}
    record(verdict.outcome, verdict.reason, **figures, **found)
    benchmark.extra_info |= {"margin": verdict.margin, "limit_seconds": found.get("limit_seconds")}
    if verdict.outcome != "agrees":
        pytest.fail(f"no speed: {verdict.reason}", pytrace=False)


def _timed(
    inputs: Inputs,
    case: Case,
    backend: OpenBackend,
    process: ThisProcess,
    benchmark: BenchmarkFixture,
) -> dict[str, Any]:
    """Time a network; return the result of the last run and all figures, by field of ``Measurement``."""
    adapter, watch = backend.adapter, Watch()
    before, started = adapter.prepared(), time.perf_counter()
    call = adapter.load(inputs)
    loaded = time.perf_counter()
    call()
    called, after = time.perf_counter(), adapter.prepared()
    sampling: Sampling
    if process.alternation.paired:
        one = process.threads == 1 and adapter.kind == "cpu"
        sampling = AlternatingSampling(process.alternation, call, one_processor=one)
    else:
        sampling = LimitSampling(adapter, case, call)
    rounds = sampling.count_samples(process.seconds)
    # The network is warm: after the first call, another one was made to choose the number of samples.
    raw = benchmark.pedantic(call, setup=sampling.before_sample, rounds=rounds)
    sampling.after_last()
    seconds = list(benchmark.stats.stats.data)
    gpu = read_state(adapter.device_number) if adapter.kind == "cuda" else None
    return {
        "result": adapter.fetch(inputs, raw),
        "ran": adapter.ran(inputs),
        "load_seconds": loaded - started,
        "first_call_seconds": called - loaded,
        "tracing_seconds": _spent(before.tracing, after.tracing),
        "compiling_seconds": _spent(before.compiling, after.compiling),
        "seconds": seconds,
        "device_seconds": [s for _ in seconds if (s := adapter.on_device(call)) is not None],
        "gpu": gpu,
        "peak_memory_bytes": watch.peak_memory(),
        "conditions": watch.conditions(),
        **sampling.record_fields(len(seconds)),
    }


def _spent(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _measurement(
    workload: Workload,
    mode: Mode,
    case: Case,
    backend: OpenBackend,
    process: ThisProcess,
    outcome: Outcome,
    reason: str,
    *,
    seconds: Sequence[float] = (),
    **figures: Any,
) -> Measurement:
    """Return the record of one row in one process; without ``seconds``, it has no speed."""
    quartiles = statistics.quantiles(seconds, n=4) if seconds else None
    none = {"margin": None, "fingerprint": None, "ran": "", "first_call_seconds": None}
    return Measurement(
        workload=workload.name,
        backend=backend.name,
        device=backend.device,
        dtype=case.named_dtype,
        mode=mode,
        outcome=outcome,
        reason=reason,
        seconds=list(seconds),
        min_seconds=min(seconds, default=None),
        median_seconds=quartiles[1] if quartiles else None,
        iqr_seconds=quartiles[2] - quartiles[0] if quartiles else None,
        repeat=_repeat_command(workload, mode, case.named_dtype, backend),
        threads=process.threads,
        process=process.number,
        steps=workload.steps,
        **cost(case)._asdict(),
        **none | figures,
    )


def _repeat_command(workload: Workload, mode: Mode, dtype: str, backend: OpenBackend) -> str:
    """Return the command that times one workload again."""
    options = {"--backend": backend.name, "--device": backend.device, "--workload": workload.name,
               "--mode": mode, "--dtype": dtype}  # fmt: skip
    return shlex.join(["rnnspec", "bench", *(part for o in options.items() for part in o)])

"""Time each workload on the backend of this process, and hold what was timed to the truth."""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backends import Unsupported
from benchmarks.workloads import flops
from conformance.cases import Case
from conformance.check import checked, fingerprint, hold
from conformance.draw import draw
from conformance.opened import Opened
from conformance.truth import truth
from reports.records import Measurement, Outcome

WARMUP_ROUNDS = 5
ROUNDS = 40


@pytest.mark.filterwarnings("default")  # a framework's own warnings are no outcome
def test_forward(
    workload: Case,
    backend: Opened,
    write: Callable[[Measurement], None],
    benchmark: BenchmarkFixture,
) -> None:
    inputs = draw(workload)
    expected = truth(inputs)

    def record(outcome: Outcome, reason: str, **figures: Any) -> None:
        write(_measurement(workload, backend, expected.version, outcome, reason, **figures))

    try:
        started = time.perf_counter()
        call = backend.adapter.load(inputs)
        call()
        first_call = time.perf_counter() - started
        raw = benchmark.pedantic(call, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)
        result = checked(backend.adapter.fetch(inputs, raw))
        ran, arithmetic = (
            backend.adapter.ran(inputs),
            backend.adapter.dialect.arithmetic[workload.dtype],
        )
    except Unsupported as why:
        record("unsupported", str(why))
        pytest.skip(str(why))
    except Exception as error:  # any failure of a backend is an outcome, and is raised again
        record("errored", f"{type(error).__name__}: {error}")
        raise
    verdict = hold(result, expected, backend, arithmetic)
    agrees = verdict.outcome == "agrees"
    record(
        verdict.outcome,
        verdict.reason,
        margin=verdict.margin,
        fingerprint=fingerprint(result, expected, backend, arithmetic, verdict),
        ran=ran,
        first_call_seconds=first_call,
        seconds=list(benchmark.stats.stats.data) if agrees else [],
    )
    benchmark.extra_info |= {"margin": verdict.margin, "flops": flops(workload)}
    if not agrees:
        pytest.fail(f"no speed: {verdict.reason}", pytrace=False)


def _measurement(
    workload: Case,
    backend: Opened,
    version: str,
    outcome: Outcome,
    reason: str,
    *,
    seconds: Sequence[float] = (),
    **figures: Any,
) -> Measurement:
    """The record of one workload; its speed is that of ``seconds``, or none."""
    quartiles = statistics.quantiles(seconds, n=4) if seconds else None
    return Measurement(
        workload=workload.id.removesuffix(f"/{workload.dtype}"),
        workload_version=version,
        backend=backend.name,
        device=backend.device,
        dtype=workload.dtype,
        mode="forward",
        outcome=outcome,
        reason=reason,
        **{"margin": None, "fingerprint": None, "ran": "", "first_call_seconds": None, **figures},
        seconds=list(seconds),
        min_seconds=min(seconds, default=None),
        median_seconds=quartiles[1] if quartiles else None,
        iqr_seconds=quartiles[2] - quartiles[0] if quartiles else None,
        flops=flops(workload),
        repeat=_repeat_command(workload, backend),
    )


def _repeat_command(workload: Case, backend: Opened) -> str:
    """One command that times one workload again."""
    options = {"--backend": backend.name, "--device": backend.device, "--workload": workload.id}
    return shlex.join(
        ["python", "-m", "benchmarks", *(part for o in options.items() for part in o)]
    )

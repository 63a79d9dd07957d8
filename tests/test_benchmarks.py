"""The benchmarks end in the right record: a speed only where the timed result agrees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.workloads import WORKLOADS, flops
from conformance.cases import Case
from reference import Spec
from reports.exit_codes import ExitCode
from reports.records import Measurement
from reports.runs import read_folder

ROOT = Path(__file__).parents[1]
FAKES = Path(__file__).parent / "fakes.py"


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory, so that the workload's radius is computed once for all tests."""
    return tmp_path_factory.mktemp("cached")


def bench(folder: Path, out: Path, *arguments: str) -> tuple[int, list[Measurement], str]:
    """The exit code, the measurements and the output of ``python -m benchmarks``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--out", str(out), *arguments],
        cwd=folder, env=inherited | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    runs, bad = read_folder(out / "runs")
    assert not bad, f"run files that cannot be read: {bad}"
    return done.returncode, [m for run in runs for m in run.measurements], done.stdout + done.stderr


def test_a_result_that_agrees_has_a_speed(cached: Path, tmp_path: Path) -> None:
    code, measured, printed = bench(cached, tmp_path, "--backend", f"{FAKES}:Right")
    assert code == ExitCode.CLEAN, printed
    assert [m.outcome for m in measured] == ["agrees"] * len(WORKLOADS), printed
    for m in measured:
        assert m.min_seconds == min(m.seconds), "the minimum is that of the samples"
        assert len(m.seconds) >= 5, "a median wants samples"
        assert m.first_call_seconds is not None
        assert m.margin is not None
        assert m.margin <= 1
    assert list((tmp_path / "runs").glob("*-pytest-benchmark.json")), "pytest-benchmark's JSON"


@pytest.mark.parametrize(("name", "outcome"), [("WrongShape", "differs"), ("Raises", "errored")])
def test_a_result_that_does_not_agree_has_none(
    cached: Path, tmp_path: Path, name: str, outcome: str
) -> None:
    code, measured, printed = bench(cached, tmp_path, "--backend", f"{FAKES}:{name}")
    assert code == ExitCode.CONFORMANCE_FAILURE, printed
    for m in measured:
        assert m.outcome == outcome, printed
        assert m.reason, "a row without a speed says why"
        assert not m.seconds, "a row that does not agree has no speed"
        assert m.min_seconds is None
        assert m.median_seconds is None


@pytest.mark.parametrize(
    "arguments", [(), ("--backend", "nobody"), ("--workload", "no/such")], ids=" ".join
)
def test_bad_options_are_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, measured, printed = bench(tmp_path, tmp_path, *arguments)
    assert code == ExitCode.HARNESS_ERROR, printed
    assert not measured, "nothing runs with bad options"


def test_several_backends_run_in_a_process_each(cached: Path, tmp_path: Path) -> None:
    both = ("--backend", f"{FAKES}:Right", "--backend", f"{FAKES}:Raises")
    code, measured, printed = bench(cached, tmp_path, *both)
    assert code == ExitCode.CONFORMANCE_FAILURE, printed
    assert sorted(m.outcome for m in measured) == ["agrees", "errored"], printed


def test_flops_are_counted_by_hand() -> None:
    spec = Spec(cell="gru", input_size=5, hidden_size=7, num_layers=2, direction="bidirectional")
    case = Case(id="by/hand", spec=spec, dtype="float32", batch=2, steps=3)
    first, second = 3 * 7 * (5 + 7), 3 * 7 * (2 * 7 + 7)
    assert flops(case) == 2 * 2 * 3 * 2 * (first + second)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_memory_counts_child_processes() -> None:
    child = "import time; x = b'x' * 2**28; time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", sys.executable, "-c", parent],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    gib = float(done.stdout.split()[-2])
    assert 0.25 <= gib < 0.4, f"a child holds 0.25 GiB, seen: {done.stdout}"

"""The benchmarks end in the right record: a speed only where the timed result agrees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest

from benchmarks.timing import checked_rows
from benchmarks.timing import machine_load as machine
from benchmarks.timing.cost import cost
from benchmarks.timing.limit import make_limit
from benchmarks.timing.options import SETS
from benchmarks.timing.schedule import Process, make_round, rounds_in_time
from benchmarks.timing.workloads import MODES, WORKLOADS, names_in_set
from conformance.cases import Case
from conformance.draw import draw
from conformance.evaluate import evaluate
from records.exit_codes import ExitCode
from records.runs import read_folder
from records.schema import Measurement
from reference import GATES, Spec

ROOT = Path(__file__).parents[2]
FAKES = Path(__file__).parents[1] / "support" / "fakes.py"
SMALL = ("--workload", "tutorial/4x2x3-5")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory, so that the workload's radius is computed once for all tests."""
    return tmp_path_factory.mktemp("cached")


def bench(folder: Path, out: Path, *arguments: str) -> tuple[int, list[Measurement], str]:
    """The exit code, the measurements and the output of ``rnnspec bench``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", "bench", "--out", str(out), *arguments],
        cwd=folder, env=inherited | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    runs, bad = read_folder(out / "runs")
    assert not bad, f"run files that cannot be read: {bad}"
    return done.returncode, [m for run in runs for m in run.measurements], done.stdout + done.stderr


@pytest.mark.processes
def test_a_result_that_agrees_has_a_speed_in_every_process(cached: Path, tmp_path: Path) -> None:
    given = ("--backend", f"{FAKES}:Right", *SMALL, "--processes", "2")
    code, measured, printed = bench(cached, tmp_path, *given)
    assert code == ExitCode.CLEAN, printed
    assert [m.outcome for m in measured] == ["agrees"] * 8, printed
    assert {(m.mode, m.process) for m in measured} == {(m, p) for m in MODES for p in (0, 1)}
    if hasattr(os, "sched_getaffinity"):
        assert {m.threads for m in measured} == {1, len(os.sched_getaffinity(0))}
    for m in measured:
        assert m.min_seconds == min(m.seconds), "the minimum is that of the samples"
        assert len(m.limit_seconds) == len(m.seconds) + 1, "calibrated before and after each"
        assert m.first_call_seconds is not None
        assert m.load_seconds is not None
        assert m.tracing_seconds is m.compiling_seconds is None, "NumPy does neither"
        assert m.margin is not None
        assert m.margin <= 1
        assert m.checked == "whole"
        assert m.binds
    found = list((tmp_path / "runs").glob("*-pytest-benchmark.json"))
    assert len(found) == 4, "pytest-benchmark's JSON of every process"
    rows = json.loads(found[0].read_text())["benchmarks"]
    assert len(rows) == 2, "both modes"


@pytest.mark.processes
@pytest.mark.parametrize(("name", "outcome"), [("WrongShape", "differs"), ("Raises", "errored")])
def test_a_result_that_does_not_agree_has_none(
    cached: Path, tmp_path: Path, name: str, outcome: str
) -> None:
    given = ("--backend", f"{FAKES}:{name}", *SMALL, "--mode", "forward", "--processes", "1")
    code, measured, printed = bench(cached, tmp_path, *given)
    assert code == ExitCode.CONFORMANCE_FAILURE, printed
    assert measured, printed
    for m in measured:
        assert m.outcome == outcome, printed
        assert m.reason, "a row without a speed says why"
        assert not m.has_speed, "a row that does not agree has no speed"
        assert not m.seconds
        assert m.min_seconds is None
        assert m.median_seconds is None


GRU_ALONE = """
from backends.dialects import SPECIFICATION
from conformance.specification import Specification

class Gru(Specification):
    dialect = SPECIFICATION.only(cells=["gru"], directions=["forward"])

    def load(self, inputs):
        assert inputs.spec.cell == "gru", "the backend was called"
        return super().load(inputs)
"""
"""A backend that declares a GRU alone, and does not refuse other networks itself."""


@pytest.mark.processes
def test_rows_that_the_dialect_does_not_run_are_unsupported_and_quick_has_one_for_every_cell(
    cached: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(GRU_ALONE, "utf-8")
    given = ("--backend", f"{tmp_path / 'mine.py'}:Gru", "--quick")
    code, measured, printed = bench(cached, tmp_path, *given)
    assert code == ExitCode.CLEAN, printed
    assert len(measured) == 2 * len(SETS["quick"])
    for m in measured:
        cell = WORKLOADS[m.workload].spec.cell
        assert m.outcome == ("agrees" if cell == "gru" else "unsupported"), (m.reason, printed)
        assert m.reason == ("" if cell == "gru" else f"cell: it has no {cell} cell")
        assert m.has_speed == (cell == "gru")
    assert {WORKLOADS[name].spec.cell for name in SETS["quick"]} == set(GATES)
    assert "cell: it has no lstm cell" in printed, "the option is named"


@pytest.mark.processes
def test_a_process_that_ends_is_told_and_is_not_tried_again(cached: Path, tmp_path: Path) -> None:
    both = ("--backend", f"{FAKES}:Aborts", "--backend", f"{FAKES}:Right")
    code, measured, printed = bench(
        cached, tmp_path, *both, *SMALL, "--mode", "forward", "--processes", "2"
    )
    assert code == ExitCode.HARNESS_ERROR, printed
    assert "the process ended with signal 6" in printed
    assert printed.count("the process ended with") == 1, "once, and the others are left out"
    assert [m.outcome for m in measured] == ["agrees"] * 4, "the other backend has all of its own"


@pytest.mark.processes
def test_a_backend_that_is_not_there_is_told_once(cached: Path, tmp_path: Path) -> None:
    given = ("--backend", f"{FAKES}:Wright", *SMALL, "--processes", "2")
    code, measured, printed = bench(cached, tmp_path, *given)
    assert code == ExitCode.HARNESS_ERROR, printed
    assert not measured
    assert " ".join(printed.split()).count("has no 'Wright'; did you mean Right?") == 1, printed


@pytest.mark.processes
@pytest.mark.parametrize(
    "arguments",
    [(), ("--backend", "nobody"), ("--backend", f"{FAKES}:Right", "--workload", "no/such"),
     ("--backend", f"{FAKES}:Right", "--mode", "backward"),
     ("--backend", f"{FAKES}:Right", "--processes", "0"),
     ("--backend", f"{FAKES}:Right", "--minutes", "0"),
     ("--backend", f"{FAKES}:Right", "--minutes", "1", "--self-comparison"),
     ("--backend", f"{FAKES}:Right", "--device", "tpu"),
     ("--backend", f"{FAKES}:Right", "--quick", "--full")],
    ids=" ".join,
)  # fmt: skip
def test_bad_options_are_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, measured, printed = bench(tmp_path, tmp_path, *arguments)
    assert code == ExitCode.HARNESS_ERROR, printed
    assert not measured, "nothing runs with bad options"
    assert "error: " in printed


@pytest.mark.processes
def test_what_is_left_out_for_the_time_is_told(cached: Path, tmp_path: Path) -> None:
    given = ("--backend", f"{FAKES}:Right", *SMALL, "--mode", "forward", "--minutes", "0.001")
    code, measured, printed = bench(cached, tmp_path, *given)
    assert code == ExitCode.CLEAN, printed
    assert [m.process for m in measured] == [0, 0], "one process in each series, however short"
    assert "timed 1 of 5 processes; the time budget, --minutes 0.001, is used up" in printed


def test_a_round_has_one_process_of_each_backend_in_turn() -> None:
    assert make_round(["a", "b"], (False, True), 7) == [
        Process("a", False, 7), Process("b", False, 7), Process("a", True, 7), Process("b", True, 7)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("most", "minutes", "taken", "begun"),
    [
        (3, None, [1000, 1000, 1000], 3),
        (5, 1.0, [10, 10, 10, 10, 10], 5),
        (5, 1.0, [20, 20, 20], 3),
        (5, 1.0, [20, 21], 2),
        (5, 1.0, [31], 1),
        (5, 1.0, [25, 5, 6], 3),
        (5, 0.01, [1000], 1),
    ],
)
def test_no_round_begins_that_would_end_too_late(
    monkeypatch: pytest.MonkeyPatch, most: int, minutes: float | None, taken: list[int], begun: int
) -> None:
    now = 0.0
    monkeypatch.setattr("benchmarks.timing.schedule.time.monotonic", lambda: now)
    numbers = []
    for number in rounds_in_time(most, minutes):
        numbers.append(number)
        now += taken[number]
    assert numbers == list(range(begun))


def test_one_round_begins_however_short_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.timing.schedule.time.monotonic", iter(range(99)).__next__)
    assert list(rounds_in_time(5, 1e-9)) == [0]


def test_sets_are_of_workloads_and_every_workload_is_in_one() -> None:
    assert {*SETS["quick"]} < {*SETS["cpu"], *names_in_set("scaling")}
    assert {*SETS["cpu"], *SETS["cuda"], *names_in_set("scaling")} == set(WORKLOADS)


# Costs.


def test_flops_are_counted_by_hand() -> None:
    spec = Spec(cell="gru", input_size=5, hidden_size=7, num_layers=2, direction="bidirectional")
    case = Case(id="by/hand", spec=spec, dtype="float32", batch=2, steps=3)
    first, second = 3 * 7 * (5 + 7), 3 * 7 * (2 * 7 + 7)
    found = cost(case)
    assert found.flops == 2 * 2 * 3 * 2 * (first + second)
    assert found.deepbench_flops == 4 * (6 * 7 * 7 * 2 * 3)
    assert found.transcendentals == 4 * 3 * 7 * 2 * 3
    assert found.weight_bytes == 4 * 4 * 3 * 7 * 7


def test_training_makes_every_product_three_times() -> None:
    forward, training = (cost(WORKLOADS["deepbench/lstm-512-16-25"].case(m)) for m in MODES)
    assert training.flops == 3 * forward.flops == 3 * 2 * 4 * 512 * 1024 * 16 * 25
    assert training.deepbench_flops == forward.deepbench_flops == 8 * 512 * 512 * 16 * 25


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["tutorial/6x5x3-7", "tutorial/30-of-400-words"])
def test_a_limit_makes_the_products_that_a_cost_counts(name: str, mode: str) -> None:
    made: list[int] = []

    class Counts(fakes.Right):
        def products(self, W: object, v: object, dtype: str, times: int, *more: str) -> object:  # type: ignore[override]  # counts alone
            (n, m), (rows, width) = np.shape(W), np.shape(v)  # type: ignore[arg-type]  # arrays
            assert n == width
            made.append(2 * rows * n * m * times)
            return super().products(W, v, dtype, times, *more)  # type: ignore[arg-type]  # as above

    case = WORKLOADS[name].case(mode)  # type: ignore[arg-type]  # one of MODES
    make_limit(Counts("cpu"), case).call()
    assert sum(made) == cost(case).flops


# What is held to the specification.


@pytest.mark.parametrize("mode", MODES)
def test_two_rows_alone_have_what_they_have_in_the_batch(mode: str) -> None:
    spec = Spec(cell="lstm", input_size=3, hidden_size=4, num_layers=2, batch_first=False)
    case = Case(id="rows", spec=spec, dtype="float64", batch=5, steps=6, state=True,
                gradients=mode == "training")  # fmt: skip
    rows = np.array([1, 3])
    inputs = checked_rows.timed_inputs(case, rows)
    whole = fakes.Right("cpu").run(inputs)
    alone = evaluate(checked_rows.select_inputs(inputs, rows), lambda a: a)
    found = checked_rows.select_result(inputs, whole, rows).tensors
    assert found.keys() == alone.keys()
    for name, a in alone.items():
        np.testing.assert_allclose(found[name], a, rtol=1e-12, atol=1e-14, err_msg=name)


def test_a_wrong_row_that_is_held_is_seen_and_rows_are_drawn_by_name() -> None:
    case = WORKLOADS["deepbench/lstm-512-16-25"].case("forward")
    rows = checked_rows.choose_rows(case)
    assert len(rows) == 2
    assert np.array_equal(rows, checked_rows.choose_rows(case)), "the same at every call"
    assert checked_rows.describe(case, rows) == f"rows {rows[0]}, {rows[1]} of 16"
    small = WORKLOADS["tutorial/6x5x3-7"].case("forward")
    assert checked_rows.describe(small, checked_rows.choose_rows(small)) == "whole"


def test_incoming_gradients_are_0_but_in_rows() -> None:
    case = Case(id="rows", spec=Spec(cell="gru", input_size=2, hidden_size=3), dtype="float32",
                batch=4, steps=2, gradients=True)  # fmt: skip
    kept, drawn = checked_rows.timed_inputs(case, np.array([2])).incoming, draw(case).incoming
    assert kept is not None
    assert drawn is not None
    assert np.array_equal(kept.y[2], drawn.y[2])
    assert not kept.y[[0, 1, 3]].any()
    assert not kept.h_n[:, [0, 1, 3]].any()
    assert np.array_equal(kept.h_n[:, 2], drawn.h_n[:, 2])


# The machine.


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_memory_counts_child_processes() -> None:
    child = "import time; x = b'x' * 2**28; time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.studies.peak_memory", sys.executable, "-c", parent],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    gib = float(done.stdout.split()[-2])
    assert 0.25 <= gib < 0.4, f"a child holds 0.25 GiB, seen: {done.stdout}"


@pytest.mark.skipif(not machine.CLEAR.exists(), reason="reads Linux's /proc")
def test_a_peak_is_that_since_the_watch_began() -> None:
    before = np.ones(2**26)  # 512 MiB, let go of before the watch begins
    del before
    watch = machine.Watch()
    first = watch.peak_memory()
    held_now = np.ones(2**25)
    after = watch.peak_memory()
    if first is None or after is None:
        pytest.skip("the system does not let the peak be reset")
    assert 0.9 * held_now.nbytes < after - first < 1.2 * held_now.nbytes
    seen = watch.conditions()
    assert seen.steal is None or 0 <= seen.steal <= 1
    assert seen.involuntary_switches is not None

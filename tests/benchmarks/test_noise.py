"""The noise of identical code: the maths, the file, and the command that measures it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import sample_runs as sample
from rich.console import Console

from benchmarks.comparing import self_comparison
from benchmarks.comparing.noise import LEAST_PAIRS, estimate_noise
from benchmarks.comparing.noise_budgets import FILE, BadBudgets, Budget, read_budgets, write_budgets
from benchmarks.comparing.pairs import PairedMeasurements
from benchmarks.comparing.verdict import Change, estimate_change
from benchmarks.timing.options import Rows
from records.environment import available_cores
from records.exit_codes import ExitCode
from rnnspec.bench import bench

FAKES = Path(__file__).parents[1] / "support" / "fakes.py"
PAIRS = 7


def changes(spread: float, count: int = 40, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).normal(0, spread, count))


def judged(shift: float, spread: float, seed: int) -> Change:
    """A real comparison of pairs whose changes have that spread around ``shift``."""
    pairs = [[shift + d] for d in changes(spread, PAIRS, seed)]
    return estimate_change(pairs, str(seed))


def test_noise_grows_with_the_spread_and_shrinks_with_more_pairs() -> None:
    quiet, loud = estimate_noise(changes(0.01), PAIRS), estimate_noise(changes(0.03), PAIRS)
    assert quiet.budget == pytest.approx(loud.budget / 3, rel=0.1)
    assert quiet.detectable == pytest.approx(loud.detectable / 3, rel=0.1)
    assert estimate_noise(changes(0.01), 4 * PAIRS).detectable == pytest.approx(
        quiet.detectable / 2, rel=0.3
    )
    assert 0 < quiet.budget < quiet.detectable


def test_no_spread_is_no_noise() -> None:
    assert estimate_noise([0.0] * LEAST_PAIRS, PAIRS) == (0, 0)


def test_at_the_budget_false_alarms_are_few_and_at_the_detectable_change_hardly_any_is_missed() -> (
    None
):
    """Judges comparisons as in real use, from pairs that estimate_noise() has not seen."""
    found = estimate_noise(changes(0.02, 400), PAIRS)
    of_none = [judged(0.0, 0.02, seed).verdict(found) for seed in range(1000, 1300)]
    assert sum(v in ("slower", "faster") for v in of_none) <= 9, "3 are expected"
    slower = math.log1p(found.detectable)
    of_all = [judged(slower, 0.02, seed).verdict(found) for seed in range(2000, 2300)]
    missed = sum(v != "slower" for v in of_all)
    assert 3 <= missed <= 30, f"15 are expected, {missed} were missed"


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{LEAST_PAIRS - 1} changes given"):
        estimate_noise([0.0] * (LEAST_PAIRS - 1), PAIRS)


# The file.


ROW = Budget(machine="1 × CPU", backend="pytorch", workload="w", mode="forward", device="cpu",
             dtype="float32", threads=1, changes=[0.01] * 6, pairs=6, budget=0.02,
             detectable=0.03)  # fmt: skip


def test_new_rows_take_the_place_of_old_ones_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "deep" / FILE
    assert read_budgets(path) == {}
    other = msgspec.structs.replace(ROW, machine="another")
    write_budgets(path, [ROW, other])
    newer = msgspec.structs.replace(ROW, changes=[0.0] * 6)
    write_budgets(path, [newer])
    assert read_budgets(path) == {other.key: other, newer.key: newer}
    assert [p.name for p in path.parent.iterdir()] == [FILE], "no half-written file is left"


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"machine": 3}]'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(
        BadBudgets, match="expected the file that `rnnspec bench --self-comparison` writes"
    ):
        read_budgets(path)
    with pytest.raises(BadBudgets):
        write_budgets(path, [ROW])
    assert path.read_text() == text, "what cannot be read is not overwritten"


# The command.


@pytest.mark.processes
@pytest.mark.parametrize(("on", "threads"), [([], 1), (["--all-processors"], available_cores())])
def test_a_backend_beside_itself_has_a_budget(
    on: list[str], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)  # or pytest-benchmark takes its processes for xdist's
    given = ["--workload", "tutorial/4x2x3-5", "--mode", "forward", "--quick", "--self-comparison", *on, "--pairs",
             "6", "--out", str(tmp_path)]  # fmt: skip
    assert bench(["--backend", f"{FAKES}:Right", *given]) == ExitCode.CLEAN
    (row,) = read_budgets(tmp_path / FILE).values()
    assert (row.workload, row.pairs, len(row.changes)) == ("tutorial/4x2x3-5", 6, 6)
    assert row.threads == threads
    assert row.load is not None
    assert row.load >= 0
    assert 0 <= row.budget <= row.detectable
    assert row.noise(6) == (row.budget, row.detectable)


def test_what_does_not_agree_has_no_budget_and_what_breaks_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [sample.measurement(outcome="differs", seconds=[], process=n) for n in range(6)]
    headers = (sample.header(), sample.header())
    for of, code in (
        (PairedMeasurements(wrong, wrong, headers), ExitCode.CONFORMANCE_FAILURE),
        (None, ExitCode.NOT_ENOUGH_DATA),
    ):
        monkeypatch.setattr(self_comparison, "time_pairs", lambda *given, of=of: of)
        rows = Rows(["w"], ["forward"])
        path = tmp_path / FILE
        assert (
            self_comparison.measure_noise(["a"], rows, 6, tmp_path, path, Console(quiet=True))
            == code
        )
        assert read_budgets(path) == {}


@pytest.mark.parametrize(("arguments", "why"), [
    (["--pairs", "6"], "--pairs: expected --processes"),
    (["--self-comparison", "--processes", "3"], "--processes: expected --pairs"),
    (["--all-processors"], "--all-processors: expected --self-comparison"),
    (["--self-comparison", "--pairs", "5"], "expected an integer of 6 or more"),
])  # fmt: skip
def test_bad_options_are_refused(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(["--backend", "pytorch", *arguments])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert why in capsys.readouterr().err


@pytest.mark.processes
def test_a_slowed_backend_is_slower_by_its_share(tmp_path: Path) -> None:
    """Compares processor time, since wall time depends on the machine."""
    script = f"""
import sys, time
sys.path.insert(0, {str(FAKES.parent)!r})
import fakes, backends
from benchmarks.studies import slowed
from backends.adapter import Backend

class Busy(fakes.Right):
    def load(self, inputs):
        def call():
            until = time.process_time() + 0.05
            while time.process_time() < until:
                pass
        return call

backends.BACKENDS["busy"] = None
slowed.find = lambda name: Busy
call = slowed.busy("cpu").load(None)
started = time.process_time()
call()
print((time.process_time() - started) / 0.05 - 1)
"""  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=False, cwd=FAKES.parents[2])  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(0.15, abs=0.01)

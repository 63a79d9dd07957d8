"""The comparison of two sides from end to end: what it calls, what it refuses, and what it writes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import rnnspec.compare as command
from benchmarks.comparing import revisions as compare
from benchmarks.comparing import sides
from benchmarks.comparing.noise_budgets import Budget, write_budgets
from benchmarks.comparing.revisions import ASSUMED
from benchmarks.comparing.sides import BadSide, Side
from records.environment import environment
from records.exit_codes import ExitCode
from records.runs import read_folder

ROOT = Path(__file__).parents[2]
FAKES = Path(__file__).parents[1] / "support" / "fakes.py"


@pytest.fixture
def two_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sides of this checkout, called by their names; of "slower", backends can see that they are."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(
            name
        )  # or pytest-benchmark takes its processes for xdist's, and times nothing

    def side(given: str, extra: str | None) -> Side:
        assert extra is None, "a backend from outside the tree brings its own"
        checkout = Path(os.pathsep.join([str(tmp_path / given), str(ROOT)]))
        return Side(given, checkout, Path(sys.executable))

    monkeypatch.setattr(compare, "prepare_side", side)


def run(folder: Path, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """The exit code, and what was written."""
    given = ["--workload", "tutorial/4x2x3-5", "--mode", "forward", "--pairs", "3", "--out",
             str(folder)]  # fmt: skip
    code = command.compare([*arguments, *given])
    written = list(folder.rglob("comparison.json"))
    return code, json.loads(written[0].read_text()) if written else []


@pytest.mark.processes
@pytest.mark.usefixtures("two_sides")
def test_a_side_that_is_twice_as_slow_is_a_regression(tmp_path: Path) -> None:
    code, rows = run(tmp_path, "base", "slower", "--backend", f"{FAKES}:TwiceAsSlow")
    assert code == ExitCode.PERFORMANCE_REGRESSION
    (row,) = rows
    assert row["verdict"] == "slower"
    assert row["noise"] == ASSUMED._asdict(), "none was measured"
    assert row["base_margin"] == row["head_margin"], "the same result"
    assert sorted(p.name for p in next((tmp_path / "compare").iterdir()).iterdir()) == [
        "again", "comparison.json", "first",
    ], "what seems slower is timed again"  # fmt: skip
    runs, bad = read_folder(next((tmp_path / "compare").rglob("head/runs")))
    assert not bad
    assert [len(r.measurements) for r in runs] == [3], "the measurements of one side"
    for m in runs[0].measurements:
        assert len(m.processor_seconds) == len(m.seconds), "on one processor its time is measured"


@pytest.mark.processes
@pytest.mark.usefixtures("two_sides")
def test_a_side_that_waits_is_no_pass(tmp_path: Path) -> None:
    code, (row,) = run(tmp_path, "base", "slower", "--backend", f"{FAKES}:Waits")
    assert (code, row["verdict"]) == (ExitCode.NOT_ENOUGH_DATA, "ambiguous"), row


@pytest.mark.processes
@pytest.mark.usefixtures("two_sides")
def test_the_budget_is_that_which_was_measured_of_the_row_on_this_machine(tmp_path: Path) -> None:
    who = f"{FAKES}:TwiceAsSlow"
    one_processor = msgspec.structs.replace(environment(), cores=1)
    noisy = Budget(
        machine=one_processor.machine, backend=who, workload="tutorial/4x2x3-5",
        mode="forward", device="cpu", dtype="float32", threads=1, changes=[2.0, -2.0] * 5,
        pairs=10, budget=0, detectable=0,
    )  # fmt: skip
    write_budgets(
        tmp_path / "budgets.json", [noisy, msgspec.structs.replace(noisy, workload="other")]
    )
    given = ("base", "slower", "--backend", who, "--budgets", str(tmp_path / "budgets.json"))
    code, (row,) = run(tmp_path, *given)
    assert row["noise"]["budget"] == pytest.approx(math.expm1(2)), "of three such pairs"
    assert (code, row["verdict"]) == (ExitCode.CLEAN, "same"), "identical code differs by as much"


@pytest.mark.processes
@pytest.mark.usefixtures("two_sides")
def test_a_side_that_is_twice_as_fast_is_called_so(tmp_path: Path) -> None:
    code, rows = run(tmp_path, "slower", "head", "--backend", f"{FAKES}:TwiceAsSlow")
    assert code == ExitCode.CLEAN
    assert [row["verdict"] for row in rows] == ["faster"]


@pytest.mark.processes
@pytest.mark.usefixtures("two_sides")
@pytest.mark.parametrize(("fake", "code"), [
    ("WrongShape", ExitCode.CONFORMANCE_FAILURE),
    ("Aborts", ExitCode.NOT_ENOUGH_DATA),
])  # fmt: skip
def test_a_side_without_a_speed_is_no_pass(tmp_path: Path, fake: str, code: ExitCode) -> None:
    found, rows = run(tmp_path, "base", "head", "--backend", f"{FAKES}:{fake}")
    assert found == code
    assert all(row["verdict"] == "ambiguous" for row in rows)


@pytest.mark.parametrize(("arguments", "why"), [
    (("HEAD", "HEAD"), "--backend: none given"),
    (("no-such-revision", "HEAD", "--backend", "pytorch"), "neither a git revision"),
    (("HEAD", "HEAD", "--backend", "pytorch", "--backend", "jax_scan"), "of one framework"),
    (("HEAD", "HEAD", "--backend", "pytorch", "--pairs", "2"), "--pairs"),
    (("HEAD", "HEAD", "--backend", "pytorch", "--budget", "-1"), "--budget"),
    (("HEAD", "HEAD", "--backend", "pytorch", "--budgets", str(FAKES)), "expected the file that `rnnspec bench"),
    (("HEAD",), "BASE, HEAD: expected two git revisions"),
], ids=str)  # fmt: skip
def test_bad_options_are_refused(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sides, "_environment", lambda *given: Path(sys.executable))
    with pytest.raises(SystemExit) as ended:
        command.compare([*arguments, "--out", str(tmp_path)])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nothing runs with bad options"


# Sides.


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two revisions: one whose processes cannot alternate, and one whose can."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "pyproject.toml").write_text("[project]\ndependencies = []\n"
                                           "[project.optional-dependencies]\n")  # fmt: skip
    (folder / "constraints.txt").write_text("jax==1.0\njaxlib==1.0\ntorch==2.0\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "before")
    (folder / sides.PROTOCOL).parent.mkdir(parents=True)
    (folder / sides.PROTOCOL).touch()
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "after")
    monkeypatch.setattr(sides, "ROOT", folder)
    monkeypatch.setattr(sides, "CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.processes
def test_a_revision_is_a_checkout_of_its_own_with_an_environment(repository: Path) -> None:
    found = sides.prepare_side("HEAD", None)
    assert found.checkout.name == git(repository, "rev-parse", "HEAD")[:12]
    assert (found.checkout / sides.PROTOCOL).exists()
    version = subprocess.run([found.python, "-V"], check=True, capture_output=True, text=True)
    assert version.stdout.split()[1] == sys.version.split()[0]
    assert sides.prepare_side("HEAD", None) == found, "made once"


@pytest.mark.processes
def test_a_revision_that_cannot_take_turns_is_refused(repository: Path) -> None:
    with pytest.raises(BadSide, match=r"no benchmarks/timing/alternation\.py"):
        sides.prepare_side("HEAD~1", None)


@pytest.mark.processes
def test_a_version_is_this_checkout_without_the_constraint_that_it_replaces(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[list[str]] = []
    monkeypatch.setattr(sides, "_run", made.append)
    monkeypatch.setattr(Path, "touch", lambda self: None)
    monkeypatch.setattr(Path, "write_text", lambda self, text, encoding: made.append([text]))
    found = sides.prepare_side("jax==0.9.2", None)
    assert found.checkout == repository
    assert ["torch==2.0\n"] in made, "neither jax nor jaxlib is pinned to the tested version"
    assert "jax==0.9.2" in made[-1]

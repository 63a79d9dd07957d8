"""Two backends compared: the ratio of the first to the second; rows whose results differ have none."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

import rnnspec.compare as command
from benchmarks.comparing import backends as beside
from benchmarks.comparing.verdict import Change
from benchmarks.studies import hoisting
from records.exit_codes import ExitCode

GRU_ALONE = """
from backends.dialects import SPECIFICATION
from conformance.specification import Specification

class Gru(Specification):
    dialect = SPECIFICATION.only(cells=["gru"])

    def load(self, inputs):
        raise ValueError("the backend was called")
"""
FAKES = Path(__file__).parents[1] / "support" / "fakes.py"


def run(folder: Path, first: str, second: str, *more: str) -> int:
    given = [
        "--workload",
        "tutorial/4x2x3-5",
        "--mode",
        "forward",
        "--pairs",
        "3",
        "--out",
        str(folder),
    ]
    return command.compare(["--backends", first, second, *given, *more])


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)  # or pytest-benchmark takes its processes for xdist's


@pytest.mark.processes
def test_the_first_takes_so_many_times_as_long_as_the_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = f"{FAKES}:Waits", f"{FAKES}:Right"  # 20 ms and the other's time
    for first, second, more in ((slow, fast, True), (fast, slow, False)):
        assert run(tmp_path, first, second) == ExitCode.CLEAN
        (row,) = [
            line for line in capsys.readouterr().out.splitlines() if line.startswith("tutorial/")
        ]
        ratio = float(row.split()[4])
        assert ratio > 2 if more else ratio < 0.5, row


@pytest.mark.processes
def test_what_differs_has_no_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(tmp_path, f"{FAKES}:Right", f"{FAKES}:WrongShape")
    assert code == ExitCode.CONFORMANCE_FAILURE
    printed = capsys.readouterr().out
    assert f"no speed: differs on {FAKES}:WrongShape: " in printed
    assert "(tutorial/4x2x3-5 forward)" in printed


@pytest.mark.processes
def test_a_row_that_one_dialect_does_not_run_is_unsupported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(GRU_ALONE, "utf-8")
    mine = f"{tmp_path / 'mine.py'}:Gru"
    assert run(tmp_path, f"{FAKES}:Right", mine) == ExitCode.CLEAN
    printed = capsys.readouterr().out
    assert "unsupported: no speed" in printed
    assert f"no speed: unsupported on {mine}: cell: it has no lstm cell" in printed


@pytest.mark.processes
def test_a_backend_that_is_not_there_is_told_after_one_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, f"{FAKES}:Right", f"{FAKES}:Wright") == ExitCode.NOT_ENOUGH_DATA
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("has no 'Wright'; did you mean Right?") == 1, printed


@pytest.mark.parametrize(("first", "more", "why"), [
    ("nobody", (), "--backend: 'nobody' given; expected one of"),
    ("pytorch", ("--device", "tpu"), "expected cpu, cuda"),
    ("pytorch", ("--pairs", "2"), "--pairs"),
])  # fmt: skip
def test_bad_options_are_refused(
    first: str, more: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.compare(["--backends", first, "pytorch_cells", "--out", str(tmp_path), *more])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nothing runs with bad options"


def test_a_ratio_is_the_power_of_a_change() -> None:
    assert beside._ratio(Change(math.log(2), math.log(1.5), math.log(2.5))) == (
        "2.000",
        "1.500 to 2.500",
    )


def test_a_backend_can_be_made_to_choose_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("chooser")
    monkeypatch.setitem(sys.modules, "chooser", module)
    monkeypatch.setattr(hoisting, "CHOOSERS", {"jax_vjp": ("chooser",)})
    monkeypatch.setattr(hoisting, "find", lambda name: name)
    for how, chosen in (("always", True), ("never", False)):
        assert getattr(hoisting, f"{how}_jax_vjp") == "jax_vjp"
        assert module.hoists(16, 3, 5) is chosen
    for name in ("sometimes_jax_vjp", "always_pytorch", "jax_vjp"):
        with pytest.raises(AttributeError, match=name):
            getattr(hoisting, name)

"""``python -m benchmarks.studies.libraries``, with fake libraries: only equal results are timed."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.studies.libraries import __main__ as command
from benchmarks.studies.libraries.library import Calls, Library, Size, difference
from records.exit_codes import ExitCode

SIZES = ((1, 2, 3, 4),)


def _library(name: str, result: float, seconds: float = 0.0) -> Library:
    def theirs() -> list[Any]:
        time.sleep(seconds)
        return [np.array([1.0, result])]

    def calls(size: Size) -> Calls:
        assert size == SIZES[0]
        return lambda: [np.array([1.0, 2.0])], theirs

    return Library(name, "how long they sleep", SIZES, calls)


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the libraries that the reference is compared with."""

    def of(*libraries: Library) -> None:
        monkeypatch.setattr(
            command, "import_module", lambda _: SimpleNamespace(LIBRARIES=libraries)
        )

    return of


def test_a_library_is_timed_against_ours(group: Any, capsys: pytest.CaptureFixture[str]) -> None:
    group(_library("Sleeper", 2.0, 0.002))
    assert command.main(["reference"]) == ExitCode.CLEAN
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if "(1, 2, 3, 4)" in line)
    ours, theirs, ratio = (float(part) for part in row.replace("│", " ").split()[4:7])
    assert theirs >= 2.0, f"it sleeps two milliseconds: {row}"
    assert ratio > 1 > ours, f"and ours does not: {row}"


def test_a_library_that_differs_is_not_timed(
    group: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    group(_library("Wrong", 2.001))
    assert command.main(["reference"]) == ExitCode.CONFORMANCE_FAILURE
    printed = capsys.readouterr()
    assert "Wrong (1, 2, 3, 4): tensor 0 differs" in printed.err
    assert "not timed" in printed.err
    assert "rnnspec ms" not in printed.out


@pytest.mark.parametrize(
    ("theirs", "same"),
    [(2.0, True), (2.0 + 1e-5, True), (2.0 + 3e-5, False), (float("nan"), False)],
)
def test_equal_is_equal_to_five_digits(theirs: float, same: bool) -> None:
    assert (difference([np.array([1.0, 2.0])], [np.array([1.0, theirs])]) == "") is same

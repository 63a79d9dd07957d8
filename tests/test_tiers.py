"""Every test belongs to one tier, and .ci/run runs every tier but those on request."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci" / "run").read_text("utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MARKERS = [line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]]


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    import noxfile  # noqa: PLC0415

    return noxfile


def sessions_in(script: str) -> list[str]:
    """Return the names of the sessions that a shell script runs with all their tests."""
    lines = re.findall(r"^(?!\s*#).*nox -s ([^#\n]+)", script, re.MULTILINE)
    return [name for line in lines if " -- " not in line for name in line.split()]


def pytest_options(noxfile: ModuleType, name: str) -> list[list[str]]:
    """Return the arguments of every pytest call of a session, without running any."""
    calls: list[list[str]] = []

    def run(*arguments: str, **_: Any) -> None:
        calls.append(list(arguments))

    session = SimpleNamespace(name=name, posargs=[], install=lambda *_: None, run=run)
    getattr(noxfile, name)(session)
    return [call[1:] for call in calls if call[0] == "pytest"]


def selections(noxfile: ModuleType, script: str) -> list[str]:
    """Return the marker expressions with which a script runs the whole suite of tests."""
    found = []
    for name in sessions_in(script):
        if name in noxfile.TIERS:
            (options,) = pytest_options(noxfile, name)
            assert not any(word.startswith("tests") for word in options), f"{name}: some files only"
            found.append(options[options.index("-m") + 1])
    return found


def uncovered(noxfile: ModuleType, script: str) -> list[str]:
    """Return each set of markers whose tests a script runs not exactly once, in words."""
    expressions = [Expression.compile(text) for text in selections(noxfile, script)]
    expected = [name for name in MARKERS if name not in noxfile.ON_REQUEST]
    found = []
    for size in range(len(expected) + 1):
        for marks in combinations(expected, size):
            times = sum(e.evaluate(lambda name, **_: name in marks) for e in expressions)  # noqa: B023
            if times != 1:
                found.append(f"tests marked {', '.join(marks) or 'nothing'} run {times} times")
    return found


def test_ci_runs_every_test_once(noxfile: ModuleType) -> None:
    assert not uncovered(noxfile, CI), ".ci/run has to run each tier once"
    assert set(noxfile.ON_REQUEST) < set(MARKERS), "ON_REQUEST names markers of pyproject.toml"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("nox -s processes", "nox -l"), "tests marked processes run 0 times"),
        (("nox -s tests", "nox -s tests processes"), "tests marked processes run 2 times"),
        (("timed .venv/bin/nox -s tests", "# nox -s tests"), "tests marked nothing run 0 times"),
        (("nox -s tests", "nox -s tests -- -k page"), "tests marked nothing run 0 times"),
    ],
)
def test_a_tier_that_ci_leaves_out_is_seen(
    change: tuple[str, str], complaint: str, noxfile: ModuleType
) -> None:
    assert change[0] in CI
    assert uncovered(noxfile, CI.replace(*change)) == [complaint]

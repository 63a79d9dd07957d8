"""Tests of the default cases that secondary backends leave to their primary."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from backends import BACKENDS
from conformance.cases import GRADIENTS, Case, default_cases, read_rows

SECONDARY = [name for name, entry in BACKENDS.items() if entry.left_out]
PAIRS = {GRADIENTS + "/".join(row.values()) for row in read_rows("gradient_cases.txt")}
IDS = [case.id for case in default_cases()]


def run_by(name: str) -> set[str]:
    left_out = BACKENDS[name].left_out
    return {i for i in IDS if not any(fnmatchcase(i, pattern) for pattern in left_out)}


@pytest.mark.parametrize("name", SECONDARY)
def test_every_pattern_leaves_out_a_default_case(name: str) -> None:
    idle = [p for p in BACKENDS[name].left_out if not any(fnmatchcase(i, p) for i in IDS)]
    assert not idle, f"{name}: no default case matches {idle}"


@pytest.mark.parametrize("name", SECONDARY)
def test_a_secondary_backend_runs_every_pair_networks_and_training(name: str) -> None:
    found = run_by(name)
    assert found >= PAIRS, f"{name} leaves out {sorted(PAIRS - found)[:3]}"
    for kind in ("tutorial/004-", "training/characters/", "training/forecasting/"):
        assert any(i.startswith(kind) for i in found), f"{name} runs none of {kind}"


def test_a_primary_backend_of_every_framework_leaves_nothing_out() -> None:
    whole = {entry.extra for entry in BACKENDS.values() if not entry.left_out}
    assert whole == {entry.extra for entry in BACKENDS.values()}


def test_calls_without_lengths_stay_in_every_backend() -> None:
    full = {c.id for c in default_cases() if isinstance(c, Case) and c.lengths == "full"}
    for name in BACKENDS:
        assert len(full & run_by(name)) > 5, f"{name} runs too few cases without lengths"

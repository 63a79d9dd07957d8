"""Tests of the order in which a session runs its cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.cases import AnyCase, Case, TrainingCase, by_id, default_cases, precision_variants
from conformance.session.schedule import by_program, program_of

BASE = by_id("lstm/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t7-i4-h4/float32")
assert isinstance(BASE, Case)

SAME = {
    "padding": replace(BASE, padding=2.0**15),
    "lengths": replace(BASE, lengths="short"),
    "forget bias": replace(BASE, spec=replace(BASE.spec, forget_bias=1.5)),
}
OTHER = {
    "no lengths": replace(BASE, lengths="full", padding=None),
    "no state": replace(BASE, state=False),
    "gradients": replace(BASE, gradients=True),
    "dtype": replace(BASE, dtype="float64"),
    "batch": replace(BASE, batch=6),
    "layers": replace(BASE, spec=replace(BASE.spec, num_layers=2)),
}


@pytest.mark.parametrize("what", SAME)
def test_cases_share_a_program_that_differ_in(what: str) -> None:
    assert program_of(SAME[what]) == program_of(BASE)


@pytest.mark.parametrize("what", OTHER)
def test_cases_have_programs_of_their_own_that_differ_in(what: str) -> None:
    assert program_of(OTHER[what]) != program_of(BASE)


def test_every_case_is_in_one_group_with_all_that_share_its_program() -> None:
    every = default_cases("cuda")
    groups = list(by_program([*every, *precision_variants(every)]))
    placed = [case.id for group in groups for case in group]
    assert len(placed) == len(set(placed)) > len(every)
    programs = [{program_of(case) for case in group} for group in groups]
    assert all(len(program) == 1 for program in programs)
    assert len(set().union(*programs)) == len(groups), "two groups have one program"


def test_training_comes_first() -> None:
    kinds = [isinstance(case, TrainingCase) for case in flat(default_cases())]
    assert kinds == sorted(kinds, reverse=True)
    assert any(kinds)


def flat(cases: list[AnyCase]) -> list[AnyCase]:
    return [case for group in by_program(cases) for case in group]

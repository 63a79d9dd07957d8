"""Tests of the order in which a session runs its cases."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.cases import AnyCase, Case, TrainingCase, by_id, default_cases, precision_variants
from conformance.session.recorder import SEPARATOR
from conformance.session.schedule import ProgramScheduling, by_program, program_of

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


# Workers that die.

TESTS = {f"test_case[{k}{SEPARATOR}backend]": f"group {k // 2 if k < 8 else k}" for k in range(14)}
"""The group of each test: pairs first, then tests that have a group to themselves."""


class Worker:
    """A worker of pytest-xdist: it begins a test only when it knows the next one, or that there is none."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="worker")
        self.waiting: list[int] = []
        self.shutting_down = False
        self.registered = False

    def send_runtest_some(self, tests: list[int]) -> None:
        self.waiting += tests

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.waiting) > 1 or (self.shutting_down and bool(self.waiting))

    @property
    def can_end(self) -> bool:
        return self.shutting_down and not self.waiting


def scheduling() -> Any:
    log: Any = SimpleNamespace(loadscopesched=lambda *_: None)
    config: Any = SimpleNamespace(
        option=SimpleNamespace(), getvalue=lambda _: ["popen"] * 2, getoption=lambda _: 2
    )
    groups = {t.partition("[")[2].partition(SEPARATOR)[0]: group for t, group in TESTS.items()}
    return ProgramScheduling(config, log, groups)


@pytest.mark.parametrize("seed", range(100))
def test_every_test_runs_once_whichever_workers_die(seed: int) -> None:
    """A session as pytest-xdist drives it: workers start, run, die and are replaced in any order."""
    chance = random.Random(seed)
    names = list(TESTS)
    workers = [Worker(), Worker()]
    schedule = scheduling()
    for worker in workers:
        schedule.add_node(worker)
    outcomes: Counter[str] = Counter()
    while workers:
        ready = [w for w in workers if not w.registered or w.can_run or w.can_end]
        assert ready, f"all workers wait, and {sorted(set(names) - set(outcomes))} never run"
        worker = chance.choice(ready)
        if not worker.registered:
            worker.registered = True
            schedule.add_node_collection(worker, names)
            if schedule.collection_is_completed:
                schedule.schedule()
        elif not worker.waiting:
            assert schedule.remove_node(worker) is None
            workers.remove(worker)
        elif chance.random() < 0.4:
            assert schedule.remove_node(worker) == names[worker.waiting[0]], (
                "another test is blamed"
            )
            outcomes[names[worker.waiting[0]]] += 1
            workers[workers.index(worker)] = replacement = Worker()
            schedule.add_node(replacement)
        else:
            test = worker.waiting.pop(0)
            outcomes[names[test]] += 1
            schedule.mark_test_complete(worker, test)
        if schedule.tests_finished:
            for worker in workers:
                worker.shutdown()
    assert outcomes == Counter(names)

"""Fuzzing: mistakes are found and made small, and a round's record says what it has shown."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import fakes
import msgspec
import pytest
import sample_runs as sample

from backends import Unsupported
from conformance.cases import by_id
from conformance.cases.fuzzed import FuzzedCase, parse_fuzz_id
from conformance.check import check
from conformance.draw import draw
from conformance.known_differences import KnownDifference
from conformance.open_backend import OpenBackend
from conformance.truth import truth
from evidence.fuzz import draws, isolated, pool, replay, rounds
from evidence.fuzz.draws import CASES_PER_GROUP, GROUPS
from evidence.fuzz.rounds import CaseOutcome, Tally
from evidence.fuzz.shrink import shrink, simpler_cases
from records.schema import CaseRecord, FuzzRecord
from tests.conformance.test_front_end import fake
from tests.evidence.test_fuzz_draws import ONE


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of 24 small cases; finds are not shrunk far. `nox -s fuzz` runs rounds of full size."""
    for name, value in {"GROUPS": 6, "LAYERS": (1, 2), "BATCH": 3, "STEPS": 5, "WIDTH": 4}.items():
        monkeypatch.setattr(draws, name, value)
    monkeypatch.setattr(rounds.Tally, "checks", 20)
    monkeypatch.setattr(rounds.Tally, "shrunk", 1)


def opened(kind: type[fakes.Right] = fakes.Right) -> OpenBackend:
    return OpenBackend(fake(kind.__name__), "cpu", kind("cpu"))


# Finding and making small.


class WrongInTwo(fakes.Right):
    """Wrong in two layers or more, where a sequence has more than two steps."""

    def spoilt(self, inputs: fakes.Inputs, result: fakes.Result) -> fakes.Result:
        steps = inputs.x.shape[1 if inputs.spec.batch_first else 0]
        if inputs.spec.num_layers < 2 or steps < 3:
            return result
        return fakes.changed(result, y=result.tensors["y"] + 2.0**-3)


def test_a_find_is_made_small() -> None:
    backend = opened(WrongInTwo)
    found = shrink(ONE, check(ONE.case(), backend), lambda one: check(one.case(), backend), 400)
    assert found.outcome == "differs"
    smallest = parse_fuzz_id(found.case)
    assert (smallest.layers, smallest.size) == (2, (1, 3, 1, 1)), "what it takes to fail, no more"
    assert smallest == replace(
        ONE, cell="vanilla-tanh", direction="forward", ends=None, padding="pad-none",
        state="no-state", bias="no-bias", layout="batch-major", inputs="plain", compared="forward",
        size=(1, 3, 1, 1), seed=smallest.seed,
    )  # fmt: skip


def test_everything_simpler_is_a_case_and_less() -> None:
    found = list(simpler_cases(ONE))
    assert len(found) > 15
    for one in found:
        assert by_id(one.id).id == one.id
        assert one.size <= ONE.size or one.size[1:] <= ONE.size[1:]


def test_simpler_are_fewer_layers_and_shorter_lengths() -> None:
    deep = replace(ONE, layers=4)
    assert {one.layers for one in simpler_cases(deep)} == {1, 3, 4}
    assert {one.layers for one in simpler_cases(replace(ONE, layers=3))} == {1, 2, 3}
    assert {one.ends for one in simpler_cases(ONE)} == {
        None, (5, 0, 3), (4, 0, 3), (2, 0, 2), (1, 0, 1), (5, 0), (5,),
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{"known": "a reason"}, {"outcome": "errored"}])
def test_making_small_keeps_to_its_checks_and_to_what_is_not_known(changes: dict[str, Any]) -> None:
    tried: list[FuzzedCase] = []
    first = check(ONE.case(), opened(fakes.PaddingNotZero))

    def otherwise(one: FuzzedCase) -> CaseRecord:
        tried.append(one)
        return msgspec.structs.replace(first, **changes)

    assert shrink(ONE, first, otherwise, 9) is first, "what ends otherwise is no smaller one"
    assert len(tried) == 9


def test_what_shows_in_other_numbers_only_is_made_small_with_those() -> None:
    first = check(ONE.case(), opened(fakes.PaddingNotZero))

    def seldom(one: FuzzedCase) -> CaseRecord:
        outcome = "differs" if one.seed == 2 else "agrees"
        return msgspec.structs.replace(first, case=one.id, outcome=outcome)

    smallest = parse_fuzz_id(shrink(ONE, first, seldom, 1000).case)
    assert (smallest.seed, smallest.size) == (2, (1, 1, 1, 1))


WRONG = {"LengthsIgnored", "PaddingNotZero", "EmptyRowsChange", "ForgetBiasIgnored",
         "Tf32Products", "Float32AsFloat64", "Raises"}  # fmt: skip


@pytest.mark.usefixtures("short_rounds")
@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_backend_is_found_out(name: str) -> None:
    kind: type[fakes.Right] = getattr(fakes, name)
    found = []
    for number in range(1, 40):
        found += rounds.run_round(2, number, [opened(kind)], [])
        if any(record.alarms for record in found):
            break
    alarms = [case for record in found for case in record.found]
    assert alarms, f"{name}: {len(found)} rounds, and nothing found"
    again = check(by_id(alarms[0].case), opened(kind))
    assert again.outcome == alarms[0].outcome, "it repeats by its id"


@pytest.mark.usefixtures("short_rounds")
def test_a_right_backend_raises_no_alarm() -> None:
    found = [
        record for number in range(1, 13) for record in rounds.run_round(9, number, [opened()], [])
    ]
    assert not any(record.alarms for record in found), [r.found for r in found]
    assert {record.checks for record in found} == {6 * CASES_PER_GROUP}
    assert all(set(record.outcomes) <= {"agrees", "inconclusive"} for record in found)
    assert all(record.seconds.keys() == {"reference", "backend"} for record in found)


@pytest.mark.usefixtures("short_rounds")
def test_what_is_known_is_no_alarm() -> None:
    name = fake("PaddingNotZero")
    entry = KnownDifference(name, "fuzz/*", "what is exact is not", "https://example.org")
    records = [r for number in range(1, 14)
               for r in rounds.run_round(2, number, [opened(fakes.PaddingNotZero)], [entry])]  # fmt: skip
    explained: Counter[str] = sum((Counter(r.known) for r in records), Counter())
    assert explained[entry.reason] > 20
    assert not any(record.alarms for record in records)
    other = msgspec.structs.replace(entry, shows="*not finite*")
    again = (
        rounds.run_round(2, number, [opened(fakes.PaddingNotZero)], [other])
        for number in range(1, 14)
    )
    assert any(r.alarms for found in again for r in found), "an entry explains no more than it says"
    assert sum(r.outcomes.get("differs", 0) for r in records) == explained.total()


# What a round has shown.


class Refuses(fakes.Right):
    def load(self, inputs: fakes.Inputs) -> Callable[[], Any]:
        raise Unsupported("not today")


class Exits(fakes.Right):
    def load(self, inputs: fakes.Inputs) -> Callable[[], Any]:
        raise SystemExit("I give up")


class WithoutGru(fakes.Right):
    dialect = replace(fakes.Right.dialect, cells={
        name: cell for name, cell in fakes.Right.dialect.cells.items() if name != "gru"
    })  # fmt: skip


@pytest.mark.usefixtures("short_rounds")
def test_what_a_backend_refuses_is_no_alarm_and_that_it_ends_is_one() -> None:
    (refused,) = rounds.run_round(2, 1, [opened(Refuses)], [])
    assert refused.outcomes == {"unsupported": 24}
    assert (refused.alarms, refused.margin) == (0, None)
    (ended,) = rounds.run_round(2, 1, [opened(Exits)], [])
    assert ended.outcomes == {"errored": 24}
    assert ended.alarms == 24
    assert "SystemExit: I give up" in ended.found[0].reason


@pytest.mark.usefixtures("short_rounds")
def test_a_round_is_for_the_backends_that_run_its_structure() -> None:
    """The other one has no record of it, not one of refusals."""
    backends = [opened(), opened(WithoutGru)]
    number = next(
        n for n in itertools.count(1) if rounds.draw_round(3, n, backends).cell.startswith("gru")
    )
    (only,) = rounds.run_round(3, number, backends, [])
    assert only.backend == fake("Right")
    of = rounds.draw_round(3, number, [opened(WithoutGru)])
    assert not of.cell.startswith("gru"), "alone, it has another structure drawn"


@pytest.mark.usefixtures("short_rounds")
def test_the_record_of_a_round_says_all_of_it() -> None:
    one = [opened()]
    number = next(n for n in itertools.count(1) if rounds.draw_round(9, n, one).dtype == "float32")
    (record,) = rounds.run_round(9, number, one, [])
    assert (record.seed, record.round, record.device) == (9, number, "cpu")
    assert (record.dtype, record.structure) == ("float32", rounds.draw_round(9, number, one).id)
    assert record.margin is not None
    assert 0 < record.margin <= 1
    assert all(spent > 0 for spent in record.seconds.values()), record.seconds


def test_the_margin_of_a_round_is_the_largest_of_what_agrees() -> None:
    tally = Tally(opened(), [])
    tally.add(ONE, CaseOutcome("inconclusive", 0.9))
    assert tally.record(1, 2, "float32", ONE.id).margin is None, "nothing agrees"
    for margin in (0.25, 0.5, 0.125):
        tally.add(ONE, CaseOutcome("agrees", margin))
    assert tally.record(1, 2, "float32", ONE.id).margin == 0.5


def test_the_largest_margin_of_a_round_is_that_of_all_its_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tally = Tally(opened(), [])
    record = sample.failed(case=ONE.id, margin=2.0)
    tally.add(ONE, CaseOutcome("agrees", 0.5))
    assert tally.record(1, 2, "float32", ONE.id).largest_margin == 0.5
    for margin in (7.75, 3.0):
        tally.add(ONE, CaseOutcome("differs", margin, lambda: record))
    monkeypatch.setattr(Tally, "shrunk", 0)
    drawn = tally.record(1, 2, "float32", ONE.id)
    assert (drawn.margin, drawn.largest_margin) == (0.5, 7.75)
    shrunk = msgspec.structs.replace(drawn, found=[sample.failed(margin=8.5)])
    assert shrunk.largest_margin == 8.5
    infinite = msgspec.structs.replace(drawn, found=[sample.failed(margin=None)])
    assert infinite.largest_margin == math.inf
    errored = msgspec.structs.replace(drawn, found=[sample.failed(outcome="errored", margin=None)])
    assert errored.largest_margin == 7.75, "an error has no margin"


def test_the_margin_of_a_drawn_alarm_is_in_its_outcome() -> None:
    backend = opened(WrongInTwo)
    whole = replace(ONE, ends=None, padding="pad-none")  # the margin is infinite in the padding
    outcome = rounds.check_case(whole, truth(draw(whole.case())), backend)
    assert outcome.outcome == "differs"
    assert outcome.margin is not None
    assert outcome.margin == check(whole.case(), backend).margin


class RefusesReset(fakes.Right):
    """Refuses what its dialect lists."""

    def load(self, inputs: fakes.Inputs) -> Callable[[], Any]:
        raise Unsupported(f"reset: not {inputs.spec.reset}")


def test_a_round_counts_what_was_refused_by_option() -> None:
    backend = opened(RefusesReset)
    outcome = rounds.check_case(ONE, truth(draw(ONE.case())), backend)
    tally = Tally(backend, [])
    for one in (outcome, outcome, CaseOutcome("unsupported", reason="no GRU")):
        tally.add(ONE, one)
    assert tally.record(1, 2, "float32", ONE.id).refused == {"reset": 2, "no GRU": 1}


@pytest.mark.usefixtures("short_rounds")
def test_alarms_are_made_small_and_the_others_named() -> None:
    backend = opened(WrongInTwo)
    tally = Tally(backend, [])
    cases = [replace(ONE, seed=k) for k in range(3)]
    for one in cases:
        tally.add(one, CaseOutcome("differs", None, partial(check, one.case(), backend)))
    record = tally.record(1, 2, "float32", ONE.id)
    (small,) = record.found
    assert small.outcome == "differs"
    assert parse_fuzz_id(small.case).direction == "forward", "it is as it was drawn"
    assert record.others == [one.id for one in cases[1:]]
    assert record.alarms == 3


@pytest.mark.parametrize("kind", [Tally, isolated.IsolatedTally])
def test_a_smaller_case_that_is_known_is_seen_to_be(
    kind: type[Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated_as(monkeypatch, lambda one: {"backend": fake("PaddingNotZero"), "known": None})
    backend = opened(fakes.PaddingNotZero)
    entry = KnownDifference(
        backend.name, "fuzz/lstm/*", "what is exact is not", "https://example.org"
    )
    assert kind(backend, [entry]).check(ONE).known == entry.reason
    assert kind(backend, []).check(ONE).known is None
    other = msgspec.structs.replace(entry, shows="*not finite*")
    assert kind(backend, [other]).check(ONE).known is None


class Seldom(fakes.Right):
    """Wrong at every seventh call, and right when it is asked again."""

    calls = 0

    def spoilt(self, inputs: fakes.Inputs, result: fakes.Result) -> fakes.Result:
        Seldom.calls += 1
        if Seldom.calls % 7:
            return result
        return fakes.changed(result, y=result.tensors["y"] + 2.0**-3)


@pytest.mark.usefixtures("short_rounds")
def test_a_difference_that_does_not_repeat_is_kept_as_it_was() -> None:
    (record,) = rounds.run_round(2, 3, [opened(Seldom)], [])
    assert record.alarms == record.outcomes["differs"] == 3
    for found in record.found:
        assert found.outcome == "differs", "what it is when it is run again took its place"
        assert found.reason
        assert found.card


def isolated_as(
    monkeypatch: pytest.MonkeyPatch, outcomes: Callable[[FuzzedCase], dict[str, Any]]
) -> None:
    """Isolated checks end so, and no process is started."""

    def records(cases: Sequence[FuzzedCase], backend: OpenBackend) -> dict[str, CaseRecord]:
        return {one.id: sample.failed(**{"case": one.id, **outcomes(one)}) for one in cases}

    monkeypatch.setattr(isolated, "check_in_processes", records)
    monkeypatch.setattr(replay, "check_in_processes", records)


def test_an_isolated_round_is_recorded_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = [opened(), opened(WithoutGru)]
    number = next(
        n for n in itertools.count(1) if rounds.draw_round(3, n, backends).cell.startswith("gru")
    )
    isolated_as(monkeypatch, lambda one: {"outcome": "agrees", "margin": 0.5, "card": ""})
    (record,) = isolated.run_isolated_round(3, number, backends, [])
    assert (record.backend, record.round, record.margin) == (fake("Right"), number, 0.5)
    assert record.outcomes == {"agrees": GROUPS * CASES_PER_GROUP}
    assert record.structure == rounds.draw_round(3, number, backends).id
    isolated_as(monkeypatch, lambda one: {})
    (record,) = isolated.run_isolated_round(3, number, backends, [])
    assert record.alarms == record.outcomes["differs"] == GROUPS * CASES_PER_GROUP


def test_every_earlier_find_is_found_again_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    isolated_as(monkeypatch, lambda one: {"outcome": "agrees" if one.seed == 2 else "differs"})
    cases = [replace(ONE, seed=k) for k in range(5)]
    corpus = {fake("Right"): cases, "another": [ONE]}
    (record,) = replay.replay(7, corpus, [opened()], [])
    assert (record.seed, record.round, record.backend) == (7, 0, fake("Right"))
    assert [found.case for found in record.found] == [one.id for one in cases if one.seed != 2]
    assert record.others == []
    assert replay.replay(7, {"another": [ONE]}, [opened()], []) == []


def test_however_often_the_pool_breaks_every_round_is_done_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaking(
        job: pool.Job, numbers: Iterator[int], processes: int, taken: set[int]
    ) -> Iterator[list[FuzzRecord]]:
        taken |= set(islice(numbers, processes))
        if taken:
            yield [sample.fuzzed(round=taken.pop())]
            raise BrokenProcessPool

    monkeypatch.setattr(pool, "_until_one_breaks", breaking)
    monkeypatch.setattr(
        isolated, "run_isolated_round", lambda seed, number, *_: [sample.fuzzed(round=number)]
    )
    Path("known.toml").touch()
    job = pool.Job(0, (fake("Right"),), "cpu", Path("known.toml"))
    done = [
        record.round for records in pool.run_rounds(job, iter(range(1, 8)), 3) for record in records
    ]
    assert sorted(done) == list(range(1, 8))

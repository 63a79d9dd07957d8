"""Fuzzing: what is drawn, that mistakes are found and made small, and that nothing found is lost."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import msgspec
import numpy as np
import pytest
import sample_runs as sample
from test_front_end import FAKES, Done, environment, fake

from backends import Unsupported
from conformance.cases import by_id
from conformance.cases.fuzzed import CHOICES, Fuzzed, parsed
from conformance.check import check
from conformance.draw import digest, draw, rounded
from conformance.extremes import INPUTS, LEAST, WEIGHTS
from conformance.fuzz import __main__ as front
from conformance.fuzz import draws, isolated, pool, replay, rounds
from conformance.fuzz.corpus import BadCorpus, keep, read_corpus
from conformance.fuzz.draws import BATCH, GROUPS, IN_A_GROUP, STEPS, WIDTH, groups, structure
from conformance.fuzz.rounds import Seen, Tally
from conformance.fuzz.shrink import shrunk, simpler
from conformance.fuzz.together import truths
from conformance.fuzz.writing import Writing, summary
from conformance.known import Known
from conformance.opened import Opened
from conformance.truth import truth
from reference.trees import named
from reports.exit_codes import ExitCode
from reports.options import counted
from reports.records import CaseRecord, FuzzRecord
from reports.runs import RunWriter, read_folder

ONE = parsed(
    "fuzz/lstm/2-layer/bidirectional/ends-5.0.3/pad-nan/state/bias/time-major/b3-t5-i4-h6/plain/"
    "one-hot/gradients/float32/seed-17"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of 24 cases, and finds that are not made very small."""
    monkeypatch.setattr(draws, "GROUPS", 6)
    monkeypatch.setattr(rounds.Tally, "checks", 20)
    monkeypatch.setattr(rounds.Tally, "shrunk", 1)


def anything(of: Fuzzed) -> bool:
    return True


def opened(kind: type[fakes.Right] = fakes.Right) -> Opened:
    return Opened(fake(kind.__name__), "cpu", kind("cpu"))


# Ids.


def test_a_case_is_what_its_id_says() -> None:
    case = ONE.case()
    assert (case.spec.cell, case.spec.num_layers) == ("lstm", 2)
    assert case.spec.direction == "bidirectional"
    assert (case.batch, case.steps, case.spec.input_size, case.spec.hidden_size) == (3, 5, 4, 6)
    assert (case.spec.bias, case.spec.batch_first, case.state, case.gradients) == (
        True, False, True, True,
    )  # fmt: skip
    assert (case.ends, case.dtype, case.weights, case.inputs) == (
        (5, 0, 3), "float32", "plain", "one-hot",
    )  # fmt: skip
    assert str(case.padding) == "nan"
    other = replace(ONE, cell="gru-before", bias="no-bias", layout="batch-major", state="no-state",
                    compared="forward", ends=None, padding="pad-none").case()  # fmt: skip
    assert (other.spec.cell, other.spec.reset) == ("gru", "before")
    assert (other.spec.bias, other.spec.batch_first, other.state, other.gradients) == (
        False, True, False, False,
    )  # fmt: skip
    assert (other.ends, other.lengths, other.padding) == (None, "full", None)


@pytest.mark.parametrize("number", range(1, 30))
def test_an_id_says_all_of_a_case(number: int) -> None:
    for cases in islice(groups(5, number, structure(5, number, anything)), 3):
        for one in cases:
            assert parsed(one.id) == one
            assert by_id(one.id) == one.case()
            assert by_id(one.id).id == one.id


BAD_IDS: dict[str, tuple[Callable[[str], str], str]] = {
    "a part too few": (lambda i: i.removesuffix("/seed-17"), "13 parts given.*expected 14"),
    "an unknown cell": (lambda i: i.replace("lstm", "mlp"), "cell 'mlp' given, expected"),
    "no layer": (lambda i: i.replace("2-layer", "0-layer"), "layers '0-layer' given"),
    "no size": (lambda i: i.replace("b3-", "b0-"), "size 'b0-t5-i4-h6' given"),
    "a length too many": (lambda i: i.replace("5.0.3", "5.0.3.1"), "expected 3 lengths"),
    "a length above T": (lambda i: i.replace("5.0.3", "6.0.3"), "of at most 5"),
    "lengths without padding": (lambda i: i.replace("pad-nan", "pad-none"), "expected a padding"),
    "padding without lengths": (lambda i: i.replace("ends-5.0.3", "full"), "expected a padding"),
    "a relu that explodes": (
        lambda i: i.replace("lstm", "vanilla-relu").replace("plain/one-hot", "huge/plain"), "explodes",
    ),
    "a relu of tiny weights": (
        lambda i: i.replace("lstm", "vanilla-relu").replace("plain/one-hot", "tiny/plain"),
        "expected weights of",
    ),
    "a relu of other inputs": (
        lambda i: i.replace("lstm", "vanilla-relu"), "near its kink; expected plain inputs",
    ),
    "no seed": (lambda i: i.replace("seed-17", "seed-"), "seed 'seed-' given"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_IDS)
def test_a_bad_id_is_refused(what: str) -> None:
    change, complaint = BAD_IDS[what]
    with pytest.raises(ValueError, match=complaint):
        by_id(change(ONE.id))


# Draws.


def test_a_round_is_the_same_every_time_and_unlike_any_other() -> None:
    def ids(seed: int, number: int) -> list[str]:
        of = structure(seed, number, anything)
        return [one.id for cases in groups(seed, number, of) for one in cases]

    assert ids(1, 2) == ids(1, 2)
    everything = [ids(seed, number) for seed in (1, 2) for number in (1, 2, 3)]
    flat = [case_id for one in everything for case_id in one]
    assert len(flat) == len(set(flat)) == 6 * GROUPS * IN_A_GROUP


def test_no_two_rounds_are_drawn_alike() -> None:
    drawn = [[one for cases in groups(seed, number, ONE) for one in cases]
             for seed, number in ((1, 1), (1, 2), (2, 1))]  # fmt: skip
    looks = [[(one.weights, one.inputs, one.ends) for one in cases] for cases in drawn]
    assert looks[0] != looks[1] != looks[2] != looks[0], "lengths and looks are those of another"
    assert len({one.seed for cases in drawn for one in cases}) == 3 * GROUPS * IN_A_GROUP
    assert len({structure(seed, 1, anything) for seed in range(5)}) == 5, "the seed changes nothing"
    assert len({structure(1, number, anything) for number in range(5)}) == 5


def test_lengths_are_0_and_all_about_as_often_as_between() -> None:
    ends = Counter(
        n for number in range(20) for cases in groups(1, number, ONE) for n in cases[0].ends
    )
    share = {n: ends[n] / ends.total() for n in range(6)}
    assert 0.3 < share[0] < 0.5, f"by length: {share}"
    assert 0.3 < share[5] < 0.5, f"by length: {share}"
    assert all(share[n] > 0.02 for n in range(1, 5)), f"by length: {share}"


def test_a_round_is_of_something_that_runs() -> None:
    of = structure(1, 1, lambda of: of.cell == "gru-after" and of.layers == 3)
    assert (of.cell, of.layers) == ("gru-after", 3)


def test_a_round_is_compiled_once_and_a_group_shares_its_lengths() -> None:
    for number in range(1, 20):
        of = structure(3, number, anything)
        shapes = set()
        for cases in groups(3, number, of):
            assert len({one.ends for one in cases}) == 1
            for one in cases:
                case = one.case()
                shapes.add((case.spec, case.dtype, case.batch, case.steps, case.ends is None,
                            case.state, case.gradients))  # fmt: skip
        assert len(shapes) == 1, f"round {number} has {len(shapes)} shapes"


def test_everything_is_drawn() -> None:
    seen: dict[str, set[str]] = {name: set() for name in CHOICES}
    sizes: list[set[int]] = [set(), set(), set(), set()]
    layers = set()
    for number in range(1, 400):
        for cases in islice(groups(0, number, structure(0, number, anything)), 4):
            for one in cases:
                layers.add(one.layers)
                for name, values in seen.items():
                    values.add(getattr(one, name))
                for found, size in zip(sizes, one.size, strict=True):
                    found.add(size)
    missing = {name: set(CHOICES[name]) - values for name, values in seen.items()}
    assert not any(missing.values()), f"never drawn: {missing}"
    assert layers == {1, 2, 3}
    assert [max(found) for found in sizes] == [BATCH, STEPS, WIDTH, WIDTH]
    assert all(min(found) == 1 for found in sizes)


OVERFLOWING = {"float64": 709.8, "float32": 88.8, "bfloat16": 88.8, "float16": 11.1}
"""The logarithm of the largest number."""


@pytest.mark.parametrize("dtype", CHOICES["dtype"])
@pytest.mark.parametrize("look", WEIGHTS)
def test_weights_look_as_they_are_called_and_are_exact(look: str, dtype: str) -> None:
    inputs = draw(replace(ONE, weights=look, dtype=dtype).case())
    arrays = named(inputs.params, "")
    for name, a in arrays.items():
        assert np.array_equal(rounded(a, dtype), a), f"{name} is not exact in {dtype}"
    W = np.abs(arrays["[0][0].W_hh"])
    assert {
        "plain": 0.1 < W.max() < 1.5,
        "saturated": 3 < W.max() < 12,
        "tiny": 0 < W.max() < 1e-2,
        "huge": W.max() > 0.9 * OVERFLOWING[dtype],
        "denormal": 0 < W.max() < LEAST[dtype],
        "sparse": 0.7 < (W == 0).mean() < 0.97 and W.max() > 0.5,
        "orthogonal": np.allclose(W[:6] ** 2 @ np.ones(6), 1, atol=0.05),
    }[look], f"{look} weights: {W}"
    assert look != "denormal" or np.abs(arrays["[0][0].b_hh"]).max() > 0.1, "biases are as they are"


@pytest.mark.parametrize("look", INPUTS)
def test_inputs_look_as_they_are_called(look: str) -> None:
    one = replace(ONE, inputs=look, ends=None, padding="pad-none", layout="batch-major")
    x = draw(one.case()).x
    assert {
        "plain": 0.5 < np.abs(x).max() < 2,
        "constant": (x == x[:, :1]).all() and x.std() > 0.1,
        "one-hot": (np.sort(x, axis=-1)[..., :-1] == 0).all()
        and (x.sum(axis=-1) == 1).all()
        and x.any(axis=(0, 1)).all(),
        "zero": not x.any(),
        "large": np.abs(x).max() > 20,
        "tiny": 0 < np.abs(x).max() < 2e-3,
    }[look], f"{look} inputs: {x}"


# Truths together.


@pytest.mark.parametrize("dtype", CHOICES["dtype"])
def test_together_is_as_alone(dtype: str) -> None:
    cases = [draw(replace(ONE, dtype=dtype, seed=k).case()) for k in range(3)]
    for inputs, t in zip(cases, truths(cases), strict=True):
        alone = truth(inputs)
        assert (t.version, t.inputs) == (digest(inputs), inputs)
        assert t.values.keys() == alone.values.keys()
        for name, value in alone.values.items():
            np.testing.assert_allclose(t.values[name], value, rtol=1e-11, atol=1e-14)
        mine, its = t.radii(dtype), alone.radii(dtype)
        for name, radius in its.items():
            assert np.array_equal(mine[name].sigma == 0, radius.sigma == 0), f"{name}: exact"
            moving = radius.sigma > 0
            ratio = np.median(mine[name].sigma[moving] / radius.sigma[moving])
            assert 0.7 < ratio < 1.4, f"{name}: σ together / alone is {ratio:.2f}"


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
    found = shrunk(ONE, check(ONE.case(), backend), lambda one: check(one.case(), backend), 400)
    assert found.outcome == "differs"
    smallest = parsed(found.case)
    assert (smallest.layers, smallest.size) == (2, (1, 3, 1, 1)), "what it takes to fail, no more"
    assert smallest == replace(
        ONE, cell="vanilla-tanh", direction="forward", ends=None, padding="pad-none",
        state="no-state", bias="no-bias", layout="batch-major", inputs="plain", compared="forward",
        size=(1, 3, 1, 1), seed=smallest.seed,
    )  # fmt: skip


def test_everything_simpler_is_a_case_and_less() -> None:
    found = list(simpler(ONE))
    assert len(found) > 15
    for one in found:
        assert by_id(one.id).id == one.id
        assert one.size <= ONE.size or one.size[1:] <= ONE.size[1:]


def test_simpler_are_fewer_layers_and_shorter_lengths() -> None:
    deep = replace(ONE, layers=4)
    assert {one.layers for one in simpler(deep)} == {1, 3, 4}
    assert {one.layers for one in simpler(replace(ONE, layers=3))} == {1, 2, 3}
    assert {one.ends for one in simpler(ONE)} == {
        None, (5, 0, 3), (4, 0, 3), (2, 0, 2), (1, 0, 1), (5, 0), (5,),
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{"known": "a reason"}, {"outcome": "errored"}])
def test_making_small_keeps_to_its_checks_and_to_what_is_not_known(changes: dict[str, Any]) -> None:
    tried: list[Fuzzed] = []
    first = check(ONE.case(), opened(fakes.PaddingNotZero))

    def otherwise(one: Fuzzed) -> CaseRecord:
        tried.append(one)
        return msgspec.structs.replace(first, **changes)

    assert shrunk(ONE, first, otherwise, 9) is first, "what ends otherwise is no smaller one"
    assert len(tried) == 9


def test_what_shows_in_other_numbers_only_is_made_small_with_those() -> None:
    first = check(ONE.case(), opened(fakes.PaddingNotZero))

    def seldom(one: Fuzzed) -> CaseRecord:
        outcome = "differs" if one.seed == 2 else "agrees"
        return msgspec.structs.replace(first, case=one.id, outcome=outcome)

    smallest = parsed(shrunk(ONE, first, seldom, 1000).case)
    assert (smallest.seed, smallest.size) == (2, (1, 1, 1, 1))


WRONG = {"LengthsIgnored", "PaddingNotZero", "EmptyRowsChange", "ForgetBiasIgnored",
         "Tf32Products", "Float32AsFloat64", "Raises"}  # fmt: skip


@pytest.mark.usefixtures("short_rounds")
@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_backend_is_found_out(name: str) -> None:
    kind: type[fakes.Right] = getattr(fakes, name)
    found = []
    for number in range(1, 40):
        found += rounds.run(2, number, [opened(kind)], [])
        if any(record.alarms for record in found):
            break
    alarms = [case for record in found for case in record.found]
    assert alarms, f"{name}: {len(found)} rounds, and nothing found"
    again = check(by_id(alarms[0].case), opened(kind))
    assert again.outcome == alarms[0].outcome, "it repeats by its id"


@pytest.mark.usefixtures("short_rounds")
def test_a_right_backend_raises_no_alarm() -> None:
    found = [record for number in range(1, 13) for record in rounds.run(9, number, [opened()], [])]
    assert not any(record.alarms for record in found), [r.found for r in found]
    assert {record.checks for record in found} == {6 * IN_A_GROUP}
    assert all(set(record.outcomes) <= {"agrees", "inconclusive"} for record in found)
    assert all(record.seconds.keys() == {"reference", "backend"} for record in found)


@pytest.mark.usefixtures("short_rounds")
def test_what_is_known_is_no_alarm() -> None:
    name = fake("PaddingNotZero")
    entry = Known(name, "fuzz/*", "what is exact is not", "https://example.org")
    records = [r for number in range(1, 14)
               for r in rounds.run(2, number, [opened(fakes.PaddingNotZero)], [entry])]  # fmt: skip
    explained: Counter[str] = sum((Counter(r.known) for r in records), Counter())
    assert explained[entry.reason] > 20
    assert not any(record.alarms for record in records)
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
    (refused,) = rounds.run(2, 1, [opened(Refuses)], [])
    assert refused.outcomes == {"unsupported": 24}
    assert (refused.alarms, refused.margin) == (0, None)
    (ended,) = rounds.run(2, 1, [opened(Exits)], [])
    assert ended.outcomes == {"errored": 24}
    assert ended.alarms == 24
    assert "SystemExit: I give up" in ended.found[0].reason


@pytest.mark.usefixtures("short_rounds")
def test_a_round_is_for_the_backends_that_run_its_structure() -> None:
    """The other one has no record of it, not one of refusals."""
    backends = [opened(), opened(WithoutGru)]
    number = next(
        n for n in itertools.count(1) if rounds.drawn(3, n, backends).cell.startswith("gru")
    )
    (only,) = rounds.run(3, number, backends, [])
    assert only.backend == fake("Right")
    of = rounds.drawn(3, number, [opened(WithoutGru)])
    assert not of.cell.startswith("gru"), "alone, it has another structure drawn"


@pytest.mark.usefixtures("short_rounds")
def test_the_record_of_a_round_says_all_of_it() -> None:
    one = [opened()]
    number = next(n for n in itertools.count(1) if rounds.drawn(9, n, one).dtype == "float32")
    (record,) = rounds.run(9, number, one, [])
    assert (record.seed, record.round, record.device) == (9, number, "cpu")
    assert (record.dtype, record.structure) == ("float32", rounds.drawn(9, number, one).id)
    assert record.margin is not None
    assert 0 < record.margin <= 1
    assert all(spent > 0 for spent in record.seconds.values()), record.seconds


def test_the_margin_of_a_round_is_the_largest_of_what_agrees() -> None:
    tally = Tally(opened(), [])
    tally.add(ONE, Seen("inconclusive", 0.9))
    assert tally.record(1, 2, "float32", ONE.id).margin is None, "nothing agrees"
    for margin in (0.25, 0.5, 0.125):
        tally.add(ONE, Seen("agrees", margin))
    assert tally.record(1, 2, "float32", ONE.id).margin == 0.5


@pytest.mark.usefixtures("short_rounds")
def test_alarms_are_made_small_and_the_others_named() -> None:
    backend = opened(WrongInTwo)
    tally = Tally(backend, [])
    cases = [replace(ONE, seed=k) for k in range(3)]
    for one in cases:
        tally.add(one, Seen("differs", None, partial(check, one.case(), backend)))
    record = tally.record(1, 2, "float32", ONE.id)
    (small,) = record.found
    assert small.outcome == "differs"
    assert parsed(small.case).direction == "forward", "it is as it was drawn"
    assert record.others == [one.id for one in cases[1:]]
    assert record.alarms == 3


@pytest.mark.parametrize("kind", [Tally, isolated.IsolatedTally])
def test_a_smaller_case_that_is_known_is_seen_to_be(
    kind: type[Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated_as(monkeypatch, lambda one: {"backend": fake("PaddingNotZero"), "known": None})
    backend = opened(fakes.PaddingNotZero)
    entry = Known(backend.name, "fuzz/lstm/*", "what is exact is not", "https://example.org")
    assert kind(backend, [entry]).check(ONE).known == entry.reason
    assert kind(backend, []).check(ONE).known is None


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
    (record,) = rounds.run(2, 3, [opened(Seldom)], [])
    assert record.alarms == record.outcomes["differs"] == 3
    for found in record.found:
        assert found.outcome == "differs", "what it is when it is run again took its place"
        assert found.reason
        assert found.card


def isolated_as(
    monkeypatch: pytest.MonkeyPatch, outcomes: Callable[[Fuzzed], dict[str, Any]]
) -> None:
    """Isolated checks end so, and no process is started."""

    def records(cases: Sequence[Fuzzed], backend: Opened) -> dict[str, CaseRecord]:
        return {one.id: sample.failed(**{"case": one.id, **outcomes(one)}) for one in cases}

    monkeypatch.setattr(isolated, "records", records)
    monkeypatch.setattr(replay, "records", records)


def test_an_isolated_round_is_recorded_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = [opened(), opened(WithoutGru)]
    number = next(
        n for n in itertools.count(1) if rounds.drawn(3, n, backends).cell.startswith("gru")
    )
    isolated_as(monkeypatch, lambda one: {"outcome": "agrees", "margin": 0.5, "card": ""})
    (record,) = isolated.run(3, number, backends, [])
    assert (record.backend, record.round, record.margin) == (fake("Right"), number, 0.5)
    assert record.outcomes == {"agrees": GROUPS * IN_A_GROUP}
    assert record.structure == rounds.drawn(3, number, backends).id
    isolated_as(monkeypatch, lambda one: {})
    (record,) = isolated.run(3, number, backends, [])
    assert record.alarms == record.outcomes["differs"] == GROUPS * IN_A_GROUP


def test_every_earlier_find_is_found_again_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    isolated_as(monkeypatch, lambda one: {"outcome": "agrees" if one.seed == 2 else "differs"})
    cases = [replace(ONE, seed=k) for k in range(5)]
    corpus = {fake("Right"): cases, "another": [ONE]}
    (record,) = replay.replayed(7, corpus, [opened()], [])
    assert (record.seed, record.round, record.backend) == (7, 0, fake("Right"))
    assert [found.case for found in record.found] == [one.id for one in cases if one.seed != 2]
    assert record.others == []
    assert replay.replayed(7, {"another": [ONE]}, [opened()], []) == []


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
    monkeypatch.setattr(isolated, "run", lambda seed, number, *_: [sample.fuzzed(round=number)])
    Path("known.toml").touch()
    job = pool.Job(0, (fake("Right"),), "cpu", Path("known.toml"))
    done = [
        record.round for records in pool.records(job, iter(range(1, 8)), 3) for record in records
    ]
    assert sorted(done) == list(range(1, 8))


# The corpus.


def test_the_corpus_keeps_every_find_once(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    assert read_corpus(path) == {}
    keep(path, "a b:C", [ONE.id, ONE.id])
    keep(path, "a b:C", [ONE.id])
    other = replace(ONE, seed=3)
    keep(path, "jax_scan", [other.id, ONE.id])
    assert read_corpus(path) == {"a b:C": [ONE], "jax_scan": [other, ONE]}
    path.write_text("# a remark\n\n" + path.read_text().rstrip("\n"))
    keep(path, "jax_scan", [replace(ONE, seed=4).id])
    assert read_corpus(path)["jax_scan"] == [other, ONE, replace(ONE, seed=4)]


def test_a_find_on_a_last_line_that_does_not_end_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(f"pytorch {ONE.id}", "utf-8")
    keep(path, "pytorch", [ONE.id])
    assert path.read_text("utf-8").split() == ["pytorch", ONE.id]
    keep(path, "jax_scan", [ONE.id])
    assert read_corpus(path) == {"pytorch": [ONE], "jax_scan": [ONE]}


@pytest.mark.parametrize(("line", "why"), [
    ("jax_scan fuzz/lstm", "line 1: case 'fuzz/lstm': 1 parts given"),
    (ONE.id, "expected a backend and a case"),
])  # fmt: skip
def test_a_bad_corpus_is_refused(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(line + "\n")
    with pytest.raises(BadCorpus, match=re.escape(why)):
        read_corpus(path)


def test_a_corpus_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"jax_scan \xff\n")
    with pytest.raises(BadCorpus, match=re.escape(str(path))):
        read_corpus(path)


# What becomes of records.


def writing(folder: Path) -> Writing:
    writers = {name: RunWriter(folder / "runs", sample.header(run_id=name, backend=name))
               for name in ("pytorch", "jax")}  # fmt: skip
    return Writing(writers, [], folder / "corpus.txt")


def ends(folder: Path) -> dict[str, tuple[int, int]]:
    """The exit code and the number of rounds in the footer of each backend's run."""
    return {run.header.backend: (run.footer.exit_code, run.footer.rounds)
            for run in read_folder(folder / "runs")[0] if run.footer is not None}  # fmt: skip


def test_every_backend_has_its_own_end_and_the_command_the_worst(tmp_path: Path) -> None:
    find = sample.failed(case=ONE.id)
    done = [[sample.fuzzed(found=[find]), sample.fuzzed(backend="jax")], [sample.fuzzed(round=2)]]
    assert writing(tmp_path).all(done, 1) is ExitCode.CONFORMANCE_FAILURE
    assert ends(tmp_path) == {
        "pytorch": (ExitCode.CONFORMANCE_FAILURE, 2), "jax": (ExitCode.CLEAN, 1),
    }  # fmt: skip
    assert read_corpus(tmp_path / "corpus.txt") == {"pytorch": [ONE]}


def test_a_backend_without_a_round_has_shown_nothing(tmp_path: Path) -> None:
    assert writing(tmp_path).all([[sample.fuzzed()]], 1) is ExitCode.NOT_ENOUGH_DATA
    assert ends(tmp_path) == {"pytorch": (ExitCode.CLEAN, 1), "jax": (ExitCode.NOT_ENOUGH_DATA, 0)}


def test_ctrl_c_leaves_runs_that_can_be_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Iterator[list[FuzzRecord]]:
        yield [sample.fuzzed()]
        raise KeyboardInterrupt

    going = writing(tmp_path)
    assert going.all(interrupted(), 1) is ExitCode.HARNESS_ERROR
    for writer in going.writers.values():
        writer.__exit__(None, None, None)
    runs, _ = read_folder(tmp_path / "runs")
    assert {run.header.backend: len(run.rounds) for run in runs} == {"pytorch": 1, "jax": 0}
    assert not any(run.complete for run in runs)
    assert "--resume goes on" in capsys.readouterr().err


def test_a_round_is_done_when_every_backend_has_it(tmp_path: Path) -> None:
    """A process may be killed between the records of two backends."""
    (tmp_path / "known.toml").touch()
    job = pool.Job(3, (fake("Right"), fake("PaddingNotZero")), "cpu", tmp_path / "known.toml")
    first = sample.fuzzed(seed=3, round=1, backend=fake("Right"))
    assert not front.done(job, 1, set())
    assert not front.done(job, 1, {(fake("Right"), 1)})
    assert front.done(job, 1, {(fake("Right"), 1), (fake("PaddingNotZero"), 1)})
    assert not front.done(job, 2, {(fake("Right"), 1), (fake("PaddingNotZero"), 1)})
    header = sample.header(backend=fake("Right"))
    writer = RunWriter(tmp_path / "runs", header)
    writer.write(first)
    going = Writing({fake("Right"): writer}, [first], tmp_path / "corpus.txt")
    going.all([[first], [sample.fuzzed(seed=3, round=2, backend=fake("Right"))]], 1)
    assert [record.round for record in going.records] == [1, 2], "one of them twice"


def test_a_summary_adds_up_rounds() -> None:
    find = sample.failed(case=ONE.id)
    records = [sample.fuzzed(known={"this": 2, "that": 3}), sample.fuzzed(margin=0.5, found=[find]),
               sample.fuzzed(margin=None, others=["fuzz/…"])]  # fmt: skip
    assert summary(records) == (
        "384 checks: 300 agrees, 3 differs, 81 inconclusive (7 known), 2 alarms, largest margin 0.500"
    )


# The command.


def test_options_say_how_long_on_how_many_processes_and_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that is a second later whenever it is asked."""
    for name in front.ONE_THREAD:
        monkeypatch.setenv(name, "3")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    (tmp_path / "known.toml").touch()
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    monkeypatch.setattr(front, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    asked: list[tuple[int, int]] = []

    def records(job: Any, numbers: Iterator[int], processes: int) -> Iterator[list[FuzzRecord]]:
        asked.append((job.seed, processes))
        for number in numbers:
            yield [sample.fuzzed(seed=job.seed, round=number, backend=job.backends[0])]

    monkeypatch.setattr(front, "records", records)
    arguments = command(tmp_path, "--backend", fake("Right"), "--minutes", "0.5", "-n", "3",
                        "--seed", "0")[3:]  # fmt: skip
    assert front.main(arguments) is ExitCode.CLEAN
    assert asked == [(0, 3)]
    (run,), _ = read_folder(tmp_path / "runs")
    assert [record.round for record in run.rounds] == list(range(1, 30)), "for half a minute"
    threads = [os.environ[name] for name in front.ONE_THREAD]
    assert sorted(threads) == ["1", "3", "3"], "one, unless the user wants more"


@pytest.mark.parametrize("given", ["1.5", "two", "", "2"])
def test_a_number_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected an integer from 3 on"):
        counted(3)(given)
    assert counted(3)("3") == 3


def command(folder: Path, *arguments: str) -> list[str]:
    (folder / "known.toml").touch()
    return [sys.executable, "-m", "conformance.fuzz", "--out", str(folder), "--known",
            str(folder / "known.toml"), "--corpus", str(folder / "corpus.txt"), *arguments]  # fmt: skip


def fuzz(folder: Path, *arguments: str) -> Done:
    done = subprocess.run(command(folder, *arguments), cwd=folder, env=environment(FAKES.parent),
                          capture_output=True, text=True, check=False, timeout=300)  # fmt: skip
    runs, bad = read_folder(folder / "runs")
    assert not bad, bad
    return Done(done.returncode, done.stdout + done.stderr, runs)


def test_fuzzing_a_right_backend_is_clean(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "--backend", fake("Right"), "--minutes", "0.05", "-n", "2")
    assert done.code == ExitCode.CLEAN, done.printed
    run = done.run
    assert run.complete
    assert run.footer is not None
    assert run.footer.rounds == len(run.rounds) >= 2
    assert sorted(r.round for r in run.rounds) == list(range(1, len(run.rounds) + 1))
    assert " alarms" in done.printed
    assert run.header.command.startswith("python -m conformance.fuzz ")
    assert not (tmp_path / "corpus.txt").exists()


def test_finds_are_kept_and_checked_first_by_the_next_run(tmp_path: Path) -> None:
    arguments = ("--backend", fake("ForgetBiasIgnored"), "--minutes", "0.2", "-n", "2")
    done = fuzz(tmp_path, *arguments)
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    finds = [found.case for record in done.run.rounds for found in record.found]
    assert finds
    kept = read_corpus(tmp_path / "corpus.txt")[fake("ForgetBiasIgnored")]
    assert {one.id for one in kept} == set(finds)
    assert "python -m conformance --backend" in done.printed, "how to repeat it"
    again = max(fuzz(tmp_path, *arguments, "--minutes", "0.001").runs, key=lambda r: r.started)
    first = next(record for record in again.rounds if record.round == 0)
    assert first.checks == len(kept)
    assert first.alarms == len(kept), "nothing has changed"


def test_a_crash_costs_its_own_cases_and_no_round(tmp_path: Path) -> None:
    """Denormal weights on an input of zeros take the process down, and the pool with it."""
    done = fuzz(tmp_path, "--backend", fake("CrashesSeldom"), "--minutes", "0.01", "-n", "2")
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    numbers = [record.round for record in done.run.rounds]
    assert len(numbers) == len(set(numbers)), "no round is there twice"
    assert sorted(numbers) == list(range(1, len(numbers) + 1)), "nor is any missing"
    for record in done.run.rounds:
        assert record.checks == GROUPS * IN_A_GROUP
        cases = [
            one for group in groups(0, record.round, parsed(record.structure)) for one in group
        ]
        crash = [one for one in cases if (one.weights, one.inputs) == ("denormal", "zero")]
        assert record.outcomes.get("errored", 0) == len(crash) == record.alarms
        for found in record.found:
            assert found.reason == "crash: Aborted"
            assert "/denormal/zero/" in found.case
    assert any(record.alarms for record in done.run.rounds)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    arguments = ("--backend", fake("Right"), "-n", "2", "--seed", "4")
    process = subprocess.Popen(command(tmp_path, *arguments, "--minutes", "5"), cwd=tmp_path,
                               env=environment(FAKES.parent), start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    until = time.monotonic() + 120
    while time.monotonic() < until and sum(
        path.read_bytes().count(b"\n") for path in (tmp_path / "runs").glob("*.jsonl")
    ) < 4:  # fmt: skip
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (before,), _ = read_folder(tmp_path / "runs")
    assert len(before.rounds) >= 3
    other = fuzz(tmp_path, *arguments, "--seed", "5", "--minutes", "0.01", "--resume")
    assert other.code == ExitCode.HARNESS_ERROR, other.printed
    assert "the run has seed 4; --seed 5 given" in other.printed
    keep(tmp_path / "corpus.txt", fake("Right"), [ONE.id])  # the run has begun, with what was known
    done = fuzz(tmp_path, *arguments, "--minutes", "0.02", "--resume")
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.header.run_id == before.header.run_id
    assert done.run.rounds[: len(before.rounds)] == before.rounds
    numbers = [record.round for record in done.run.rounds]
    assert len(numbers) == len(set(numbers)) > len(before.rounds)
    assert min(numbers) == 1, "what was found before is checked when a run begins, and no more"
    assert {record.seed for record in done.run.rounds} == {4}


@pytest.mark.parametrize(("arguments", "why"), [
    ((), "--backend: none given"),
    (("--backend", "pytroch"), "'pytroch': not one of"),
    (("--backend", "X", "--minutes", "0"), "--minutes: '0' given, expected a number above 0"),
    (("--backend", "X", "--minutes", "nan"), "--minutes: 'nan' given"),
    (("--backend", "X", "-n", "0"), "-n: '0' given, expected an integer from 1 on"),
    (("--backend", "X", "--seed", "-1"), "--seed: '-1' given"),
    (("--backend", "X", "--framework", "theano"), "invalid choice: 'theano'"),
    (("--backend", "X", "--minute", "1"), "unrecognized arguments: --minute"),
    (("--backend", "{right}", "--device", "cuda"), "device 'cuda'"),
    (("--backend", "{right}", "--resume"), "--resume: no interrupted run"),
    (("--backend", "{right}", "--known", "gone.toml"), "gone.toml"),
])  # fmt: skip
def test_a_bad_option_is_refused(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    given = [part.format(right=fake("Right")) for part in arguments]
    done = fuzz(tmp_path, *given)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert why in done.printed, done.printed
    assert not done.runs

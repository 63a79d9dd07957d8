"""Fuzzing: what is drawn, that mistakes are found and made small, and that nothing found is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import fakes
import numpy as np
import pytest
from test_front_end import FAKES, Done, environment, fake

from conformance.cases import by_id
from conformance.cases.fuzzed import CHOICES, Fuzzed, parsed
from conformance.check import check
from conformance.draw import digest, draw, rounded
from conformance.extremes import INPUTS, LEAST, WEIGHTS
from conformance.fuzz import draws, rounds
from conformance.fuzz.corpus import BadCorpus, keep, read_corpus
from conformance.fuzz.draws import BATCH, GROUPS, IN_A_GROUP, STEPS, WIDTH, groups, structure
from conformance.fuzz.shrink import shrunk, simpler
from conformance.fuzz.together import truths
from conformance.known import Known
from conformance.opened import Opened
from conformance.truth import truth
from reference.trees import named
from reports.exit_codes import ExitCode
from reports.records import CaseRecord
from reports.runs import read_folder

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
        "huge": W.max() > 8,
        "denormal": 0 < W.max() < LEAST[dtype],
        "sparse": (W == 0).mean() > 0.7,
        "orthogonal": np.allclose(W[:6] ** 2 @ np.ones(6), 1, atol=0.05),
    }[look], f"{look} weights: {W}"


@pytest.mark.parametrize("look", INPUTS)
def test_inputs_look_as_they_are_called(look: str) -> None:
    one = replace(ONE, inputs=look, ends=None, padding="pad-none", layout="batch-major")
    x = draw(one.case()).x
    assert {
        "plain": 0.5 < np.abs(x).max() < 2,
        "constant": (x == x[:, :1]).all() and x.std() > 0.1,
        "one-hot": (np.sort(x, axis=-1)[..., :-1] == 0).all() and (x.sum(axis=-1) == 1).all(),
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


def test_making_small_keeps_to_its_checks_and_to_what_is_not_known() -> None:
    tried: list[Fuzzed] = []
    first = check(ONE.case(), opened(fakes.PaddingNotZero))

    def known(one: Fuzzed) -> CaseRecord:
        tried.append(one)
        return CaseRecord(**{**{f: getattr(first, f) for f in first.__struct_fields__},
                             "known": "a reason"})  # fmt: skip

    assert shrunk(ONE, first, known, 9) is first, "another known difference is no smaller one"
    assert len(tried) == 9


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


@pytest.mark.parametrize(("line", "why"), [
    ("jax_scan fuzz/lstm", "line 1: case 'fuzz/lstm': 1 parts given"),
    (ONE.id, "expected a backend and a case"),
])  # fmt: skip
def test_a_bad_corpus_is_refused(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(line + "\n")
    with pytest.raises(BadCorpus, match=re.escape(why)):
        read_corpus(path)


# The command.


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
    done = fuzz(tmp_path, *arguments, "--minutes", "0.02", "--resume")
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.header.run_id == before.header.run_id
    assert done.run.rounds[: len(before.rounds)] == before.rounds
    numbers = [record.round for record in done.run.rounds]
    assert len(numbers) == len(set(numbers)) > len(before.rounds)
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

"""Fuzzing: an id says all of a case, everything is drawn, and a group has one truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from backends.dtypes import rounded
from conformance.cases import by_id
from conformance.cases.extremes import INPUTS, LEAST, WEIGHTS
from conformance.cases.fuzzed import CHOICES, FuzzedCase, parse_fuzz_id
from conformance.draw import digest, draw
from conformance.truth import truth
from evidence.fuzz.batched_truth import batch_truths
from evidence.fuzz.draws import (
    BATCH,
    CASES_PER_GROUP,
    GROUPS,
    STEPS,
    WIDTH,
    draw_groups,
    draw_structure,
)
from reference.trees import named

ONE = parse_fuzz_id(
    "fuzz/lstm/2-layer/bidirectional/ends-5.0.3/pad-nan/state/bias/time-major/b3-t5-i4-h6/plain/"
    "one-hot/gradients/float32/seed-17"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def anything(of: FuzzedCase) -> bool:
    return True


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
    for cases in islice(draw_groups(5, number, draw_structure(5, number, anything)), 3):
        for one in cases:
            assert parse_fuzz_id(one.id) == one
            assert by_id(one.id) == one.case()
            assert by_id(one.id).id == one.id


BAD_IDS: dict[str, tuple[Callable[[str], str], str]] = {
    "a part too few": (lambda i: i.removesuffix("/seed-17"), "13 parts given.*expected 14"),
    "an unknown cell": (lambda i: i.replace("lstm", "mlp"), "cell 'mlp' given, expected"),
    "no layer": (lambda i: i.replace("2-layer", "0-layer"), "layers '0-layer' given"),
    "no size": (lambda i: i.replace("b3-", "b0-"), "size 'b0-t5-i4-h6' given"),
    "a length too many": (lambda i: i.replace("5.0.3", "5.0.3.1"), "expected 3 lengths"),
    "a length above T": (lambda i: i.replace("5.0.3", "6.0.3"), "of at most 5"),
    "lengths without padding": (lambda i: i.replace("pad-nan", "pad-none"), "must be given together"),
    "padding without lengths": (lambda i: i.replace("ends-5.0.3", "full"), "must be given together"),
    "a relu that explodes": (
        lambda i: i.replace("lstm", "vanilla-relu").replace("plain/one-hot", "huge/plain"), "explodes",
    ),
    "a relu of tiny weights": (
        lambda i: i.replace("lstm", "vanilla-relu").replace("plain/one-hot", "tiny/plain"),
        "with these weights; expected one of",
    ),
    "a relu of other inputs": (
        lambda i: i.replace("lstm", "vanilla-relu"), "near its kink with these inputs; expected 'plain'",
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
        of = draw_structure(seed, number, anything)
        return [one.id for cases in draw_groups(seed, number, of) for one in cases]

    assert ids(1, 2) == ids(1, 2)
    everything = [ids(seed, number) for seed in (1, 2) for number in (1, 2, 3)]
    flat = [case_id for one in everything for case_id in one]
    assert len(flat) == len(set(flat)) == 6 * GROUPS * CASES_PER_GROUP


def test_no_two_rounds_are_drawn_alike() -> None:
    drawn = [[one for cases in draw_groups(seed, number, ONE) for one in cases]
             for seed, number in ((1, 1), (1, 2), (2, 1))]  # fmt: skip
    looks = [[(one.weights, one.inputs, one.ends) for one in cases] for cases in drawn]
    assert looks[0] != looks[1] != looks[2] != looks[0], "lengths and looks are those of another"
    assert len({one.seed for cases in drawn for one in cases}) == 3 * GROUPS * CASES_PER_GROUP
    assert len({draw_structure(seed, 1, anything) for seed in range(5)}) == 5, (
        "the seed changes nothing"
    )
    assert len({draw_structure(1, number, anything) for number in range(5)}) == 5


def test_lengths_are_0_and_all_about_as_often_as_between() -> None:
    ends = Counter(
        n for number in range(20) for cases in draw_groups(1, number, ONE) for n in cases[0].ends
    )
    share = {n: ends[n] / ends.total() for n in range(6)}
    assert 0.3 < share[0] < 0.5, f"by length: {share}"
    assert 0.3 < share[5] < 0.5, f"by length: {share}"
    assert all(share[n] > 0.02 for n in range(1, 5)), f"by length: {share}"


def test_a_round_is_of_something_that_runs() -> None:
    of = draw_structure(1, 1, lambda of: of.cell == "gru-after" and of.layers == 3)
    assert (of.cell, of.layers) == ("gru-after", 3)


def test_a_round_is_compiled_once_and_a_group_shares_its_lengths() -> None:
    for number in range(1, 20):
        of = draw_structure(3, number, anything)
        shapes = set()
        for cases in draw_groups(3, number, of):
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
        for cases in islice(draw_groups(0, number, draw_structure(0, number, anything)), 4):
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
    for inputs, t in zip(cases, batch_truths(cases), strict=True):
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

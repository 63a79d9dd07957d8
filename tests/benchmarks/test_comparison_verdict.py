"""Comparisons: a change that is there is called, one that is not is not, and what is unsure is ambiguous."""

from __future__ import annotations

import math
import random

import pytest
import sample_runs as sample
from msgspec.structs import replace

from benchmarks.comparing.verdict import Change, Comparison, Noise, compare_rows, estimate_change
from records.schema import Measurement
from records.timing import Timing

PAIRS = 5
NOISE = Noise(budget=0.05, detectable=0.08)
SAMPLES = 20
Sides = tuple[list[Measurement], list[Measurement]]


def sides(
    drawn: random.Random,
    *,
    factor: float = 1.0,
    waits: float = 1.0,
    noise: float = 0.01,
    counted: bool = True,
) -> Sides:
    """Pairs on a machine whose speed changes from sample to sample, for both sides alike.

    Head takes ``factor`` times as long, and ``waits`` times that by the clock.
    """

    def process(number: int, speeds: list[float], factor: float, waits: float) -> Measurement:
        own = [2 * factor * speed * drawn.gauss(1, noise) for speed in speeds]
        return sample.measurement(process=number, seconds=[waits * s for s in own], limit_seconds=[],
                                  processor_seconds=own if counted else [])  # fmt: skip

    found: Sides = ([], [])
    for number in range(PAIRS):
        speeds = [drawn.uniform(1, 1.5) for _ in range(SAMPLES)]
        found[0].append(process(number, speeds, 1.0, 1.0))
        found[1].append(process(number, speeds, factor, waits))
    return found


def compared(base: list[Measurement], head: list[Measurement]) -> Comparison:
    (row,) = compare_rows(base, head, lambda _: NOISE)
    return row


@pytest.mark.parametrize("counted", [True, False], ids=["processor", "clock"])
@pytest.mark.parametrize(("factor", "verdict"), [(1.15, "slower"), (0.85, "faster"), (1.0, "same"),
                                                 (1.02, "same")])  # fmt: skip
def test_a_change_beyond_the_budget_is_called_and_one_within_it_is_not(
    factor: float, verdict: str, counted: bool
) -> None:
    row = compared(*sides(random.Random(1), factor=factor, counted=counted))
    assert row.verdict == verdict, str(row.change)
    assert math.expm1(row.change.value) == pytest.approx(factor - 1, abs=0.01)


def test_identical_code_on_a_noisy_machine_is_never_called_slower() -> None:
    drawn = random.Random(2)
    found = [compared(*sides(drawn, noise=0.04)).verdict for _ in range(40)]
    assert set(found) <= {"same", "ambiguous"}, found


def test_what_others_had_of_the_processor_is_no_change() -> None:
    """Head's clock says twice as much in some samples: the median of its own time does not move."""
    base, head = sides(random.Random(3))
    head = [replace(m, seconds=[s * 2 if k % 3 == 0 else s for k, s in enumerate(m.seconds)])
            for m in head]  # fmt: skip
    assert compared(base, head).verdict == "same"


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ambiguous"), (0.85, "ambiguous"),
                                                 (1.15, "slower")])  # fmt: skip
def test_what_is_slower_by_the_clock_alone_is_ambiguous(factor: float, verdict: str) -> None:
    """Waiting is possible, so the comparison does not pass."""
    row = compared(*sides(random.Random(3), factor=factor, waits=1.3))
    assert row.verdict == verdict, f"{row.change}, by the clock {row.wall_change}"


def test_samples_without_a_neighbour_are_left_out() -> None:
    base, head = sides(random.Random(5))
    short = [replace(m, seconds=m.seconds[:9], processor_seconds=m.processor_seconds[:9])
             for m in head]  # fmt: skip
    cut = [replace(m, seconds=m.seconds[:9], processor_seconds=m.processor_seconds[:9])
           for m in base]  # fmt: skip
    assert compared(base, short).change == compared(cut, short).change


def test_a_row_that_one_side_does_not_agree_on_has_no_verdict_but_ambiguous() -> None:
    wrong = sample.measurement(outcome="differs", seconds=[], limit_seconds=[])
    row = Comparison(Timing((sample.measurement(),)), Timing((wrong,)), NOISE)
    assert row.verdict == "ambiguous"
    assert row.refused == wrong


def test_rows_of_one_side_alone_are_left_out() -> None:
    drawn = random.Random(4)
    base, head = sides(drawn)
    assert not compare_rows(base, head[:-1], lambda _: NOISE), "a process is missing"
    assert not compare_rows(base, [], lambda _: NOISE)


@pytest.mark.parametrize(("low", "value", "high", "verdict"), [
    (0.01, 0.04, 0.2, "ambiguous"),
    (0.01, 0.1, 0.2, "slower"),
    (-0.01, 0.1, 0.2, "ambiguous"),
    (-0.2, -0.1, -0.01, "faster"),
    (-0.07, 0.0, 0.07, "same"),
    (0.01, 0.02, 0.04, "same"),
    (0.01, 0.04, 0.09, "ambiguous"),
    (-0.1, 0.0, 0.1, "ambiguous"),
])  # fmt: skip
def test_verdicts(low: float, value: float, high: float, verdict: str) -> None:
    assert Change(value, low, high).verdict(NOISE) == verdict


def test_a_change_says_itself_in_per_cent() -> None:
    assert str(Change(math.log(1.1), math.log(1.05), math.log(1.2))) == "+10.0% (+5.0% to +20.0%)"


def test_the_same_seed_gives_the_same_interval() -> None:
    pairs = [[0.0, 0.2, 0.1], [0.1, -0.1], [0.1]]
    assert estimate_change(pairs, "a") == estimate_change(pairs, "a")

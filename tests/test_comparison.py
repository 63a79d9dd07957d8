"""Comparisons: a change that is there is called, one that is not is not, and what is unsure is ambiguous."""

from __future__ import annotations

import math
import random

import pytest
import sample_runs as sample

from reports.comparison import Change, Comparison, change, comparisons
from reports.records import Measurement
from reports.timing import Timing

PAIRS = 5


def side(
    drawn: random.Random, *, factor: float = 1.0, noise: float = 0.01, of_limit: float = 1.0
) -> list[Measurement]:
    """Five processes on a machine whose speed changes from one to the next, as the limit's does."""
    found = []
    for process in range(PAIRS):
        speed = drawn.uniform(1, 1.5)
        limits = [speed * of_limit * drawn.gauss(1, noise) for _ in range(21)]
        seconds = [2 * factor * speed * drawn.gauss(1, noise) for _ in range(20)]
        found.append(sample.measurement(process=process, seconds=seconds, limit_seconds=limits))
    return found


def compared(base: list[Measurement], head: list[Measurement], **options: bool) -> Comparison:
    (row,) = comparisons(base, head, lambda _: 0.05, **{"same_products": True, **options})
    return row


@pytest.mark.parametrize(("factor", "verdict"), [(1.15, "slower"), (0.85, "faster"), (1.0, "same"),
                                                 (1.02, "same")])  # fmt: skip
def test_a_change_beyond_the_budget_is_called_and_one_within_it_is_not(
    factor: float, verdict: str
) -> None:
    drawn = random.Random(1)
    row = compared(side(drawn), side(drawn, factor=factor))
    assert row.verdict == verdict, str(row.change)
    assert math.expm1(row.change.value) == pytest.approx(factor - 1, abs=0.02)


def test_identical_code_on_a_noisy_machine_is_never_called_slower() -> None:
    drawn = random.Random(2)
    found = [compared(side(drawn, noise=0.04), side(drawn, noise=0.04)).verdict for _ in range(40)]
    assert set(found) <= {"same", "ambiguous"}, found


def test_the_limit_counts_where_the_framework_is_another() -> None:
    """Its products and the row are 30 % slower: the ratio is the same."""
    drawn = random.Random(3)
    base, head = side(drawn, noise=0.001), side(drawn, factor=1.6, of_limit=1.6, noise=0.001)
    assert compared(base, head).verdict == "same"
    other = compared(base, head, same_products=False)
    assert other.verdict == "slower", str(other.of_limit)


def test_a_row_that_one_side_does_not_agree_on_has_no_verdict_but_ambiguous() -> None:
    wrong = sample.measurement(outcome="differs", seconds=[], limit_seconds=[])
    row = Comparison(Timing((sample.measurement(),)), Timing((wrong,)), 0.05, same_products=True)
    assert row.verdict == "ambiguous"
    assert row.refused == wrong


def test_rows_of_one_side_alone_are_left_out() -> None:
    drawn = random.Random(4)
    base, head = side(drawn), side(drawn)
    assert not comparisons(base, head[:-1], lambda _: 0.05, same_products=True), (
        "a process is missing"
    )
    assert not comparisons(base, [], lambda _: 0.05, same_products=True)


@pytest.mark.parametrize(("low", "value", "high", "verdict"), [
    (0.01, 0.04, 0.2, "ambiguous"),
    (0.01, 0.1, 0.2, "slower"),
    (-0.01, 0.1, 0.2, "ambiguous"),
    (-0.2, -0.1, -0.01, "faster"),
    (-0.04, 0.0, 0.04, "same"),
    (0.01, 0.02, 0.04, "same"),
    (-0.1, 0.0, 0.1, "ambiguous"),
])  # fmt: skip
def test_verdicts(low: float, value: float, high: float, verdict: str) -> None:
    assert Change(value, low, high).verdict(0.05) == verdict


def test_a_change_says_itself_in_per_cent() -> None:
    assert str(Change(math.log(1.1), math.log(1.05), math.log(1.2))) == "+10.0% (+5.0% to +20.0%)"


def test_the_same_seed_gives_the_same_interval() -> None:
    pairs = [([1.0, 1.1, 1.2], [1.0, 1.3, 1.2]), ([2.0, 2.1], [2.2, 2.0]), ([1.0], [1.1])]
    assert change(pairs, "a") == change(pairs, "a")

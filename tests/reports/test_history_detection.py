"""Changes found in a series: those that last, in one environment, with hardly any false alarm."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from reports.history.detection import LASTING, WINDOW, judge_points, judge_series
from reports.history.index import Point, Series
from reports.history.trend import Trend
from reports.history.triage import BadTriageFile, TriageEntry, apply_triage, read_triage

SHARE = Series("share of limit", "w forward 1", "0" * 12, "pytorch", "cpu", "float32")
MARGIN = SHARE._replace(figure="margin", name="lstm/a")


def points(values: Sequence[float | None], machine: str = "a", first: int = 0) -> list[Point]:
    return [
        Point(k * 86_400_000_000, f"run{k}", "torch 2.13.0", None, machine, "m", value,
              None, None, "agrees")
        for k, value in enumerate(values, start=first)
    ]  # fmt: skip


def noisy(levels: Sequence[tuple[int, float]], spread: float, seed: int) -> list[float]:
    drawn = random.Random(seed)
    return [
        level * math.exp(drawn.gauss(0, spread)) for count, level in levels for _ in range(count)
    ]


def test_what_is_steady_is_hardly_ever_called_anything_else() -> None:
    for spread in (0.005, 0.02, 0.1):
        called = [
            judge_points(SHARE, points(noisy([(WINDOW, 0.8)], spread, seed))).verdict
            for seed in range(300)
        ]
        alarms = len(called) - called.count("steady")
        assert alarms <= 3, f"{alarms} of 300 steady series with {spread:.1%} of noise"


def test_single_bad_runs_are_no_change() -> None:
    drawn = random.Random(1)
    for seed in range(100):
        values = noisy([(WINDOW, 0.8)], 0.01, seed)
        for place in drawn.sample(range(0, WINDOW - LASTING, 5), 4):
            values[place] *= 0.5
        values[-1] *= 0.5
        values[-2] *= 0.5
        assert judge_points(SHARE, points(values)).verdict == "steady", (
            "two bad runs at the end do not last"
        )


def test_one_good_run_is_no_recovery() -> None:
    values = noisy([(20, 0.8), (10, 0.6)], 0.01, 0)
    for last in (0.8, 2.0):
        assert judge_points(SHARE, points([*values, last])).verdict == "worse"
    up = judge_points(MARGIN, points([1.0] * 20 + [2.0, 2.0, 0.5]))
    assert up.verdict == "steady", "two bad runs and a good one do not last"


@pytest.mark.parametrize("lasts", [LASTING, 5, 20])
def test_a_change_that_lasts_is_found_and_where_it_began(lasts: int) -> None:
    places = []
    for seed in range(50):
        found = judge_points(SHARE, points(noisy([(30, 0.8), (lasts, 0.7)], 0.01, seed)))
        assert found.verdict == "worse", f"13 % less with 1 % of noise, seed {seed}"
        assert found.change == pytest.approx(math.log(0.7 / 0.8), abs=0.02)
        assert found.since is not None
        places.append(found.since.run_id)
    assert places.count("run30") >= 45, "it began with the first run of the new level"


def test_a_change_at_any_place_of_the_window_is_found() -> None:
    for before in range(LASTING + 2, WINDOW - LASTING):
        values = noisy([(before, 0.8), (WINDOW - before, 0.6)], 0.01, before)
        assert judge_points(SHARE, points(values)).verdict == "worse", f"after {before} runs"


@pytest.mark.parametrize(
    ("series", "factor", "verdict"),
    [
        (SHARE, 0.8, "worse"),
        (SHARE, 1.2, "better"),
        (MARGIN, 1.2, "worse"),
        (MARGIN, 0.8, "better"),
    ],
)
def test_more_of_a_margin_is_worse_and_more_of_the_limit_is_better(
    series: Series, factor: float, verdict: str
) -> None:
    assert (
        judge_points(series, points(noisy([(20, 0.5), (10, 0.5 * factor)], 0.01, 0))).verdict
        == verdict
    )


def test_another_environment_begins_anew() -> None:
    before = points(noisy([(30, 0.8)], 0.01, 0), "a")
    few = points(noisy([(4, 0.4)], 0.01, 1), "b", first=30)
    assert judge_points(SHARE, [*before, *few]).verdict == "too few", "hardware is no regression"
    more = points(noisy([(20, 0.4)], 0.01, 1), "b", first=30)
    assert judge_points(SHARE, [*before, *more]).verdict == "steady"


def test_what_recovered_is_steady_and_what_got_worse_twice_began_the_first_time() -> None:
    back = noisy([(20, 0.8), (10, 0.6), (10, 0.8)], 0.01, 0)
    assert judge_points(SHARE, points(back)).verdict == "steady"
    twice = judge_points(SHARE, points(noisy([(20, 0.8), (10, 0.7), (10, 0.6)], 0.01, 0)))
    assert (twice.verdict, twice.since and twice.since.run_id) == ("worse", "run20")


def test_a_margin_that_never_varies_may_move_by_a_hair() -> None:
    assert judge_points(MARGIN, points([0.3] * 20 + [0.3001] * 10)).verdict == "steady"
    assert judge_points(MARGIN, points([0.3] * 20 + [0.35] * 10)).verdict == "worse"
    assert judge_points(MARGIN, points([0.0] * 20)).verdict == "steady"


def test_runs_without_a_value_say_nothing() -> None:
    values: list[float | None] = [*noisy([(20, 0.8)], 0.01, 0), None, *noisy([(3, 0.6)], 0.01, 1)]
    assert judge_points(SHARE, points(values)).verdict == "worse"
    assert judge_points(SHARE, points([None] * 30)).verdict == "too few"


# Triage.

WORSE = judge_points(SHARE, points(noisy([(20, 0.8), (10, 0.6)], 0.01, 0)))
ENTRY = TriageEntry(
    "share of limit w forward*pytorch*", "run20", "we know", "https://x", date(2026, 6, 1)
)


@pytest.mark.parametrize(
    ("entries", "today", "regressions", "stale"),
    [
        ([], date(2026, 3, 1), 1, 0),
        ([ENTRY], date(2026, 6, 1), 0, 0),
        ([ENTRY], date(2026, 6, 2), 1, 0),
        ([TriageEntry("margin*", "run20", "", "", date.max)], date(2026, 3, 1), 1, 1),
        ([TriageEntry("*", "run99", "", "", date.max)], date(2026, 3, 1), 1, 1),
        ([TriageEntry("*", "run19", "", "", date.max)], date(2026, 3, 1), 1, 0),
    ],
    ids=[
        "nobody looked",
        "acknowledged",
        "expired",
        "another series",
        "no such run",
        "another run",
    ],
)
def test_an_entry_acknowledges_one_change_until_it_expires(
    entries: list[TriageEntry], today: date, regressions: int, stale: int
) -> None:
    steady = Trend(MARGIN, tuple(points([0.3])), "steady")
    found = apply_triage([WORSE, steady], entries, today)
    assert (len(found.regressions), len(found.stale)) == (regressions, stale)
    assert len(found.acknowledged) == 1 - regressions


def test_a_triage_file_is_read_and_a_bad_one_says_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "triage.toml"
    path.write_text(
        '[[triage]]\nseries = "*"\nsince = "r"\nreason = "b"\nlink = "l"\nexpires = 2027-03-31\n'
    )
    assert read_triage(path) == [TriageEntry("*", "r", "b", "l", date(2027, 3, 31))]
    for bad in ("[[triage]]\nseries = 1", "[[triage", '[[triage]]\nseries = "*"', "other = 1"):
        path.write_text(bad)
        with pytest.raises(BadTriageFile, match=r"expected \[\[triage\]\] tables"):
            read_triage(path)


def test_machines_whose_runs_alternate_are_judged_each_by_itself() -> None:
    ours = noisy([(30, 0.8)], 0.01, 0)
    theirs = noisy([(20, 0.4), (10, 0.3)], 0.01, 1)
    both = [p for k, (a, b) in enumerate(zip(ours, theirs, strict=True))
            for p in (*points([a], "a", 2 * k), *(q._replace(machine="n") for q in points([b], "b", 2 * k + 1)))]  # fmt: skip
    found = {t.last.machine: t.verdict for t in judge_series(SHARE, both)}
    assert found == {"m": "steady", "n": "worse"}

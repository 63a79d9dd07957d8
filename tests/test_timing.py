"""Timings: paired ratios, medians over processes, and intervals that hold what they say."""

from __future__ import annotations

import random
import statistics
from itertools import repeat

import pytest
import sample_runs as sample
from msgspec.structs import replace

from reports.timing import Timing, estimate, ratios, timings


def test_a_ratio_is_over_the_mean_of_the_limits_around_it() -> None:
    m = sample.measurement(seconds=[3.0, 8.0], limit_seconds=[1.0, 2.0, 6.0])
    assert ratios(m) == [2.0, 2.0]


def test_what_slows_both_down_cancels() -> None:
    """A machine that gets slower and slower: times grow, and the share of the limit does not."""
    slower = [1.0, 1.5, 2.0, 2.5]
    row = Timing(tuple(
        sample.measurement(process=p, seconds=[2 * s for s in slower],
                           limit_seconds=[s - 0.25 for s in (*slower, 3.0)])
        for p in range(3)
    ))  # fmt: skip
    found = row.of_limit
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.interval is not None
    assert found.interval == pytest.approx((0.5, 0.5))


def test_a_row_is_all_processes_of_a_workload_mode_and_number_of_processors() -> None:
    one = sample.measurement()
    records = [replace(one, process=p, mode=mode, threads=t)
               for p in range(3) for mode in ("forward", "training") for t in (1, 2)]  # fmt: skip
    found = timings(records)
    assert len(found) == 4
    assert all(len(row.measurements) == 3 for row in found)


def test_a_row_has_no_speed_where_one_process_has_none() -> None:
    wrong = sample.measurement(process=1, outcome="differs", seconds=[], limit_seconds=[])
    (row,) = timings([sample.measurement(), wrong])
    assert row.refused == wrong
    (row,) = timings([sample.measurement()])
    assert row.refused is None


def test_the_figure_is_the_median_of_the_processes_medians() -> None:
    found = estimate([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0], [3.0, 30.0, 3.0]], "seed")
    assert found.value == 2.0
    assert found.interval is not None
    assert found == estimate([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0], [3.0, 30.0, 3.0]], "seed")


def test_two_processes_have_no_interval() -> None:
    assert estimate([[1.0], [2.0]], "seed").interval is None


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Processes that differ by 10 %, and samples within each by 2 %: the samples alone know nothing."""
    drawn, held = random.Random(5), 0
    rounds = 100
    for k in range(rounds):
        processes = [
            [at * drawn.gauss(1, 0.02) for _ in repeat(None, 20)]
            for at in (drawn.gauss(1, 0.1) for _ in repeat(None, 8))
        ]
        low, high = estimate(processes, str(k)).interval or (0, 0)
        held += low <= 1 <= high
    assert 0.85 * rounds <= held, f"the interval holds the truth in {held} of {rounds}"
    narrow = statistics.stdev([drawn.gauss(1, 0.02) for _ in range(160)]) / 160**0.5
    assert high - low > 4 * narrow, "wider than if all samples were independent"

"""Timings: paired ratios, medians over processes, and intervals that hold what they say."""

from __future__ import annotations

import random
import statistics
from itertools import repeat

import pytest
import sample_runs as sample
from msgspec.structs import replace

from records.schema import Measurement
from records.timing import Timing, estimate, group_by_workload, ratios, timings
from reports.page.figures import BAR_WIDTH, bars


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
    found = row.limit_share
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


def test_rows_of_a_workload_stand_together_the_fastest_first_and_those_without_a_speed_last() -> (
    None
):
    def of(backend: str, seconds: float, **options: object) -> Measurement:
        return sample.measurement(backend=backend, seconds=[seconds] * 3, **options)

    wrong = of("wrong", 1.0, outcome="differs")
    rows = [of("slow", 3.0), wrong, of("fast", 1.0), of("fast", 2.0, mode="training")]
    found = group_by_workload(timings(rows))
    assert [[t.first.backend for t in group] for group in found] == [
        ["fast", "slow", "wrong"],
        ["fast"],
    ]


def test_bars_begin_at_0_and_the_end_of_the_longest_interval_is_the_whole_width() -> None:
    def row(backend: str, *processes: float, **options: object) -> Timing:
        (found,) = timings(sample.measurement(backend=backend, process=n, seconds=[s] * 3, **options)
                           for n, s in enumerate(processes))  # fmt: skip
        return found

    alone, sure, wrong = bars(
        [row("a", 1.0), row("b", 1.0, 2.0, 4.0), row("c", 9.0, outcome="differs")]
    )
    assert wrong is None
    assert alone is not None
    assert (alone.length, alone.interval) == (pytest.approx(BAR_WIDTH / 4), None)
    assert sure is not None
    assert sure.length == pytest.approx(BAR_WIDTH / 2)
    assert sure.interval == pytest.approx((BAR_WIDTH / 4, BAR_WIDTH))


def test_the_first_result_comes_after_loading_and_the_first_call_of_the_slowest_process() -> None:
    (row,) = timings([
        sample.measurement(process=0, load_seconds=1.0, first_call_seconds=2.0, compiling_seconds=1.5),
        sample.measurement(process=1, load_seconds=2.0, first_call_seconds=2.5, compiling_seconds=0.5),
    ])  # fmt: skip
    assert row.first_result_seconds == 4.5
    assert row.preparation_seconds == {"load": 1.5, "compile": 1.0}, "what was not told is no part"

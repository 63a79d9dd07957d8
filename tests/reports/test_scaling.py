"""How time grows: slopes, knees and the cache, of rows whose times are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sample_runs as sample

from benchmarks.timing.workloads import WORKLOADS, names_in_set
from records.schema import Measurement
from records.timing import timings
from reports.page.figures import LINE_HEIGHT, LINE_WIDTH, line
from reports.scaling import AXES, Sweep, sweeps

SIZES = (32, 64, 128, 256, 512, 1024)


def rows(seconds: Callable[[int], float], flops: Callable[[int], float]) -> list[Measurement]:
    """Make measurements of LSTMs with these numbers of units."""
    return [
        sample.measurement(workload=f"scaling/lstm-{n}-16-20-1", process=p, seconds=[seconds(n)] * 3,
                           limit_seconds=[1.0] * 4, flops=int(flops(n)))
        for n in SIZES for p in range(3)
    ]  # fmt: skip


def swept(seconds: Callable[[int], float], flops: Callable[[int], float] = lambda n: n**2) -> Sweep:
    (sweep,) = sweeps(timings(rows(seconds, flops)))
    return sweep


def test_a_power_has_its_slope_and_no_knee() -> None:
    sweep = swept(lambda n: 1e-6 * n**2)
    assert sweep.axis == "units"
    assert [n for n, _ in sweep.points] == list(SIZES)
    assert sweep.slope == pytest.approx(2)
    assert sweep.slopes == pytest.approx([2] * 5)
    assert sweep.knee is None
    assert sweep.leaves_cache is None


def test_a_power_is_drawn_as_a_straight_line_from_corner_to_corner() -> None:
    drawn = line(swept(lambda n: 1e-6 * n**2))
    assert drawn[0] == pytest.approx((0, LINE_HEIGHT))
    assert drawn[-1] == pytest.approx((LINE_WIDTH, 0))
    assert all(y == pytest.approx(LINE_HEIGHT * (1 - x / LINE_WIDTH)) for x, y in drawn)


def test_a_floor_under_a_power_is_a_knee() -> None:
    sweep = swept(lambda n: max(1e-3, 1e-3 * (n / 128) ** 2))
    assert sweep.knee == 128


def test_weights_that_leave_the_cache_make_each_operation_slower() -> None:
    sweep = swept(lambda n: 1e-6 * n**2 * (1.5 if n >= 512 else 1))
    assert sweep.leaves_cache == 512


def test_other_workloads_and_rows_without_a_speed_are_no_points() -> None:
    found = rows(lambda n: n, lambda n: n)
    wrong = sample.measurement(workload="scaling/lstm-2048-16-20-1", outcome="differs", seconds=[],
                               limit_seconds=[])  # fmt: skip
    (sweep,) = sweeps(timings([*found, wrong, sample.measurement()]))
    assert [n for n, _ in sweep.points] == list(SIZES)


def test_the_set_sweeps_every_size_from_one_base() -> None:
    names = names_in_set("scaling")
    sizes = [tuple(map(int, name.rpartition("lstm-")[2].split("-"))) for name in names]
    assert len(set(sizes)) == len(sizes)
    measured = [sample.measurement(workload=name) for name in names]
    found = sweeps(timings(measured))
    assert [sweep.axis for sweep in found] == list(AXES)
    assert all(len(sweep.points) >= 4 for sweep in found)
    for name, (units, batch, steps, layers) in zip(names, sizes, strict=True):
        w = WORKLOADS[name]
        assert (w.spec.hidden_size, w.batch, w.steps, w.spec.num_layers) == (
            units, batch, steps, layers,
        )  # fmt: skip

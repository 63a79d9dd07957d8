"""Combine the processes of one row into a time, its share of the limit, and confidence intervals.

The figure of a process is the median of its samples, or of the paired ratios

    ratio_k = seconds_k / mean(limit_k, limit_{k+1})

where the limit's matmuls run right before and after each sample, so that a slowdown of both cancels. The
row's figure is the median over its processes. The 95 % interval is a bootstrap that draws processes, then
samples within each (Kalibera and Jones, ISMM 2013), because samples of one process are not independent.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

from records.schema import Measurement

RESAMPLES = 400
"""Bootstrap resamples per interval."""
LEVEL = 0.95
"""Confidence level of the intervals."""
LEAST_PROCESSES = 3
"""Fewest processes for an interval: with fewer, the spread between processes is unknown."""


@dataclass(frozen=True)
class Estimate:
    """A median with its confidence interval; the interval is None if there were too few processes."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Timing:
    """One row: all processes that timed a workload, dtype, mode and core count on one backend and device."""

    measurements: tuple[Measurement, ...]

    @property
    def first(self) -> Measurement:
        """The first process, for the fields that all processes share."""
        return self.measurements[0]

    @property
    def refused(self) -> Measurement | None:
        """The first process without a speed, if any; the row then has no speed."""
        return next((m for m in self.measurements if not m.has_speed), None)

    @cached_property
    def seconds(self) -> Estimate:
        """Wall time of one call."""
        return estimate([m.seconds for m in self.measurements], self._key("seconds"))

    @property
    def fastest_seconds(self) -> float:
        """The fastest sample of all processes."""
        return min(min(m.seconds) for m in self.measurements)

    @cached_property
    def limit_share(self) -> Estimate | None:
        """The limit's time divided by the row's time, about 1 at most; None if no limit was measured."""
        if not all(m.limit_seconds for m in self.measurements):
            return None
        found = estimate([ratios(m) for m in self.measurements], self._key("ratio"))
        low, high = found.interval or (math.nan, math.nan)
        return Estimate(1 / found.value, (1 / high, 1 / low) if found.interval else None)

    @property
    def flops_per_second(self) -> float:
        """Floating-point operations of the matmuls per second."""
        return self.first.flops / self.seconds.value

    @property
    def step_seconds(self) -> float | None:
        """Wall time per time step; None if the number of steps was not recorded."""
        return self.seconds.value / self.first.steps if self.first.steps else None

    @property
    def device_seconds(self) -> float | None:
        """Time of one call by the device's own clock; None if the device has no such clock."""
        found = [m.device_seconds for m in self.measurements if m.device_seconds]
        return median_of_medians(found) if found else None

    @property
    def clock_mhz(self) -> float | None:
        """Median clock of the GPU's multiprocessors; None if it was not recorded."""
        found = [
            m.gpu.clock_mhz for m in self.measurements if m.gpu and m.gpu.clock_mhz is not None
        ]
        return statistics.median(found) if found else None

    @property
    def clock_limits(self) -> list[str]:
        """Reasons why the GPU lowered its clock in any process."""
        return sorted({why for m in self.measurements if m.gpu for why in m.gpu.held_by or ()})

    @property
    def first_result_seconds(self) -> float | None:
        """Loading plus the first call, in the slowest process; None if it was not recorded."""
        found = [(m.load_seconds or 0.0) + m.first_call_seconds for m in self.measurements
                 if m.first_call_seconds is not None]  # fmt: skip
        return max(found, default=None)

    @property
    def preparation_seconds(self) -> dict[str, float]:
        """Median seconds of loading, tracing and compiling, by name; unrecorded parts are absent."""
        parts = {"load": "load_seconds", "trace": "tracing_seconds", "compile": "compiling_seconds"}
        found = {word: [s for m in self.measurements if (s := getattr(m, field)) is not None]
                 for word, field in parts.items()}  # fmt: skip
        return {word: statistics.median(s) for word, s in found.items() if s}

    @property
    def peak_memory_bytes(self) -> int | None:
        """Largest peak memory of any process; None if it was not recorded."""
        found = [m.peak_memory_bytes for m in self.measurements]
        return max((n for n in found if n is not None), default=None)

    @property
    def binds(self) -> str:
        """The bottleneck of the limit in most processes, such as arithmetic or memory bandwidth."""
        return statistics.mode(m.binds for m in self.measurements)

    def _key(self, figure: str) -> str:
        """Return the seed of the bootstrap of one figure."""
        return f"{self.first.row} {figure}"


def timings(measurements: Iterable[Measurement]) -> list[Timing]:
    """Group measurements into rows.

    Args:
        measurements: records of timed workloads.

    Returns:
        The rows, sorted by workload, dtype, mode, core count, backend and device.

    """

    def order(m: Measurement) -> tuple[str, str, str, int, str, str]:
        return m.workload, m.dtype, m.mode, m.threads or 0, m.backend, m.device

    ordered = sorted(measurements, key=order)
    return [Timing(tuple(group)) for _, group in groupby(ordered, key=lambda m: m.row)]


def group_by_workload(rows: Iterable[Timing]) -> list[list[Timing]]:
    """Group the rows that share workload, dtype, mode and core count.

    Args:
        rows: the rows.

    Returns:
        The groups in the order of their first row; the fastest row of each group comes first.

    """
    found: dict[tuple[object, ...], list[Timing]] = {}
    for t in rows:
        m = t.first
        found.setdefault((m.workload, m.dtype, m.mode, m.threads), []).append(t)
    return [sorted(group, key=lambda t: math.inf if t.refused else t.seconds.value)
            for group in found.values()]  # fmt: skip


def ratios(m: Measurement) -> list[float]:
    """Divide each sample by the mean of the limit's samples before and after it.

    Args:
        m: a measurement with limit samples.

    Returns:
        One ratio per sample.

    """
    around = [(before + after) / 2 for before, after in pairwise(m.limit_seconds)]
    return [s / limit for s, limit in zip(m.seconds, around, strict=True)]


def estimate(processes: Sequence[Sequence[float]], seed: str) -> Estimate:
    """Estimate the median over processes of each process's median.

    Args:
        processes: samples of each process.
        seed: seed of the bootstrap; the same seed gives the same interval.

    Returns:
        The median, and its interval if there are at least ``LEAST_PROCESSES`` processes.

    """
    value = median_of_medians(processes)
    if len(processes) < LEAST_PROCESSES:
        return Estimate(value, None)
    return Estimate(value, interval(processes, seed, median_of_medians))


def interval(
    processes: Sequence[Sequence[float]],
    seed: str,
    figure: Callable[[Sequence[Sequence[float]]], float],
) -> tuple[float, float]:
    """Compute a bootstrap confidence interval of a statistic.

    Args:
        processes: samples of each process.
        seed: seed of the bootstrap.
        figure: the statistic, a function of all samples.

    Returns:
        The interval that holds ``LEVEL`` of all resamples of processes and of their samples.

    """
    drawn = random.Random(seed)  # statistics, no secret
    found = sorted(
        figure([drawn.choices(p, k=len(p)) for p in drawn.choices(processes, k=len(processes))])
        for _ in range(RESAMPLES)
    )
    outside = round((1 - LEVEL) / 2 * RESAMPLES)
    return found[outside], found[-1 - outside]


def median_of_medians(processes: Sequence[Sequence[float]]) -> float:
    """Return the median of the processes' medians.

    Args:
        processes: samples of each process.

    Returns:
        The median.

    """
    return statistics.median(statistics.median(p) for p in processes)

"""What the processes of one row say together: a time, how near it is to the limit, and how sure both are.

A process's figure is the median of its samples, of its paired ratios

    ratio_k = seconds_k / mean(limit_k, limit_{k+1})

each a run over the limit's products right before and after it, so that what slows both down cancels. The
row's figure is the median over its processes, and its 95 % interval a bootstrap that draws processes, then
samples within each (Kalibera and Jones, ISMM 2013): samples of one process are no independent evidence.
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
LEVEL = 0.95
LEAST_PROCESSES = 3
"""With fewer, samples of the row's own spread are too few for an interval."""


@dataclass(frozen=True)
class Estimate:
    """A median, and where it may lie; without an interval where there were too few processes."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Timing:
    """One row: all processes of a workload, mode and number of processors on a backend."""

    measurements: tuple[Measurement, ...]

    @property
    def first(self) -> Measurement:
        """For what all of them have alike."""
        return self.measurements[0]

    @property
    def refused(self) -> Measurement | None:
        """The first process without a speed; then the row has none."""
        return next((m for m in self.measurements if not m.has_speed), None)

    @cached_property
    def seconds(self) -> Estimate:
        """Of one call."""
        return estimate([m.seconds for m in self.measurements], self._key("seconds"))

    @property
    def fastest_seconds(self) -> float:
        """The fastest sample of all."""
        return min(min(m.seconds) for m in self.measurements)

    @cached_property
    def limit_share(self) -> Estimate | None:
        """The limit's time over the row's own, at most about 1; None where no limit was measured."""
        if not all(m.limit_seconds for m in self.measurements):
            return None
        found = estimate([ratios(m) for m in self.measurements], self._key("ratio"))
        low, high = found.interval or (math.nan, math.nan)
        return Estimate(1 / found.value, (1 / high, 1 / low) if found.interval else None)

    @property
    def flops_per_second(self) -> float:
        """Of matrix products."""
        return self.first.flops / self.seconds.value

    @property
    def step_seconds(self) -> float | None:
        """Of one time step; None where no file says how many there are."""
        return self.seconds.value / self.first.steps if self.first.steps else None

    @property
    def device_seconds(self) -> float | None:
        """Of one call by the device's own clock; None where there is none to read."""
        found = [m.device_seconds for m in self.measurements if m.device_seconds]
        return median_of_medians(found) if found else None

    @property
    def clock_mhz(self) -> float | None:
        """Of a GPU's multiprocessors; None where none told."""
        found = [
            m.gpu.clock_mhz for m in self.measurements if m.gpu and m.gpu.clock_mhz is not None
        ]
        return statistics.median(found) if found else None

    @property
    def clock_limits(self) -> list[str]:
        """What held a GPU's clock down in any process."""
        return sorted({why for m in self.measurements if m.gpu for why in m.gpu.held_by or ()})

    @property
    def first_result_seconds(self) -> float | None:
        """Loading and the first call, in the slowest process: seconds until there is a first result."""
        found = [(m.load_seconds or 0.0) + m.first_call_seconds for m in self.measurements
                 if m.first_call_seconds is not None]  # fmt: skip
        return max(found, default=None)

    @property
    def preparation_seconds(self) -> dict[str, float]:
        """What of that was which, by name, in the median process; what was not told is left out."""
        parts = {"load": "load_seconds", "trace": "tracing_seconds", "compile": "compiling_seconds"}
        found = {word: [s for m in self.measurements if (s := getattr(m, field)) is not None]
                 for word, field in parts.items()}  # fmt: skip
        return {word: statistics.median(s) for word, s in found.items() if s}

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most that any process held."""
        found = [m.peak_memory_bytes for m in self.measurements]
        return max((n for n in found if n is not None), default=None)

    @property
    def binds(self) -> str:
        """What most processes say that the limit is made of."""
        return statistics.mode(m.binds for m in self.measurements)

    def _key(self, what: str) -> str:
        return f"{self.first.row} {what}"


def timings(measurements: Iterable[Measurement]) -> list[Timing]:
    """The rows, by workload, mode, processors and backend."""

    def order(m: Measurement) -> tuple[str, str, str, int, str, str]:
        return m.workload, m.dtype, m.mode, m.threads or 0, m.backend, m.device

    ordered = sorted(measurements, key=order)
    return [Timing(tuple(group)) for _, group in groupby(ordered, key=lambda m: m.row)]


def group_by_workload(rows: Iterable[Timing]) -> list[list[Timing]]:
    """Rows of one workload, mode and number of processors together, the fastest first; in the order given."""
    found: dict[tuple[object, ...], list[Timing]] = {}
    for t in rows:
        m = t.first
        found.setdefault((m.workload, m.dtype, m.mode, m.threads), []).append(t)
    return [sorted(group, key=lambda t: math.inf if t.refused else t.seconds.value)
            for group in found.values()]  # fmt: skip


def ratios(m: Measurement) -> list[float]:
    """Every sample over the mean of the limit's samples before and after it."""
    around = [(before + after) / 2 for before, after in pairwise(m.limit_seconds)]
    return [s / limit for s, limit in zip(m.seconds, around, strict=True)]


def estimate(processes: Sequence[Sequence[float]], seed: str) -> Estimate:
    """The median over processes of their medians; the same ``seed``, the same interval."""
    value = median_of_medians(processes)
    if len(processes) < LEAST_PROCESSES:
        return Estimate(value, None)
    return Estimate(value, interval(processes, seed, median_of_medians))


def interval(
    processes: Sequence[Sequence[float]],
    seed: str,
    figure: Callable[[Sequence[Sequence[float]]], float],
) -> tuple[float, float]:
    """Where ``figure`` lies in LEVEL of all resamples of processes and of their samples."""
    drawn = random.Random(seed)  # statistics, no secret
    found = sorted(
        figure([drawn.choices(p, k=len(p)) for p in drawn.choices(processes, k=len(processes))])
        for _ in range(RESAMPLES)
    )
    outside = round((1 - LEVEL) / 2 * RESAMPLES)
    return found[outside], found[-1 - outside]


def median_of_medians(processes: Sequence[Sequence[float]]) -> float:
    """The median of the processes' medians."""
    return statistics.median(statistics.median(p) for p in processes)

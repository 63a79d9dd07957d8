"""How a row's time grows with one size while all others stay: its slope, its knee, and the cache.

On axes of logarithms time is a line where it grows as a power: 1 for steps and layers; for rows 0 as long as
a step is bound by reading its weights, and 1 when it is bound by arithmetic; for units 2 in the end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from records.timing import Timing

PREFIX = "scaling/"
AXES = ("units", "rows", "steps", "layers")
"""What the numbers of ``scaling/lstm-H-B-T-L`` are."""
LEAST_POINTS = 4
BEND = 0.25
"""Two lines meet in a knee where their slopes are so far apart and explain half of what one leaves over."""
SLOWER = 1.2
"""The weights are no longer held by a cache where a floating-point operation takes so much longer."""


@dataclass(frozen=True)
class Sweep:
    """Rows that differ in one size alone, in its order."""

    axis: str
    points: tuple[tuple[int, Timing], ...]

    @property
    def first(self) -> Timing:
        """For what all of them have alike."""
        return self.points[0][1]

    @property
    def slope(self) -> float:
        """Of all points: time grows as the size to this power."""
        return _line(self._logs)[0]

    @property
    def slopes(self) -> list[float]:
        """From each point to the next."""
        return [(t2 - t1) / (n2 - n1) for (n1, t1), (n2, t2) in pairwise(self._logs)]

    @property
    def knee(self) -> int | None:
        """The size at which one slope becomes another; None where one line says as much."""
        logs = self._logs
        if len(logs) < LEAST_POINTS:
            return None
        _, alone = _line(logs)
        parts = [(logs[: k + 1], logs[k:]) for k in range(1, len(logs) - 1)]
        left = [_line(before)[1] + _line(after)[1] for before, after in parts]
        best = min(range(len(parts)), key=left.__getitem__)
        before, after = (_line(part)[0] for part in parts[best])
        if left[best] > alone / 2 or abs(after - before) < BEND:
            return None
        return self.points[best + 1][0]

    @property
    def leaves_cache(self) -> int | None:
        """The number of units from which on an operation takes longer than it did; None where it never does."""
        if self.axis != "units":
            return None
        each = [t.seconds.value / t.first.flops for _, t in self.points]
        found = (
            n for k, (n, _) in enumerate(self.points) if k and each[k] > SLOWER * min(each[:k])
        )
        return next(found, None)

    @property
    def _logs(self) -> list[tuple[float, float]]:
        return [(math.log(n), math.log(t.seconds.value)) for n, t in self.points]


def sweeps(rows: Iterable[Timing]) -> list[Sweep]:
    """The sweeps among these rows, by backend, mode and processors."""
    series: dict[tuple[object, ...], dict[tuple[int, ...], Timing]] = {}
    for t in rows:
        if t.first.workload.startswith(PREFIX) and not t.refused:
            sizes = tuple(int(n) for n in t.first.workload.rpartition("lstm-")[2].split("-"))
            key = t.first.backend, t.first.device, t.first.mode, t.first.threads
            series.setdefault(key, {})[sizes] = t
    return [
        sweep
        for found in series.values()
        for axis in range(len(AXES))
        if (sweep := _along(axis, found)) is not None
    ]


def _along(axis: int, found: dict[tuple[int, ...], Timing]) -> Sweep | None:
    """The longest sweep along one axis."""
    lines: dict[tuple[int, ...], list[tuple[int, Timing]]] = {}
    for sizes, t in found.items():
        rest = sizes[:axis] + sizes[axis + 1 :]
        lines.setdefault(rest, []).append((sizes[axis], t))
    points = max(lines.values(), key=len, default=[])
    return Sweep(AXES[axis], tuple(sorted(points, key=lambda p: p[0]))) if len(points) > 1 else None


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The slope of the best line, and the sum of squares that it leaves over."""
    xs, ys = zip(*points, strict=True)
    slope, at0 = statistics.linear_regression(xs, ys)
    return slope, sum((y - at0 - slope * x) ** 2 for x, y in points)

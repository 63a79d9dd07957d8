"""Measure how a row's time grows with one size while the others stay fixed: slope, knee and cache limit.

On logarithmic axes a power law is a straight line. The slope is 1 for time steps and layers. For the batch
it is 0 while reading the weights bounds a step, and 1 when arithmetic does. For hidden units it tends to 2.
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
"""Sizes in the name ``scaling/lstm-H-B-T-L``: hidden units, batch rows, time steps, layers."""
LEAST_POINTS = 4
"""Fewest points of a sweep for a knee."""
BEND = 0.25
"""Smallest difference of slopes at a knee; two lines must also halve the residual of a single line."""
SLOWER = 1.2
"""Factor by which an operation becomes slower once the weights no longer fit in the cache."""


@dataclass(frozen=True)
class Sweep:
    """Rows that differ in one size only, sorted by that size."""

    axis: str
    points: tuple[tuple[int, Timing], ...]

    @property
    def first(self) -> Timing:
        """The first row, for the fields that all rows share."""
        return self.points[0][1]

    @property
    def slope(self) -> float:
        """Exponent of the power law through all points."""
        return _line(self._logs)[0]

    @property
    def slopes(self) -> list[float]:
        """Exponent between neighbouring points."""
        return [(t2 - t1) / (n2 - n1) for (n1, t1), (n2, t2) in pairwise(self._logs)]

    @property
    def knee(self) -> int | None:
        """The size at which the exponent changes; None if one line fits as well."""
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
        """The number of units from which an operation is slower; None if it never is."""
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
    """Find the sweeps among the rows of the scaling workloads.

    Args:
        rows: timed rows.

    Returns:
        The longest sweep along each axis, by backend, device, mode and core count.

    """
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
    """Return the longest sweep along one axis, if it has two points."""
    lines: dict[tuple[int, ...], list[tuple[int, Timing]]] = {}
    for sizes, t in found.items():
        rest = sizes[:axis] + sizes[axis + 1 :]
        lines.setdefault(rest, []).append((sizes[axis], t))
    points = max(lines.values(), key=len, default=[])
    return Sweep(AXES[axis], tuple(sorted(points, key=lambda p: p[0]))) if len(points) > 1 else None


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit a line; return its slope and the residual sum of squares."""
    xs, ys = zip(*points, strict=True)
    slope, at0 = statistics.linear_regression(xs, ys)
    return slope, sum((y - at0 - slope * x) ** 2 for x, y in points)

"""Detect changes of a series by its own history in one environment.

Each machine is judged separately, by the values in the environment of its last run. The logarithms x of the
last WINDOW values are split where their level changes (PELT with a quadratic cost: Killick, Fearnhead and
Eckley, JASA 2012), with the penalty

    3 σ² log n,    σ = median |x_{k+1} − x_k| / 0.954

where σ estimates the standard deviation of normal values, unaffected by changes of level. The last level is
compared with the first one, the baseline. A change counts if the last level, and LASTING consecutive runs
since it began, exceed both Q3 + 3 IQR of |x_{k+1} − x_k| and LEAST. One or two bad runs are no change.

A new level becomes the baseline after WINDOW runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median, quantiles

import numpy as np
import ruptures

from reports.history.index import Point, Series
from reports.history.trend import Trend, Verdict

WINDOW = 50
"""Number of runs that are judged."""
LASTING = 3
"""Fewest consecutive runs that confirm a change."""
LEAST = 0.01
"""Smallest relative change that counts."""
PENALTY = 3.0
"""Factor of the penalty for each further level."""
NORMAL = 0.954
"""Median of |a − b| of two standard normal values."""
TINY = 1e-9
"""Smallest value whose logarithm is used: a margin can be 0."""

WORSE = {"margin": 1, "share of limit": -1}
"""Judged figures: 1 if a larger value is worse, −1 if a smaller one is. Time is not judged: it depends on the machine."""


def judge_series(series: Series, points: Sequence[Point]) -> list[Trend]:
    """Judge a series on every machine.

    Args:
        series: the series.
        points: its values, sorted by time.

    Returns:
        One verdict per machine.

    """
    machines = dict.fromkeys(point.machine for point in points)
    return [judge_points(series, [p for p in points if p.machine == one]) for one in machines]


def judge_points(series: Series, points: Sequence[Point]) -> Trend:
    """Judge the values of a series on one machine; points without a value are ignored.

    Args:
        series: the series.
        points: its values on one machine, sorted by time.

    Returns:
        The verdict.

    """
    seen = tuple(points)
    same = (p for p in seen if p.fingerprint == seen[-1].fingerprint)
    valued = [(p, p.value) for p in same if p.value is not None][-WINDOW:]
    if len(valued) < 2 * LASTING:
        return Trend(series, seen, "too few")
    x = [math.log(max(value, TINY)) for _, value in valued]
    starts = levels(x)
    medians = [median(x[a:b]) for a, b in pairwise([*starts, len(x)])]
    off = [m - medians[0] for m in medians]
    limit = max(math.log1p(LEAST), _outlying(x))
    if abs(off[-1]) <= limit:
        return Trend(series, seen, "steady", off[-1])
    alike = [o * off[-1] > 0 and abs(o) > limit for o in off]
    began = len(alike) - alike[::-1].index(False)  # the baseline's own deviation is 0
    sign = math.copysign(1, off[-1])
    beyond = [sign * (v - medians[0]) > limit for v in x[starts[began] :]]
    if not any(all(beyond[k : k + LASTING]) for k in range(len(beyond) - LASTING + 1)):
        return Trend(series, seen, "steady", off[-1])
    verdict: Verdict = "worse" if off[-1] * WORSE[series.figure] > 0 else "better"
    return Trend(series, seen, verdict, off[-1], valued[starts[began]][0])


def levels(x: Sequence[float]) -> list[int]:
    """Split a sequence where its level changes.

    Args:
        x: logarithms of values.

    Returns:
        The index at which each level starts.

    """
    steps = [abs(b - a) for a, b in pairwise(x)]
    sigma = max(median(steps) / NORMAL, LEAST / 4)
    found = ruptures.KernelCPD(kernel="linear", min_size=LASTING).fit(np.array(x)[:, None])
    ends = found.predict(pen=PENALTY * sigma**2 * math.log(len(x)))
    return [0, *ends[:-1]]


def _outlying(x: Sequence[float]) -> float:
    """Return Q3 + 3 IQR of the changes from one value to the next."""
    q1, _, q3 = quantiles([abs(b - a) for a, b in pairwise(x)], n=4, method="inclusive")
    return q3 + 3 * (q3 - q1)

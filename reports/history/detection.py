"""Whether a series became better or worse, judged by its own history in one environment.

Each machine is judged by itself, by what was seen of it in the environment of its last run. The last WINDOW values,
as logarithms x, are split where their level changes (PELT with a quadratic cost: Killick, Fearnhead and Eckley, JASA 2012), with the penalty

    3 σ² log n,    σ = median |x_{k+1} − x_k| / 0.954

that is the standard deviation of normal values, whatever their level does. The last level is held to the first one,
the baseline. What it is off by counts where it, and each of some LASTING runs in a row since it began, exceeds
Q3 + 3 IQR of |x_{k+1} − x_k|, and LEAST: a bad run or two are no change.

So a level to which nobody objects for WINDOW runs has become the baseline.
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
LASTING = 3
LEAST = 0.01
PENALTY = 3.0
NORMAL = 0.954
"""The median of |a − b| of two standard normal values."""
TINY = 1e-9
"""What is less has the same logarithm: a margin may be 0."""

WORSE = {"margin": 1, "share of limit": -1}
"""The figures that are judged, and whether more of them is worse. Time itself is not: it is the machine's too."""


def judge_series(series: Series, points: Sequence[Point]) -> list[Trend]:
    """What ``points``, in time, say of the series on every machine."""
    machines = dict.fromkeys(point.machine for point in points)
    return [judge_points(series, [p for p in points if p.machine == one]) for one in machines]


def judge_points(series: Series, points: Sequence[Point]) -> Trend:
    """What the points of one machine say; those without a value say nothing here."""
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
    began = len(alike) - alike[::-1].index(False)  # the baseline is off by nothing
    sign = math.copysign(1, off[-1])
    beyond = [sign * (v - medians[0]) > limit for v in x[starts[began] :]]
    if not any(all(beyond[k : k + LASTING]) for k in range(len(beyond) - LASTING + 1)):
        return Trend(series, seen, "steady", off[-1])
    verdict: Verdict = "worse" if off[-1] * WORSE[series.figure] > 0 else "better"
    return Trend(series, seen, verdict, off[-1], valued[starts[began]][0])


def levels(x: Sequence[float]) -> list[int]:
    """Where each level of ``x`` starts."""
    steps = [abs(b - a) for a, b in pairwise(x)]
    sigma = max(median(steps) / NORMAL, LEAST / 4)
    found = ruptures.KernelCPD(kernel="linear", min_size=LASTING).fit(np.array(x)[:, None])
    ends = found.predict(pen=PENALTY * sigma**2 * math.log(len(x)))
    return [0, *ends[:-1]]


def _outlying(x: Sequence[float]) -> float:
    """Q3 + 3 IQR of the changes from one value to the next."""
    q1, _, q3 = quantiles([abs(b - a) for a, b in pairwise(x)], n=4, method="inclusive")
    return q3 + 3 * (q3 - q1)

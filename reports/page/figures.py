"""Draw the page's small charts: margins as histograms, times as bars, sizes and runs as lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from records.timing import Estimate, Timing
from reports.history.index import Point
from reports.scaling import Sweep

DECADES = 3
"""The logarithmic axis of margins spans 10⁻³ to 10³; values outside are drawn at its ends."""
BINS_PER_DECADE = 4
WIDTH, HEIGHT = DECADES * 2 * BINS_PER_DECADE * 4, 20
BOUND_X = WIDTH // 2

BAR_WIDTH, BAR_HEIGHT = 200, 14
LINE_WIDTH, LINE_HEIGHT = 120, 44
SPARK_WIDTH, SPARK_HEIGHT, SPARK_RUNS = 160, 24, 40


@dataclass(frozen=True)
class Histogram:
    """SVG path data of the bars within the bound and beyond it, in WIDTH × HEIGHT."""

    within: str
    beyond: str


def histogram(margins: Iterable[float]) -> Histogram:
    """Draw a histogram of margins; the tallest bar has the full height.

    Args:
        margins: the margins.

    Returns:
        The bars.

    """
    bins = Counter(_bin(margin) for margin in margins)
    tallest = max(bins.values(), default=1)
    within: list[str] = []
    beyond: list[str] = []
    for place, n in sorted(bins.items()):
        height = max(1.5, HEIGHT * n / tallest)
        bar = f"M{place * 4} {HEIGHT}v-{height:.3g}h3v{height:.3g}z"
        (within if place * 4 < BOUND_X else beyond).append(bar)
    return Histogram("".join(within), "".join(beyond))


def _bin(margin: float) -> int:
    """Return the bar that counts a margin; a margin of exactly 1 still agrees."""
    last = DECADES * 2 * BINS_PER_DECADE - 1
    if margin <= 0:
        return 0
    if math.isinf(margin):
        return last
    place = math.ceil((math.log10(margin) + DECADES) * BINS_PER_DECADE) - 1
    return min(max(place, 0), last)


@dataclass(frozen=True)
class Bar:
    """Length of a bar in BAR_WIDTH, and its interval if there is one."""

    length: float
    interval: tuple[float, float] | None


def bars(rows: Sequence[Timing]) -> list[Bar | None]:
    """Draw times on a common axis that starts at 0.

    Args:
        rows: the rows.

    Returns:
        The bars; None for a row without a speed.

    """
    ends = [(t.seconds.interval or (0.0, t.seconds.value))[1] for t in rows if not t.refused]
    scale = BAR_WIDTH / max(ends, default=1.0)
    return [None if t.refused else _bar(t.seconds, scale) for t in rows]


def _bar(seconds: Estimate, scale: float) -> Bar:
    interval = seconds.interval
    return Bar(seconds.value * scale, interval and (interval[0] * scale, interval[1] * scale))


def line(sweep: Sweep) -> list[tuple[float, float]]:
    """Draw a sweep in LINE_WIDTH × LINE_HEIGHT on logarithmic axes.

    Args:
        sweep: the sweep.

    Returns:
        The points of the line.

    """
    sizes = [math.log(n) for n, _ in sweep.points]
    times = [math.log(t.seconds.value) for _, t in sweep.points]
    across = LINE_WIDTH / ((sizes[-1] - sizes[0]) or 1)
    up = LINE_HEIGHT / ((max(times) - min(times)) or 1)
    return [((n - sizes[0]) * across, LINE_HEIGHT - (s - min(times)) * up)
            for n, s in zip(sizes, times, strict=True)]  # fmt: skip


def spark(points: Sequence[Point]) -> str:
    """Draw the last values of a series in SPARK_WIDTH × SPARK_HEIGHT, from 0 upwards.

    The line has a gap where the environment changed or a value is missing.

    Args:
        points: the values, sorted by time.

    Returns:
        SVG path data.

    """
    shown = points[-SPARK_RUNS:]
    most = max((p.value for p in shown if p.value is not None), default=0.0) or 1.0
    across = SPARK_WIDTH / max(len(shown) - 1, 1)
    drawn, before = [], None
    for k, point in enumerate(shown):
        if point.value is None:
            before = None
            continue
        letter = "L" if before == point.fingerprint else "M"
        before = point.fingerprint
        drawn.append(f"{letter}{k * across:.4g} {SPARK_HEIGHT * (1 - point.value / most):.3g}")
    return "".join(drawn)

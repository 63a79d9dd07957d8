"""Small drawings: distributions of margins on one logarithmic axis with the bound at 1; times as bars, and
over sizes as lines; values over runs as lines.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from records.timing import Estimate, Timing
from reports.history.index import Point
from reports.scaling import Sweep

DECADES = 3
"""The axis goes from 10⁻³ to 10³; what lies outside is drawn at its ends."""
BINS_PER_DECADE = 4
WIDTH, HEIGHT = DECADES * 2 * BINS_PER_DECADE * 4, 20
BOUND_X = WIDTH // 2

BAR_WIDTH, BAR_HEIGHT = 200, 14
LINE_WIDTH, LINE_HEIGHT = 120, 44
SPARK_WIDTH, SPARK_HEIGHT, SPARK_RUNS = 160, 24, 40


@dataclass(frozen=True)
class Histogram:
    """SVG path data of the bars within the bound and of those beyond it, in WIDTH × HEIGHT."""

    within: str
    beyond: str


def histogram(margins: Iterable[float]) -> Histogram:
    """The bars of ``margins``; the tallest takes the whole height."""
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
    """The bar that ``margin`` is counted in; a margin of exactly 1 still agrees."""
    last = DECADES * 2 * BINS_PER_DECADE - 1
    if margin <= 0:
        return 0
    place = math.ceil((math.log10(margin) + DECADES) * BINS_PER_DECADE) - 1
    return min(max(place, 0), last)


@dataclass(frozen=True)
class Bar:
    """How long a bar is in BAR_WIDTH, and where its interval lies; None where there is none."""

    length: float
    interval: tuple[float, float] | None


def bars(rows: Sequence[Timing]) -> list[Bar | None]:
    """Times on one axis that starts at 0; None for a row without a speed."""
    ends = [(t.seconds.interval or (0.0, t.seconds.value))[1] for t in rows if not t.refused]
    scale = BAR_WIDTH / max(ends, default=1.0)
    return [None if t.refused else _bar(t.seconds, scale) for t in rows]


def _bar(seconds: Estimate, scale: float) -> Bar:
    interval = seconds.interval
    return Bar(seconds.value * scale, interval and (interval[0] * scale, interval[1] * scale))


def line(sweep: Sweep) -> list[tuple[float, float]]:
    """The points of a sweep in LINE_WIDTH × LINE_HEIGHT; both axes are of logarithms."""
    sizes = [math.log(n) for n, _ in sweep.points]
    times = [math.log(t.seconds.value) for _, t in sweep.points]
    across = LINE_WIDTH / ((sizes[-1] - sizes[0]) or 1)
    up = LINE_HEIGHT / ((max(times) - min(times)) or 1)
    return [((n - sizes[0]) * across, LINE_HEIGHT - (s - min(times)) * up)
            for n, s in zip(sizes, times, strict=True)]  # fmt: skip


def spark(points: Sequence[Point]) -> str:
    """SVG path data of the last values in time, in SPARK_WIDTH × SPARK_HEIGHT from 0 up; a gap where the
    environment changed or there is no value.
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

"""Distributions of margins as small drawings, all on one logarithmic axis with the bound at 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

DECADES = 3
"""The axis goes from 10⁻³ to 10³; what lies outside is drawn at its ends."""
BINS_PER_DECADE = 4
WIDTH, HEIGHT = DECADES * 2 * BINS_PER_DECADE * 4, 20
BOUND_X = WIDTH // 2


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

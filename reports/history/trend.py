"""What is said of a series; ``trends.py`` says it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

from reports.history.index import Point, Series

Verdict: TypeAlias = Literal["worse", "better", "steady", "too few"]


class Trend(NamedTuple):
    """A series on one machine, what was seen of it, and what is said of its last environment."""

    series: Series
    points: tuple[Point, ...]
    verdict: Verdict
    change: float = 0.0
    """log (last level / baseline)."""
    since: Point | None = None
    """The first run of the level that is worse, or better."""

    @property
    def last(self) -> Point:
        """What was seen last."""
        return self.points[-1]

    @property
    def key(self) -> tuple[Series, str]:
        """Which series, on which machine."""
        return self.series, self.last.machine

    @property
    def percent(self) -> str:
        """How much the last level is off the baseline."""
        return f"{math.expm1(self.change):+.1%}"

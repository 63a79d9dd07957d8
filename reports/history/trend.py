"""A series with its verdict; ``detection.py`` makes the verdict."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

from reports.history.index import Point, Series

Verdict: TypeAlias = Literal["worse", "better", "steady", "too few"]


class Trend(NamedTuple):
    """A series on one machine, its values, and the verdict on its latest environment."""

    series: Series
    points: tuple[Point, ...]
    verdict: Verdict
    change: float = 0.0
    """log (last level / baseline)."""
    since: Point | None = None
    """The first run of the level that is worse or better; None if the series is steady."""

    @property
    def last(self) -> Point:
        """The latest value."""
        return self.points[-1]

    @property
    def key(self) -> tuple[Series, str]:
        """The series and the machine."""
        return self.series, self.last.machine

    @property
    def percent(self) -> str:
        """The last level relative to the baseline, as a percentage."""
        return f"{math.expm1(self.change):+.1%}"

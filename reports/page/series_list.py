"""Choose the series that the page lists: changed ones first, as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from records.text import one_line
from reports.history.trend import Trend
from reports.history.triage import TriageEntry
from reports.matrix import Matrix

ROOM = 150_000
"""Bytes of the page for series."""
MARKUP = 900
"""Approximate bytes of a row without its names; mostly its line chart."""
POINTS = 60
"""Most values per series in the page's large chart."""
POINT, SPREAD, RUN = 14, 16, 130
"""Bytes of a value, of the range of its processes, and of its run."""


class SeriesLabel(NamedTuple):
    """How the page labels a series."""

    status: str
    """Status whose colour it has."""
    glyph: str
    word: str
    entry: TriageEntry | None = None
    folded: bool = False
    """True if the page lists the series only on request."""


LABELS = {
    "worse": SeriesLabel("differs", "✗", "worse"),
    "better": SeriesLabel("agrees", "✓", "better"),
    "steady": SeriesLabel("agrees", "✓", "steady", folded=True),
    "too few": SeriesLabel("missing", "○", "too few runs", folded=True),
}
"""Labels by verdict."""


def listed_series(matrix: Matrix) -> list[tuple[Trend, SeriesLabel]]:
    """Choose the series that fit: regressions, acknowledged ones, improvements, then the others.

    Args:
        matrix: the matrix.

    Returns:
        The series with their labels.

    """
    entries = {trend.key: entry for trend, entry in matrix.triage.acknowledged}
    order = {"worse": 0, "better": 2, "steady": 3, "too few": 4}

    def labelled(trend: Trend) -> tuple[int, SeriesLabel]:
        entry = entries.get(trend.key)
        if entry:
            return 1, SeriesLabel("known", "≠", "worse, acknowledged", entry)
        return order[trend.verdict], LABELS[trend.verdict]

    found, runs = [], set[str]()
    room = ROOM
    for trend in sorted(matrix.trends, key=lambda t: (labelled(t)[0], -abs(t.change), t.key)):
        room -= MARKUP + 2 * len(one_line(str(trend.series)).encode())
        for point in trend.points[-POINTS:]:
            room -= POINT + SPREAD * (point.low is not None) + RUN * (point.run_id not in runs)
            runs.add(point.run_id)
        if room < 0:
            break
        found.append((trend, labelled(trend)[1]))
    return found


def group_by_label(
    found: Sequence[tuple[Trend, SeriesLabel]],
) -> list[tuple[SeriesLabel, list[tuple[int, Trend, SeriesLabel]]]]:
    """Group series with the same label.

    Args:
        found: series with labels, sorted by label.

    Returns:
        Each label with its series and their positions.

    """
    numbered = [(place, trend, label) for place, (trend, label) in enumerate(found)]
    groups = ([*of] for _, of in groupby(numbered, key=lambda row: row[2].word))
    return [(of[0][2], of) for of in groups]

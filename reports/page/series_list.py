"""What the page shows of series: those that changed first, as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from records.text import one_line
from reports.history.trend import Trend
from reports.history.triage import TriageEntry
from reports.matrix import Matrix

ROOM = 150_000
"""Bytes of the page."""
MARKUP = 900
"""Of a row, about, without its names; the line over runs is most of it."""
POINTS = 60
"""Of a series, that the page has for its drawing in large."""
POINT, SPREAD, RUN = 14, 16, 130
"""Bytes of a value there, of what its processes span, and of the run that both are of."""


class SeriesLabel(NamedTuple):
    """How a trend is shown."""

    shown: str
    """As which status."""
    glyph: str
    word: str
    entry: TriageEntry | None = None
    folded: bool = False
    """Whether the page shows it only to those who ask."""


LABELS = {
    "worse": SeriesLabel("differs", "✗", "worse"),
    "better": SeriesLabel("agrees", "✓", "better"),
    "steady": SeriesLabel("agrees", "✓", "steady", folded=True),
    "too few": SeriesLabel("missing", "○", "too few runs to say", folded=True),
}


def listed_series(matrix: Matrix) -> list[tuple[Trend, SeriesLabel]]:
    """The series for which there is room: worse, acknowledged, better, and then the others."""
    entries = {trend.key: entry for trend, entry in matrix.triage.acknowledged}
    order = {"worse": 0, "better": 2, "steady": 3, "too few": 4}

    def said(trend: Trend) -> tuple[int, SeriesLabel]:
        entry = entries.get(trend.key)
        if entry:
            return 1, SeriesLabel("known", "≠", "worse, acknowledged", entry)
        return order[trend.verdict], LABELS[trend.verdict]

    found, runs = [], set[str]()
    room = ROOM
    for trend in sorted(matrix.trends, key=lambda t: (said(t)[0], -abs(t.change), t.key)):
        room -= MARKUP + 2 * len(one_line(str(trend.series)).encode())
        for point in trend.points[-POINTS:]:
            room -= POINT + SPREAD * (point.low is not None) + RUN * (point.run_id not in runs)
            runs.add(point.run_id)
        if room < 0:
            break
        found.append((trend, said(trend)[1]))
    return found


def group_by_label(
    found: Sequence[tuple[Trend, SeriesLabel]],
) -> list[tuple[SeriesLabel, list[tuple[int, Trend, SeriesLabel]]]]:
    """Those of which the same is said together, each with its place among all."""
    numbered = [(place, trend, said) for place, (trend, said) in enumerate(found)]
    groups = ([*of] for _, of in groupby(numbered, key=lambda row: row[2].word))
    return [(of[0][2], of) for of in groups]

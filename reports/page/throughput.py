"""Every time at a glance: a row for each workload, mode and number of processors, a column for each backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import escape

from records.text import clip
from records.timing import Timing, group_by_workload

ROOM = 300_000
"""Bytes of the page for what lies behind the times."""
HEAD, MARKUP = 900, 700
"""Of a row there, about, and of each backend in it."""
MOST = 1500
"""Times at a glance."""
REASON = 300
"""Characters of why there is none."""

Backend = tuple[str, str]
"""Its name, and the device."""


class Row(NamedTuple):
    """One workload, mode and number of processors."""

    anchor: str
    group: list[Timing]
    """The fastest first."""
    times: list[Timing | None]
    """By column; None where the backend was not timed."""
    detailed: bool
    """Whether the page has room for what lies behind."""

    @property
    def workload(self) -> tuple[str, str]:
        """With its dtype."""
        return self.group[0].first.workload, self.group[0].first.dtype


class SpeedTable(NamedTuple):
    """What the page shows of speed."""

    backends: list[Backend]
    rows: list[Row]
    omitted: int
    """Rows for which there is no room at all."""

    @property
    def alone(self) -> int:
        """Rows of which nothing but the times is shown."""
        return sum(not row.detailed for row in self.rows)


def speed_table(timings: Sequence[Timing]) -> SpeedTable:
    """Of all that was timed."""
    backends = sorted({_backend(t) for t in timings})
    groups = group_by_workload(timings)
    shown, room = groups[: max(1, MOST // max(len(backends), 1))], ROOM
    rows = []
    for number, group in enumerate(shown):
        room -= HEAD + sum(MARKUP + _bytes(t) for t in group)
        of = {_backend(t): t for t in group}
        rows.append(Row(f"t{number}", group, [of.get(b) for b in backends], room >= 0))
    return SpeedTable(backends, rows, len(groups) - len(shown))


def _bytes(t: Timing) -> int:
    """Of why it has no speed."""
    return len(escape(clip(t.refused.reason, REASON)).encode()) if t.refused else 0


def _backend(t: Timing) -> Backend:
    return t.first.backend, t.first.device

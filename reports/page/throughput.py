"""Build the table of times: a row per workload, mode and core count, a column per backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import escape

from records.text import clip
from records.timing import Timing, group_by_workload

ROOM = 300_000
"""Bytes of the page for the details of the times."""
HEAD, MARKUP = 900, 700
"""Approximate bytes of a row's details, and of each backend in them."""
MOST = 1500
"""Most times in the table."""
REASON = 300
"""Most characters of the reason for a missing time."""

Backend = tuple[str, str]
"""Name of the backend, and the device."""


class Row(NamedTuple):
    """One workload, mode and core count."""

    anchor: str
    group: list[Timing]
    """Timed rows, the fastest first."""
    times: list[Timing | None]
    """Timed rows by column; None if the backend was not timed."""
    detailed: bool
    """True if the page has room for the details."""

    @property
    def workload(self) -> tuple[str, str]:
        """Name and dtype of the workload."""
        return self.group[0].first.workload, self.group[0].first.dtype


class SpeedTable(NamedTuple):
    """The table of times."""

    backends: list[Backend]
    rows: list[Row]
    omitted: int
    """Number of rows that do not fit."""

    @property
    def alone(self) -> int:
        """Number of rows without details."""
        return sum(not row.detailed for row in self.rows)


def speed_table(timings: Sequence[Timing]) -> SpeedTable:
    """Build the table of times.

    Args:
        timings: the timed rows.

    Returns:
        The table.

    """
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
    """Return the bytes of the reason why a row has no speed."""
    return len(escape(clip(t.refused.reason, REASON)).encode()) if t.refused else 0


def _backend(t: Timing) -> Backend:
    return t.first.backend, t.first.device

"""Read triage.toml, which acknowledges regressions.

    [[triage]]
    series = "share of limit * pytorch cpu *"   # shell pattern of the series' name
    since = "a1b2c3d4"                          # run in which the regression began
    reason = "why the regression is acceptable, as a sentence"
    link = "https://…"                          # where this was decided
    expires = 2027-03-31                        # last day on which the entry is valid

An entry that matches no run of any series it names is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import msgspec

from reports.history.trend import Trend


class TriageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One acknowledged regression."""

    series: str
    since: str
    reason: str
    link: str
    expires: date

    def names(self, trend: Trend) -> bool:
        """Check whether the entry names a series that contains its run.

        Args:
            trend: the series.

        Returns:
            True if the pattern matches and the run is one of the series' runs.

        """
        return fnmatchcase(str(trend.series), self.series) and any(
            point.run_id == self.since for point in trend.points
        )

    def matches(self, trend: Trend) -> bool:
        """Check whether the entry acknowledges a regression.

        Args:
            trend: the series.

        Returns:
            True if the entry names the series and the run in which the regression began.

        """
        return trend.since is not None and trend.since.run_id == self.since and self.names(trend)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    triage: list[TriageEntry] = []


class BadTriageFile(Exception):
    """Error for an invalid triage.toml; the message says where it is and what was expected."""


class Triage(NamedTuple):
    """Regressions, by whether an entry acknowledges them, and entries that match nothing."""

    regressions: tuple[Trend, ...]
    """Regressions without a valid entry."""
    acknowledged: tuple[tuple[Trend, TriageEntry], ...]
    stale: tuple[TriageEntry, ...]
    """Entries that match nothing."""


NO_TRIAGE = Triage((), (), ())


def read_triage(path: Path) -> list[TriageEntry]:
    """Read triage.toml.

    Args:
        path: the file.

    Returns:
        Its entries.

    Raises:
        BadTriageFile: if the file cannot be read or has other content.

    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).triage
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, OSError, UnicodeDecodeError) as why:
        raise BadTriageFile(f"{path}: {why}; expected [[triage]] tables with series, since, reason, link "
                            "and expires") from why  # fmt: skip


def apply_triage(trends: Iterable[Trend], entries: Sequence[TriageEntry], today: date) -> Triage:
    """Sort regressions by whether an entry acknowledges them.

    Args:
        trends: series with verdicts.
        entries: entries of triage.toml.
        today: date on which the entries' expiry is checked.

    Returns:
        Open and acknowledged regressions, and entries that match nothing.

    """
    open_: list[Trend] = []
    acknowledged: list[tuple[Trend, TriageEntry]] = []
    used: set[int] = set()
    for trend in trends:
        used.update(k for k, entry in enumerate(entries) if entry.names(trend))
        if trend.verdict != "worse":
            continue
        valid = [e for e in entries if e.matches(trend) and today <= e.expires]
        if valid:
            acknowledged.append((trend, valid[0]))
        else:
            open_.append(trend)
    stale = tuple(entry for k, entry in enumerate(entries) if k not in used)
    return Triage(tuple(open_), tuple(acknowledged), stale)

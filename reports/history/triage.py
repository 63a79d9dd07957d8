"""triage.toml: changes for the worse that someone has looked at.

    [[triage]]
    series = "share of limit * pytorch cpu *"   # a pattern of what the series is called, as in a shell
    since = "a1b2c3d4"                          # the run in which it began
    reason = "why it may stay so, in a sentence"
    link = "https://…"                          # where that was decided
    expires = 2027-03-31                        # the last day on which it counts

An entry whose run is none of any series that it names is an error: it has outlived its reason, or never had one.
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
    """One entry."""

    series: str
    since: str
    reason: str
    link: str
    expires: date

    def names(self, trend: Trend) -> bool:
        """Whether this series is meant, and has that run."""
        return fnmatchcase(str(trend.series), self.series) and any(
            point.run_id == self.since for point in trend.points
        )

    def matches(self, trend: Trend) -> bool:
        """Whether this change is meant."""
        return trend.since is not None and trend.since.run_id == self.since and self.names(trend)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    triage: list[TriageEntry] = []


class BadTriageFile(Exception):
    """triage.toml cannot be used; the text says where and what was expected."""


class Triage(NamedTuple):
    """Changes for the worse, and the entries whose run is not there."""

    regressions: tuple[Trend, ...]
    """That nobody has looked at, or for which the time is over."""
    acknowledged: tuple[tuple[Trend, TriageEntry], ...]
    stale: tuple[TriageEntry, ...]


NO_TRIAGE = Triage((), (), ())


def read_triage(path: Path) -> list[TriageEntry]:
    """The entries of ``path``. Raises ``BadTriageFile``."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).triage
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, OSError, UnicodeDecodeError) as why:
        raise BadTriageFile(f"{path}: {why}; expected tables [[triage]] with series, since, reason, link "
                            "and expires") from why  # fmt: skip


def apply_triage(trends: Iterable[Trend], entries: Sequence[TriageEntry], today: date) -> Triage:
    """The changes for the worse among ``trends``, by whether an entry acknowledges them."""
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

"""Margins by version: how far each version of a framework is from the truth, by dtype."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from reports.dtypes import dtype_order
from reports.history.index import Index

ROOM = 120
"""Most rows on the page."""


class VersionMargins(NamedTuple):
    """The margins of one version's supported cases in one dtype, from its last run with every case."""

    backend: str
    device: str
    dtype: str
    version: str
    at: int
    """Start of the run in microseconds since 1970, UTC."""
    run_id: str
    margins: Sequence[float]
    failed: int
    """Number of cases without a margin: errored, or not finite, or of the wrong shape."""
    complete: bool
    """True if the run has every case; a version without such a run is shown by the last of its
    runs with most cases."""

    @property
    def day(self) -> str:
        """Date of the run."""
        return (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.at)).date().isoformat()
        )

    @property
    def median(self) -> float | None:
        """Median margin."""
        return statistics.median(self.margins) if self.margins else None

    @property
    def percentile_95(self) -> float | None:
        """95th percentile of the margins."""
        margins = sorted(self.margins)
        return margins[math.ceil(0.95 * len(margins)) - 1] if margins else None

    @property
    def beyond(self) -> int:
        """Number of cases whose margin exceeds 1."""
        return sum(margin > 1 for margin in self.margins)


def margins_by_version(index: Index) -> list[VersionMargins]:
    """Collect the margins of each version of every backend, device and dtype.

    Args:
        index: the index.

    Returns:
        The margins, sorted by backend, device and dtype; the latest version comes first.

    """
    found = []
    for run in index.last_of_versions():
        for dtype, all_of_it in index.margins(run.id).items():
            margins = [margin for margin in all_of_it if margin is not None]
            found.append(VersionMargins(run.backend, run.device, dtype, run.version, run.at, run.run_id, margins,
                                len(all_of_it) - len(margins), bool(run.complete)))  # fmt: skip
    return sorted(found, key=lambda s: (s.backend, s.device, dtype_order(s.dtype), -s.at))


def fit_to_page(
    margins: Sequence[VersionMargins],
) -> list[tuple[tuple[str, str, str], list[VersionMargins]]]:
    """Group by backend, device and dtype, and keep as many versions of each as the page has room for.

    Args:
        margins: margins of all versions, sorted.

    Returns:
        The groups, by backend, device and dtype.

    """
    alike = [
        (key, [*found])
        for key, found in groupby(margins, key=lambda s: (s.backend, s.device, s.dtype))
    ]
    each = max(1, ROOM // max(len(alike), 1))
    return [(key, found[:each]) for key, found in alike[:ROOM]]

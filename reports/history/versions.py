"""Margins over versions: how far each version of a backend's framework is from the truth, dtype by dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import median
from typing import NamedTuple

from reports.dtypes import dtype_order
from reports.history.index import Index

ROOM = 120
"""Rows on the page."""


class VersionMargins(NamedTuple):
    """The margins of all cases of one dtype that a version supports, in its last run that has every case."""

    backend: str
    device: str
    dtype: str
    version: str
    at: int
    """When it started: microseconds since 1970, UTC."""
    run_id: str
    margins: Sequence[float]
    failed: int
    """Cases without a margin: they errored, or gave something else than numbers of the right shape."""
    complete: bool
    """Whether the run has every case; a version of which none has is shown by its last run."""

    @property
    def day(self) -> str:
        """On which the run started."""
        return (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.at)).date().isoformat()
        )

    @property
    def middle(self) -> float | None:
        """The median."""
        return median(self.margins) if self.margins else None

    @property
    def most(self) -> float | None:
        """What 95 of 100 margins do not exceed."""
        margins = sorted(self.margins)
        return margins[math.ceil(0.95 * len(margins)) - 1] if margins else None

    @property
    def beyond(self) -> int:
        """Cases beyond the bound."""
        return sum(margin > 1 for margin in self.margins)


def margins_by_version(index: Index) -> list[VersionMargins]:
    """Of every backend, device and dtype each version, the latest first."""
    found = []
    for run in index.last_of_versions():
        for dtype, all_of_it in index.margins(run.id).items():
            margins = [margin for margin in all_of_it if margin is not None]
            found.append(VersionMargins(run.backend, run.device, dtype, run.version, run.at, run.run_id, margins,
                                len(all_of_it) - len(margins), bool(run.complete)))  # fmt: skip
    return sorted(found, key=lambda s: (s.backend, s.device, dtype_order(s.dtype), -s.at))


def fit_to_page(
    of: Sequence[VersionMargins],
) -> list[tuple[tuple[str, str, str], list[VersionMargins]]]:
    """By backend, device and dtype the last versions, of each as many, for which there is room."""
    alike = [
        (key, [*found]) for key, found in groupby(of, key=lambda s: (s.backend, s.device, s.dtype))
    ]
    each = max(1, ROOM // max(len(alike), 1))
    return [(key, found[:each]) for key, found in alike[:ROOM]]

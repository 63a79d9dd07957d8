"""Margins over versions: how far each version of a backend's framework is from the truth, dtype by dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from statistics import median
from typing import NamedTuple

from reports.dtypes import dtype_order
from reports.history import Index

ROOM = 160
"""Rows on the page."""


class Spread(NamedTuple):
    """The margins of all cases of one dtype, in the last run of one version that left none out, or the last at all."""

    backend: str
    device: str
    dtype: str
    version: str
    at: int
    """When it started: microseconds since 1970, UTC."""
    run_id: str
    margins: Sequence[float]

    @property
    def day(self) -> str:
        """On which the run started."""
        return f"{datetime.fromtimestamp(self.at / 1e6, UTC):%Y-%m-%d}"

    @property
    def median(self) -> float:
        return median(self.margins)

    @property
    def most(self) -> float:
        """What 95 of 100 cases do not exceed."""
        margins = sorted(self.margins)
        return margins[math.ceil(0.95 * len(margins)) - 1]

    @property
    def beyond(self) -> int:
        """Cases beyond the bound."""
        return sum(margin > 1 for margin in self.margins)


def spreads(index: Index) -> list[Spread]:
    """Of every backend, device and dtype each version, the latest first."""
    found = [Spread(run.backend, run.device, dtype, run.version, run.at, run.run_id, margins)
             for run in index.last_of_versions() for dtype, margins in index.margins(run.id).items()]  # fmt: skip
    return sorted(found, key=lambda s: (s.backend, s.device, dtype_order(s.dtype), -s.at))


def fitting(of: Sequence[Spread]) -> list[tuple[tuple[str, str, str], list[Spread]]]:
    """By backend, device and dtype the last versions, of each as many, for which there is room."""
    alike = [
        (key, [*found]) for key, found in groupby(of, key=lambda s: (s.backend, s.device, s.dtype))
    ]
    each = max(1, ROOM // max(len(alike), 1))
    return [(key, found[:each]) for key, found in alike[:ROOM]]

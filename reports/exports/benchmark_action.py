"""github-action-benchmark's two custom files: in one a smaller figure is better, in the other a bigger one.

``[{"name", "unit", "value", "range", "extra"}]``, never empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from records.text import number, one_line
from records.timing import Estimate, Timing
from reports.exports.names import group_name, timing_name, with_speed
from reports.matrix import Matrix


def smaller(matrix: Matrix) -> str | None:
    """Milliseconds of every row, and the largest margin of every backend, cell and dtype."""
    times = [_entry(t, "ms", t.seconds, 1e3) for t in with_speed(matrix.timings)]
    margins = [
        {"name": f"margin {group_name(row, column)}",
         "unit": "of the bound", "value": group.margin}
        for row in matrix.rows for column, group in zip(matrix.columns, row.groups, strict=True)
        if group.margin is not None
    ]  # fmt: skip
    return _text([*times, *margins])


def bigger(matrix: Matrix) -> str | None:
    """The share of the limit that every row reaches."""
    found = [(t, t.limit_share) for t in with_speed(matrix.timings)]
    return _text(_entry(t, "% of the limit", share, 100) for t, share in found if share)


def _entry(t: Timing, unit: str, what: Estimate, scale: float) -> dict[str, object]:
    entry: dict[str, object] = {"name": timing_name(t), "unit": unit, "value": what.value * scale}
    if what.interval:
        low, high = (number(bound * scale) for bound in what.interval)
        entry["range"] = f"{low} to {high}"
    return entry | {"extra": one_line(t.first.repeat, 600)}


def _text(entries: Iterable[dict[str, object]]) -> str | None:
    found = list(entries)
    return json.dumps(found, indent=1, allow_nan=False) + "\n" if found else None

"""Export the two custom files of github-action-benchmark: smaller is better, and bigger is better.

``[{"name", "unit", "value", "range", "extra"}]``, never empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from records.text import number, one_line
from records.timing import Estimate, Timing
from reports.exports.names import group_name, timing_name, with_speed
from reports.group import finite_margin
from reports.matrix import Matrix


def smaller(matrix: Matrix) -> str | None:
    """Export the milliseconds of every row, and the largest margin of every backend, cell and dtype.

    A margin that is not finite has no entry, since JSON has no infinity.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if there is neither.

    """
    times = [_entry(t, "ms", t.seconds, 1e3) for t in with_speed(matrix.timings)]
    margins = [
        {"name": f"margin {group_name(row, column)}",
         "unit": "bounds", "value": margin}
        for row in matrix.rows for column, group in zip(matrix.columns, row.groups, strict=True)
        if (margin := finite_margin(group)) is not None
    ]  # fmt: skip
    return _text([*times, *margins])


def bigger(matrix: Matrix) -> str | None:
    """Export the share of the limit that every row reaches.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if no row has a limit.

    """
    found = [(t, t.limit_share) for t in with_speed(matrix.timings)]
    return _text(_entry(t, "% of the limit", share, 100) for t, share in found if share)


def _entry(t: Timing, unit: str, estimate: Estimate, scale: float) -> dict[str, object]:
    entry: dict[str, object] = {
        "name": timing_name(t),
        "unit": unit,
        "value": estimate.value * scale,
    }
    if estimate.interval:
        low, high = (number(bound * scale) for bound in estimate.interval)
        entry["range"] = f"{low} to {high}"
    return entry | {"extra": one_line(t.first.repeat, 600)}


def _text(entries: Iterable[dict[str, object]]) -> str | None:
    found = list(entries)
    return json.dumps(found, indent=1, allow_nan=False) + "\n" if found else None

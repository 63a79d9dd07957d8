"""Export Bencher Metric Format: ``{benchmark: {measure: {"value", "lower_value", "upper_value"}}}``.

``latency`` is Bencher's own measure in nanoseconds; ``limit-share`` is a percentage, ``margin`` a ratio.
"""

from __future__ import annotations

import json
from typing import TypeAlias

from records.timing import Estimate
from reports.exports.names import group_name, timing_name, with_speed
from reports.group import finite_margin
from reports.matrix import Matrix

Metrics: TypeAlias = dict[str, dict[str, dict[str, float]]]


def text(matrix: Matrix) -> str | None:
    """Export every row that has a speed, and every margin that is finite.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if there is neither.

    """
    found: Metrics = {}
    for t in with_speed(matrix.timings):
        measures = found.setdefault(timing_name(t), {})
        measures["latency"] = _metric(t.seconds, 1e9)
        if t.limit_share:
            measures["limit-share"] = _metric(t.limit_share, 100)
    for row in matrix.rows:
        for column, group in zip(matrix.columns, row.groups, strict=True):
            if (margin := finite_margin(group)) is not None:
                found[group_name(row, column)] = {"margin": {"value": margin}}
    return json.dumps(found, indent=1, allow_nan=False) + "\n" if found else None


def _metric(estimate: Estimate, scale: float) -> dict[str, float]:
    metric = {"value": estimate.value * scale}
    if estimate.interval:
        metric |= {
            "lower_value": estimate.interval[0] * scale,
            "upper_value": estimate.interval[1] * scale,
        }
    return metric

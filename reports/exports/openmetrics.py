"""Export OpenMetrics text for Prometheus and for GitLab's metrics reports; it ends with ``# EOF``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from records.text import clip
from reports.exports.names import with_speed
from reports.matrix import Matrix
from reports.outcomes import STATUSES

Sample = tuple[dict[str, str], float]


def text(matrix: Matrix) -> str | None:
    """Export all metric families.

    Args:
        matrix: the matrix.

    Returns:
        OpenMetrics text; None if there is no result.

    """
    if not matrix.columns and not matrix.timed:
        return None
    rows = with_speed(matrix.timings)
    times: list[Sample] = [
        ({**_row(t.first), "statistic": "median"}, t.seconds.value) for t in rows
    ]
    for t in rows:
        if t.seconds.interval:
            ends = zip(("low", "high"), t.seconds.interval, strict=True)
            times += [({**_row(t.first), "statistic": name}, end) for name, end in ends]
    shares = [(_row(t.first), share.value) for t in rows if (share := t.limit_share)]
    lines = [
        *_family("rnnspec_cases", "Cases by status.", "", _cases(matrix)),
        *_family(
            "rnnspec_margin_ratio", "Largest error divided by its bound.", "ratio", _margins(matrix)
        ),
        *_family(
            "rnnspec_call_seconds", "Wall time of one call, over processes.", "seconds", times
        ),
        *_family(
            "rnnspec_limit_ratio", "The limit's time divided by the row's time.", "ratio", shares
        ),
    ]
    return "\n".join([*lines, "# EOF", ""])


def _cases(matrix: Matrix) -> Iterator[Sample]:
    for column in matrix.columns:
        for name in STATUSES:
            count = column.unreached if name == "missing" else column.total.counts[name]
            yield {**_column(column.run.header), "status": name}, count


def _margins(matrix: Matrix) -> Iterator[Sample]:
    for row in matrix.rows:
        for column, group in zip(matrix.columns, row.groups, strict=True):
            if group.margin is not None:
                yield (
                    {**_column(column.run.header), "cell": row.cell, "dtype": row.dtype},
                    group.margin,
                )


def _column(header: object) -> dict[str, str]:
    names = ("backend", "backend_version", "device")
    return {name.removeprefix("backend_"): getattr(header, name) for name in names}


def _row(m: object) -> dict[str, str]:
    names = ("backend", "device", "workload", "mode", "dtype", "threads")
    return {name: str(getattr(m, name)) for name in names}


def _family(name: str, description: str, unit: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {description}"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
        yield f"{name}{{{inside}}} {_number(value)}"


def _escaped(word: str) -> str:
    return clip(word, 500).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(float(value))

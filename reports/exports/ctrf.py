"""Export Common Test Report Format 1.0.0: one test per case, with our own status in ``rawStatus``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from records.reading import parse_utc
from records.schema import CaseRecord
from records.text import clip, one_line
from reports.column import Column
from reports.exports.names import column_name, shorten
from reports.matrix import Matrix
from reports.outcomes import STATUSES, status

STATUS = {"agrees": "passed", "differs": "failed", "errored": "failed", "unsupported": "skipped"}
"""CTRF status by our status; any other status becomes ``other``, never ``passed``."""
COUNTED = ("passed", "failed", "pending", "skipped", "other")


def text(matrix: Matrix) -> str | None:
    """Export all cases of all columns.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if there is no case.

    """
    tests = [test for column in matrix.columns for test in _tests(column)]
    if not tests:
        return None
    counts = Counter(test["status"] for test in tests)
    runs = [run for column in matrix.columns for run in column.runs]
    started = min(run.started for run in runs)
    ends = [parse_utc(run.footer.ended_at) for run in runs if run.footer]
    stopped = max([*ends, *(run.started for run in runs)])
    report = {
        "reportFormat": "CTRF",
        "specVersion": "1.0.0",
        "generatedBy": "rnnspec",
        "results": {
            "tool": {"name": "rnnspec"},
            "summary": {"tests": len(tests), **{name: counts[name] for name in COUNTED},
                        "suites": len(matrix.columns), "start": _milliseconds(started),
                        "stop": _milliseconds(stopped)},
            "tests": tests,
        },
    }  # fmt: skip
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def _tests(column: Column) -> Iterator[dict[str, Any]]:
    for record in column.cases:
        yield _test(column, record)
    if why := column.why_incomplete:
        yield {"name": "the whole run", "status": "failed", "duration": 0, "suite": [column_name(column)],
               "rawStatus": "interrupted", "message": clip(why)}  # fmt: skip


def _test(column: Column, record: CaseRecord) -> dict[str, Any]:
    name = status(record)
    test: dict[str, Any] = {
        "name": shorten(record.case), "status": STATUS.get(name, "other"),
        "duration": round(1000 * sum(record.seconds.values())), "suite": [column_name(column)],
        "rawStatus": STATUSES[name].word, "type": "conformance",
        "extra": {"margin": record.margin, "fingerprint": record.fingerprint,
                  "repeat": one_line(record.repeat, 600)},
    }  # fmt: skip
    if name != "agrees":
        test["message"] = clip(record.known or record.reason, 2000)
    if record.card:
        test["trace"] = clip(record.card)
    return test


def _milliseconds(moment: Any) -> int:
    return round(moment.timestamp() * 1000)

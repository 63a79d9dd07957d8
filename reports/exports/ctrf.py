"""Common Test Report Format 1.0.0: cases as tests, our own status in ``rawStatus``."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from reports.exports.named import of_column
from reports.matrix import Column, Matrix
from reports.records import CaseRecord
from reports.statuses import STATUSES, status
from reports.text import clip, one_line

STATUS = {"agrees": "passed", "differs": "failed", "errored": "failed", "unsupported": "skipped"}
"""Its statuses by ours; what is neither is ``other``, and never passed."""
COUNTED = ("passed", "failed", "pending", "skipped", "other")


def text(matrix: Matrix) -> str | None:
    """All cases of all columns; None where there is none."""
    tests = [_test(column, record) for column in matrix.columns for record in column.run.cases]
    if not tests:
        return None
    counts = Counter(test["status"] for test in tests)
    started = min(column.run.started for column in matrix.columns)
    stopped = max(column.run.started for column in matrix.columns)
    whole = {
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
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def _test(column: Column, record: CaseRecord) -> dict[str, Any]:
    name = status(record)
    test: dict[str, Any] = {
        "name": one_line(record.case, 900), "status": STATUS.get(name, "other"),
        "duration": round(1000 * sum(record.seconds.values())), "suite": [of_column(column)],
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

"""Export comma-separated tables for spreadsheets and data frames: the cases, and the timed rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from records.text import one_line
from reports.matrix import Matrix
from reports.outcomes import status

FORMULA = ("=", "+", "-", "@")
"""First characters that make a cell a formula in a spreadsheet; such a cell gets an apostrophe."""


def cases(matrix: Matrix) -> str | None:
    """Export one line per case.

    Args:
        matrix: the matrix.

    Returns:
        CSV; None if there is no case.

    """
    head = ("backend", "version", "device", "case", "dtype", "status", "margin", "fingerprint", "arithmetic",
            "reason", "known", "repeat")  # fmt: skip
    rows = [
        (r.backend, column.run.header.backend_version, r.device, r.case, r.dtype, status(r), r.margin,
         r.fingerprint, r.arithmetic, r.reason, r.known, r.repeat)
        for column in matrix.columns for r in column.cases
    ]  # fmt: skip
    return _table(head, rows)


def throughput(matrix: Matrix) -> str | None:
    """Export one line per timed row; a row without a speed shows the reason.

    Args:
        matrix: the matrix.

    Returns:
        CSV; None if nothing was timed.

    """
    head = ("backend", "device", "workload", "mode", "dtype", "processors", "processes", "outcome", "reason",
            "seconds", "seconds_low", "seconds_high", "step_seconds", "device_seconds", "of_limit", "binds", "flops",
            "peak_memory_bytes", "clock_mhz", "held_by", "repeat")  # fmt: skip
    rows = []
    for t in matrix.timings:
        m, bad = t.first, t.refused
        low, high = (None, None) if bad else t.seconds.interval or (None, None)
        share = None if bad else t.limit_share
        rows.append((
            m.backend, m.device, m.workload, m.mode, m.dtype, m.threads, len(t.measurements),
            bad.outcome if bad else m.outcome, bad.reason if bad else "",
            None if bad else t.seconds.value, low, high, None if bad else t.step_seconds,
            None if bad else t.device_seconds, share.value if share else None, "" if bad else t.binds, m.flops,
            t.peak_memory_bytes, t.clock_mhz, ", ".join(t.clock_limits), m.repeat,
        ))  # fmt: skip
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str | None:
    found = [[_cell(value) for value in row] for row in rows]
    if not found:
        return None
    to = StringIO()
    csv.writer(to, lineterminator="\n").writerows([head, *found])
    return to.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = one_line(value, 2000)
    return f"'{shown}" if shown.startswith(FORMULA) else shown

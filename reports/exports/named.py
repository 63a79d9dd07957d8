"""What an exported row is called, the same in every form."""

from __future__ import annotations

from reports.matrix import Column
from reports.text import count, one_line
from reports.timing import Timing


def of_column(column: Column) -> str:
    """Backend @ version @ device."""
    return one_line(column.label)


def of_timing(t: Timing) -> str:
    """Workload, mode, backend, device and processors; a name for which a series is kept."""
    m = t.first
    processors = f", {count(m.threads, 'processor')}" if m.threads else ""
    return one_line(f"{m.workload} {m.mode} {m.dtype}, {m.backend} @ {m.device}{processors}", 900)


def sure(timings: list[Timing]) -> list[Timing]:
    """Those that have a speed."""
    return [t for t in timings if not t.refused]

"""What an exported row is called, the same in every form."""

from __future__ import annotations

from hashlib import sha256

from records.text import count, one_line
from records.timing import Timing
from reports.matrix import Column, Row

LONGEST = 900
"""Characters; Bencher takes 1,024."""


def of_column(column: Column) -> str:
    """Backend @ version @ device."""
    return one_line(column.label)


def of_group(row: Row, column: Column) -> str:
    """Cell, dtype, backend and device; a name for which a series is kept, whatever the framework's version."""
    header = column.run.header
    return short(f"{row.cell} {row.dtype}, {header.backend} @ {header.device}")


def short(name: str) -> str:
    """``name`` in at most 900 characters: what is longer keeps its beginning, and is told apart by its hash."""
    shown = one_line(name, 10**9)
    return (
        shown
        if len(shown) <= LONGEST
        else f"{shown[:800]}… {sha256(name.encode()).hexdigest()[:12]}"
    )


def of_timing(t: Timing) -> str:
    """Workload, mode, backend, device and processors; a name for which a series is kept."""
    m = t.first
    processors = f", {count(m.threads, 'processor')}" if m.threads is not None else ""
    return short(f"{m.workload} {m.mode} {m.dtype}, {m.backend} @ {m.device}{processors}")


def sure(timings: list[Timing]) -> list[Timing]:
    """Those that have a speed."""
    return [t for t in timings if not t.refused]

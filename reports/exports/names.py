"""What an exported row is called, the same in every form."""

from __future__ import annotations

from hashlib import sha256

from records.text import count, one_line
from records.timing import Timing
from reports.matrix import Column, Row

LONGEST = 900
"""Characters; Bencher takes 1,024."""


def column_name(column: Column) -> str:
    """Backend @ version @ device."""
    return one_line(column.label)


def group_name(row: Row, column: Column) -> str:
    """Cell, dtype, backend and device; a name for which a series is kept, whatever the framework's version."""
    header = column.run.header
    return shorten(f"{row.cell} {row.dtype}, {header.backend} @ {header.device}")


def shorten(name: str) -> str:
    """``name`` in at most 900 characters: what is longer keeps its beginning, and is told apart by its hash."""
    shown = one_line(name, 10**9)
    return (
        shown
        if len(shown) <= LONGEST
        else f"{shown[:800]}… {sha256(name.encode()).hexdigest()[:12]}"
    )


def timing_name(t: Timing) -> str:
    """Workload, mode, backend, device and processors; a name for which a series is kept."""
    m = t.first
    processors = f", {count(m.threads, 'processor')}" if m.threads is not None else ""
    return shorten(f"{m.workload} {m.mode} {m.dtype}, {m.backend} @ {m.device}{processors}")


def with_speed(timings: list[Timing]) -> list[Timing]:
    """Those that have a speed."""
    return [t for t in timings if not t.refused]

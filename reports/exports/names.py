"""Names of exported rows, the same in every format."""

from __future__ import annotations

from hashlib import sha256

from records.text import count, one_line
from records.timing import Timing
from reports.column import Column
from reports.matrix import Row

LONGEST = 900
"""Most characters of a name; Bencher allows 1,024."""


def column_name(column: Column) -> str:
    """Name a column.

    Args:
        column: the column.

    Returns:
        Backend @ version @ device.

    """
    return one_line(column.label)


def group_name(row: Row, column: Column) -> str:
    """Name an entry of the matrix; the name is stable across framework versions, so tools can follow it.

    Args:
        row: row of the entry.
        column: column of the entry.

    Returns:
        Cell, dtype, backend and device.

    """
    header = column.run.header
    return shorten(f"{row.cell} {row.dtype}, {header.backend} @ {header.device}")


def shorten(name: str) -> str:
    """Limit a name to ``LONGEST`` characters.

    Args:
        name: the name.

    Returns:
        The name; a longer one is cut and ends in its hash, so that it stays unique.

    """
    shown = one_line(name, 10**9)
    return (
        shown
        if len(shown) <= LONGEST
        else f"{shown[:800]}… {sha256(name.encode()).hexdigest()[:12]}"
    )


def timing_name(t: Timing) -> str:
    """Name a timed row; the name is stable across framework versions, so tools can follow it.

    Args:
        t: the row.

    Returns:
        Workload, mode, dtype, backend, device and core count.

    """
    m = t.first
    processors = f", {count(m.threads, 'processor')}" if m.threads is not None else ""
    return shorten(f"{m.workload} {m.mode} {m.dtype}, {m.backend} @ {m.device}{processors}")


def with_speed(timings: list[Timing]) -> list[Timing]:
    """Select the rows that have a speed.

    Args:
        timings: the rows.

    Returns:
        The selected rows.

    """
    return [t for t in timings if not t.refused]

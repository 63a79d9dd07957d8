"""Compare two backends on the same workloads, in pairs of processes that alternate.

The figure is the ratio of their times with a 95 % interval: the median over pairs.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from benchmarks.comparing.pairs import Subject, time_pairs
from benchmarks.comparing.self_comparison import CURRENT
from benchmarks.comparing.verdict import NO_NOISE, Change, Comparison, compare_rows
from benchmarks.timing.options import Rows
from records.exit_codes import ExitCode
from records.text import number
from reports.terminal import why_no_speed

PAIRS = 5


def compare_backends(
    first: str, second: str, rows: Rows, *, pairs: int, out: Path, console: Console
) -> ExitCode:
    """Time two backends in pairs, and print the ratio of the first one's time to the second one's.

    Args:
        first: a backend.
        second: another one.
        rows: the workloads and modes.
        pairs: number of pairs of processes.
        out: folder of results.
        console: where to print.

    Returns:
        The exit code: 1 if a row does not agree with the specification, 4 if a process gave no answer.

    """
    folder = out / "backends" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    both = Subject(second, CURRENT), Subject(first, CURRENT)
    timed = time_pairs(both, rows, range(pairs), folder, console)
    if timed is None:
        return ExitCode.NOT_ENOUGH_DATA
    # Rows are matched by backend too; here the sides are the backends, so both get one name.
    head = [replace(m, backend=second) for m in timed.head]
    found = compare_rows(timed.base, head, lambda _: NO_NOISE)
    console.print(_table(found, first, second, rows))
    for line in why_no_speed(c.refused for c in found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return ExitCode.CONFORMANCE_FAILURE if any(c.differs for c in found) else ExitCode.CLEAN


def _table(found: list[Comparison], first: str, second: str, rows: Rows) -> Table:
    """Return the table of all rows."""
    shown = Table(title=f"1: {first}\n2: {second}\ntime of 1 / time of 2, {rows.where}", box=None,
                  title_justify="left", title_style="", pad_edge=False)  # fmt: skip
    for name in ("workload", "mode"):
        shown.add_column(name, no_wrap=True)
    for name in ("1, ms", "2, ms", "1 / 2", "95 %"):
        shown.add_column(name, justify="right", no_wrap=True)
    for c in found:
        words = c.base.first.workload, c.base.first.mode
        if c.refused:
            shown.add_row(*words, "", "", "", f"{c.refused.outcome}: no speed")
            continue
        shown.add_row(*words, number(c.head.seconds.value * 1e3), number(c.base.seconds.value * 1e3),
                      *_ratio(c.change))  # fmt: skip
    return shown


def _ratio(change: Change) -> tuple[str, str]:
    """Return a ratio and its interval as text."""
    low, value, high = (math.exp(x) for x in (change.low, change.value, change.high))
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"

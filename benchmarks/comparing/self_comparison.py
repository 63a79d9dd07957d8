"""Compare identical code with itself, in pairs, to measure the noise of every row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.comparing.noise import estimate_noise
from benchmarks.comparing.noise_budgets import load_average, make_budget, write_budgets
from benchmarks.comparing.pairs import Subject, time_pairs
from benchmarks.comparing.revisions import PAIRS
from benchmarks.comparing.sides import Side
from benchmarks.comparing.verdict import NO_NOISE, Comparison, compare_rows
from benchmarks.timing.options import Rows
from conformance.open_backend import ROOT
from records.exit_codes import ExitCode
from records.text import number

CURRENT = Side("this checkout", ROOT, Path(sys.executable))
"""The side of the current checkout, in this environment."""


def measure_noise(
    names: Sequence[str], rows: Rows, pairs: int, folder: Path, budgets_at: Path, console: Console
) -> ExitCode:
    """Compare every backend with itself, and store the noise of its rows.

    Args:
        names: names of the backends.
        rows: the rows to time.
        pairs: number of pairs.
        folder: folder for run files.
        budgets_at: file of budgets that the noise is written to.
        console: for progress and tables.

    Returns:
        The lowest exit code other than 0, or 0.
    """
    codes = []
    for name in names:
        both = Subject(name, CURRENT), Subject(name, CURRENT)
        timed = time_pairs(both, rows, range(pairs), folder / name.replace("/", "_"), console)
        if timed is None:
            codes.append(ExitCode.NOT_ENOUGH_DATA)
            continue
        found = compare_rows(timed.base, timed.head, lambda _: NO_NOISE)
        on = timed.headers[0].environment.machine
        new = [make_budget(c, on) for c in found if not c.refused]
        write_budgets(
            budgets_at, new
        )  # after each backend, so that an interrupted run keeps the finished ones
        console.print(table(found, PAIRS, rows))
        codes += [ExitCode.CONFORMANCE_FAILURE for c in found if c.differs]
    console.print(f"wrote {budgets_at}", soft_wrap=True, highlight=False)
    return min((code for code in codes if code), default=ExitCode.CLEAN)


def table(found: Sequence[Comparison], pairs: int, rows: Rows) -> Table:
    """Return the table of every row's noise.

    Args:
        found: the self-comparisons; rows without a speed are omitted.
        pairs: number of pairs of the comparisons that the noise is estimated for.
        rows: the rows that were timed.

    Returns:
        The table.
    """
    shown = Table(title=f"Identical code, in comparisons of {pairs} pairs {rows.where}",
                  box=None, title_justify="left", pad_edge=False)  # fmt: skip
    for name in ("workload", "mode", "backend"):
        shown.add_column(name)
    for name in ("ms", "budget", "detectable", "load"):
        shown.add_column(name, justify="right")
    for c in found:
        if not c.refused:
            m, its = c.base.first, estimate_noise(c.changes, pairs)
            shown.add_row(m.workload, m.mode, m.backend, number(c.base.seconds.value * 1e3),
                          f"{its.budget:.1%}", f"{its.detectable:.1%}", number(load_average(c)))  # fmt: skip
    return shown

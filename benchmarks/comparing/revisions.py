"""Compare the speed and the margins of two git revisions, or of two versions of a framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from backends import BACKENDS
from benchmarks.comparing.noise_budgets import Budget, Key, read_budgets, row_key
from benchmarks.comparing.pairs import Subject, time_pairs
from benchmarks.comparing.sides import Side, prepare_side
from benchmarks.comparing.verdict import Comparison, Noise, Verdict, compare_rows, join
from benchmarks.timing.options import Rows
from records.exit_codes import ExitCode
from records.schema import Measurement
from records.text import number
from records.timing import Timing
from reports.terminal import why_no_speed

PAIRS = 10
ASSUMED = Noise(0.05, 0.05)
"""The noise of a row that was not measured on this machine."""


def compare_revisions(
    base: str, head: str, names: Sequence[str], rows: Rows, *,
    pairs: int, budget: float | None, budgets: Path, out: Path, console: Console,
) -> ExitCode:  # fmt: skip
    """Time two revisions, or two versions of a framework, and print every row.

    Args:
        base: a git revision, or NAME==VERSION.
        head: another one.
        names: backends of one framework.
        rows: the workloads and modes.
        pairs: number of pairs of processes.
        budget: share of a row's time that identical code may differ by; None to take it from ``budgets``.
        budgets: the file of budgets measured on this machine.
        out: folder of results.
        console: where to print.

    Returns:
        The exit code: 2 for a regression.

    Raises:
        BadBudgets: the file cannot be read.
        BadSide: a side is neither a revision nor a version, or cannot be installed.

    """
    extras = {BACKENDS[name].extra for name in names if name in BACKENDS}
    measured = read_budgets(budgets)
    with console.status("environments"):
        sides = [prepare_side(text, next(iter(extras), None)) for text in (base, head)]
    folder = out / "compare" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    compare = partial(_compare_sides, sides, budget=budget, measured=measured, console=console)
    found = compare(names, rows, range(pairs), folder / "first")
    doubtful = [c for c in found if in_doubt(c)]
    second: list[Comparison] = []
    if doubtful:
        console.print(f"timing {len(doubtful)} slower or ambiguous rows again")
        who, which, modes = (list(dict.fromkeys(getattr(c.base.first, part) for c in doubtful))
                             for part in ("backend", "workload", "mode"))  # fmt: skip
        again = rows._replace(workloads=which, modes=modes)
        second = compare(who, again, range(pairs, 2 * pairs), folder / "again")
    judged = judge(found, second)
    console.print(table(judged, base, head, rows))
    for line in why_no_speed(c.refused for c, _ in judged):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    path = folder / "comparison.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(
        [_as_data(row, base, head) for row in judged])))  # fmt: skip
    console.print(f"wrote {path}", soft_wrap=True, highlight=False)
    return code(judged, rows.total * len(names))


class _Judged(NamedTuple):
    """A row with all its pairs, and its final verdict."""

    all: Comparison
    verdict: Verdict


def in_doubt(c: Comparison) -> bool:
    """Return True if a row has to be timed again.

    Args:
        c: the comparison of the row.

    Returns:
        True if it is slower or ambiguous.
    """
    return not c.refused and c.verdict in ("slower", "ambiguous")


def judge(first: Sequence[Comparison], second: Sequence[Comparison]) -> list[_Judged]:
    """Judge every row by all its pairs; a row is slower only if the rerun alone confirms it.

    Args:
        first: the comparisons of all rows.
        second: the comparisons of the rows that were timed again.

    Returns:
        The rows of ``first``, in order.
    """
    again = {c.base.first.row: c for c in second if not c.refused}
    judged = []
    for c in first:
        new = again.get(c.base.first.row)
        together = join(c, new) if new else c
        confirmed = new is not None and new.verdict == "slower"
        wavers = together.verdict == "slower" and not confirmed
        judged.append(_Judged(together, "ambiguous" if wavers else together.verdict))
    return judged


def code(judged: Sequence[_Judged], rows: int) -> ExitCode:
    """Return the exit code of a comparison.

    Args:
        judged: the judged rows.
        rows: number of rows that were asked for.

    Returns:
        1 if a row does not agree, 2 for a regression, 4 if a row is ambiguous or missing, else 0.
    """
    if any(row.all.differs for row in judged):
        return ExitCode.CONFORMANCE_FAILURE
    verdicts = {row.verdict for row in judged if not row.all.refused}
    if "slower" in verdicts:
        return ExitCode.PERFORMANCE_REGRESSION
    decided = verdicts and "ambiguous" not in verdicts and len(judged) == rows
    return ExitCode.CLEAN if decided else ExitCode.NOT_ENOUGH_DATA


def table(judged: Sequence[_Judged], base: str, head: str, rows: Rows) -> Table:
    """Return the table of all rows.

    Args:
        judged: the judged rows.
        base: name of the base side.
        head: name of the head side.
        rows: the rows that were timed.

    Returns:
        The table.
    """
    shown = Table(
        title=f"{head} against {base}, {rows.where}", box=None, title_justify="left", pad_edge=False
    )
    for name in ("workload", "mode", "backend"):
        shown.add_column(name)
    for name in (f"{base} ms", f"{head} ms", "change (95 %)", "budget", "verdict",
                 "margin"):  # fmt: skip
        shown.add_column(name, justify="right")
    for c, verdict in judged:
        first = c.base.first
        words = first.workload, first.mode, first.backend
        if c.refused:
            shown.add_row(*words, "", "", "", "", f"{c.refused.outcome}: no speed")
            continue
        shown.add_row(*words, number(c.base.seconds.value * 1e3), number(c.head.seconds.value * 1e3),
                      str(c.change), f"{c.noise.budget:.1%}", f"{verdict}{_why(c)}",
                      f"{number(_margin(c.base.measurements))} → "
                      f"{number(_margin(c.head.measurements))}")  # fmt: skip
    return shown


def _why(c: Comparison) -> str:
    """Return the reason of a verdict that the shown change does not explain."""
    return f"; wall time {c.wall_change}" if c.slower_in_wall_time_only else ""


def _as_data(row: _Judged, base: str, head: str) -> dict[str, object]:
    """Return a row of comparison.json."""
    c, verdict = row
    first = c.base.first
    data: dict[str, object] = {
        "base": base, "head": head, "workload": first.workload, "mode": first.mode,
        "backend": first.backend, "device": first.device, "dtype": first.dtype,
        "threads": first.threads, "noise": c.noise._asdict(), "verdict": verdict,
        "pairs": len(c.base.measurements),
    }  # fmt: skip
    if c.refused:
        return data | {"refused": f"{c.refused.outcome}: {c.refused.reason}"}
    return data | {
        "log_ratio": c.change, "log_ratio_by_clock": c.wall_change,
        "base_seconds": c.base.seconds.value, "head_seconds": c.head.seconds.value,
        "base_margin": _margin(c.base.measurements), "head_margin": _margin(c.head.measurements),
    }  # fmt: skip


def _compare_sides(
    sides: Sequence[Side], names: Sequence[str], rows: Rows, numbers: Sequence[int], folder: Path, *,
    budget: float | None, measured: Mapping[Key, Budget], console: Console,
) -> list[Comparison]:  # fmt: skip
    """Time both sides in pairs, and compare their rows."""
    base, head = sides
    found = []
    for name in names:
        both = Subject(name, base), Subject(name, head)
        timed = time_pairs(both, rows, numbers, folder, console)
        if timed:
            machine = timed.headers[0].environment.machine
            noise = partial(_noise, given=budget, measured=measured, on=machine)
            found += compare_rows(timed.base, timed.head, noise)
    return found


def _noise(t: Timing, *, given: float | None, measured: Mapping[Key, Budget], on: str) -> Noise:
    """Return the noise of a row: as given, as measured on this machine, or as assumed."""
    if given is not None:
        return Noise(given, given)
    known = measured.get(row_key(t.first, on))
    return known.noise(len(t.measurements)) if known else ASSUMED


def _margin(measurements: Sequence[Measurement]) -> float | None:
    """Return the largest margin of all processes."""
    return max((m.margin for m in measurements if m.margin is not None), default=None)

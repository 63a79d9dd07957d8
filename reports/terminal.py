"""Print the matrix in a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from records.reading import Run
from records.schema import CaseRecord, Measurement
from records.text import count, number, one_line
from records.timing import Estimate
from reports.column import Column, label
from reports.dtypes import dtype_order
from reports.group import Group
from reports.matrix import Matrix, Row
from reports.mutation_score import other_suites, scores
from reports.outcomes import FAILURES, STATUSES, margin, status
from reports.precision import coarser_than_declared
from reports.scaling import Sweep, sweeps

FEW_DTYPES = 2
"""Number of dtypes up to which a row names all of them."""

LISTED = 10
"""Number of failing cases listed; the page lists all."""

_STYLES = {"errored": "bold magenta", "differs": "bold red", "inconclusive": "yellow",
           "known": "cyan", "missing": "dim", "agrees": "green", "unsupported": "dim"}  # fmt: skip


COLUMN_WIDTH = 16
"""Width in characters of a column, unless a word of its heading is longer."""

DTYPES_WIDTH = 20
"""Width in characters for the dtypes of a row; more dtypes than that take another line."""

WIDTH = 160
"""Width in columns where there is no terminal, such as in a CI log."""


def standard_output() -> Console:
    """Return a console for standard output.

    Returns:
        A console as wide as the terminal or as COLUMNS says; ``WIDTH`` columns wide elsewhere.

    """
    known_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known_width else WIDTH)


def text(matrix: Matrix, *, to_terminal: bool) -> str:
    """Render the matrix as text.

    Args:
        matrix: the matrix.
        to_terminal: use colour and the terminal's own width.

    Returns:
        The text.

    """
    buffer = StringIO()
    width = shutil.get_terminal_size().columns if to_terminal else WIDTH
    print_matrix(matrix, Console(file=buffer, width=width, force_terminal=to_terminal))
    return buffer.getvalue()


def print_matrix(matrix: Matrix, to: Console) -> None:
    """Print the matrix.

    Args:
        matrix: the matrix.
        to: the console to print to.

    """
    for part in _parts(matrix, to.width):
        if isinstance(part, Table) and part.title:  # rich would wrap it to the width of the table
            to.print(Text(str(part.title), "bold"), soft_wrap=True)
            part.title = None
        # A soft-wrapped command can be copied; one that was cut into lines cannot.
        to.print(part, soft_wrap=isinstance(part, Text))


def _parts(matrix: Matrix, width: int) -> Iterator[RenderableType]:
    yield from _agreements(matrix, width)
    yield from _failures(matrix)
    yield from _changes(matrix)
    if matrix.columns:
        yield _margins(matrix)
    if matrix.timed:
        yield from _throughput(matrix)
    for place in coarser_than_declared(matrix):
        names = ", ".join(f"of {name} in {count(n, 'case')}" for name, n in place.looser.items())
        where = f"{place.row.cell} in {place.row.dtype} on {_where(place.column.run)}"
        yield Text(
            f"✗ {one_line(where)}: declares {one_line(place.declared)}, error within the bound "
            f"{one_line(names)}",
            "red",
        )
    if matrix.mutant_run:
        yield _mutants(matrix.mutant_run)
    if matrix.fuzzed:
        yield _fuzzing(matrix)
    for column in matrix.columns:
        for entry in column.stale:
            text = (
                f"✗ known difference no longer occurs: {one_line(column.label)}: {one_line(entry)}"
            )
            yield Text(text, "red")
    for run in matrix.interrupted:
        text = f"! interrupted: {one_line(label(run))}: {run.why_incomplete}; {one_line(run.path.name)}"
        yield Text(text, "magenta")
    for bad in matrix.bad:
        yield Text(f"! unreadable: {one_line(str(bad.path))}: {one_line(bad.why)}", "magenta")
    if not matrix.columns and not matrix.timed and not matrix.mutant_run and not matrix.fuzzed:
        yield Text("? no results: no run was found", "yellow")


def _new_table(title: str, columns: Iterable[str], left: int) -> Table:
    """Create a table with ``left`` text columns, then numeric columns. A word is only broken if nothing else fits."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        lines = "\n".join(one_line(line) for line in name.split("\n"))
        table.add_column(Text(lines), justify="left" if place < left else "right", overflow="fold")
    return table


def _agreements(matrix: Matrix, width: int) -> Iterator[RenderableType]:
    """Yield the tables of agreement, the runs that a column combines, and the legend."""
    for shown in _slices(matrix, width):
        yield _agreement(matrix, shown)
    for column in matrix.columns:
        if column.origin:
            yield Text(f"{_where(column.run)} combines runs: {one_line(column.origin, 400)}", "dim")
    if matrix.columns:
        legend = "   ".join(f"{status.glyph} {status.word}" for status in STATUSES.values())
        yield Text(f"\n{legend}", "dim")


def _slices(matrix: Matrix, width: int) -> Iterator[slice]:
    """Yield the columns of each table, as many as fit into the width without breaking a word."""
    left = max((len(row.cell) for row in matrix.rows), default=0) + DTYPES_WIDTH
    start, room = 0, width - left
    for place, column in enumerate(matrix.columns):
        needed = 2 + max(COLUMN_WIDTH, *map(len, _heading(column).split("\n")))
        if needed > room and place > start:
            yield slice(start, place)
            start, room = place, width - left
        room -= needed
    if matrix.columns:
        yield slice(start, None)


def _heading(column: Column) -> str:
    """Return backend, version and device on lines of their own; a long one is broken after punctuation."""
    return "\n".join(
        line for part in column.label.rsplit(" @ ", 2) for line in _lines(one_line(part))
    )


def _lines(name: str) -> Iterator[str]:
    """Yield a name in lines of at most ``COLUMN_WIDTH`` characters where its punctuation allows it."""
    line = ""
    for piece in filter(None, re.split(r"(?<=[/_.: ])", name)):
        if line and len(line + piece.rstrip()) > COLUMN_WIDTH:
            yield line.rstrip()
            line = ""
        line += piece
    yield line


def _agreement(matrix: Matrix, shown: slice) -> Table:
    title = "Agreement with the specification: cases that agree / supported cases, largest margin"
    if shown.start:
        title = "Agreement, continued"
    table = _new_table(title, ["cell", "dtype", *map(_heading, matrix.columns[shown])], left=2)
    every = len({row.dtype for row in matrix.rows})
    for cell, rows in groupby(matrix.rows, key=lambda row: row.cell):
        name = cell
        for _, alike in groupby(rows, key=lambda row: [g.status for g in row.groups[shown]]):
            merged = list(alike)
            few = len(merged) < every or every <= FEW_DTYPES
            dtypes = ", ".join(row.dtype for row in merged) if few else f"all {every}"
            table.add_row(one_line(name), one_line(dtypes), *map(_cell, _merge(merged, shown)))
            name = ""
    return table


def _merge(rows: list[Row], shown: slice) -> list[Group]:
    """Combine rows with the same statuses into one group per column."""
    return [
        Group(
            tuple(record for group in groups for record in group.records),
            tuple(case for group in groups for case in group.absent),
        )
        for groups in zip(*(row.groups[shown] for row in rows), strict=True)
    ]


def _cell(group: Group) -> Text:
    if group.is_empty:
        return Text("")
    shown = group.status
    others = ", ".join(
        f"{group.counts[name]} {STATUSES[name].many}"
        for name in STATUSES
        if group.counts[name]
        and name not in ("agrees", "unsupported")
        and (group.applicable or name != shown.name)
    )
    figures = f" {group.agrees}/{group.applicable}" if group.applicable else f" {shown.word}"
    largest = f"  {number(group.margin)}" if group.margin is not None else ""
    return Text(shown.glyph + figures + largest + (f"\n{others}" if others else ""),
                _STYLES[shown.name])  # fmt: skip


def _failures(matrix: Matrix) -> Iterator[Text]:
    """Yield the worst failure of each status in each group, the largest number of failures first."""
    groups = [
        [record for record in group.records if status(record) == name]
        for row in matrix.rows
        for group in row.groups
        for name in FAILURES
    ]
    failing = sorted(filter(None, groups), key=len, reverse=True)
    if failing:
        yield Text(f"\n{count(sum(map(len, failing)), 'case')} failed", "bold")
    for group in failing[:LISTED]:
        worst = max(group, key=lambda record: margin(record) or 0)
        yield _failure(worst, len(group))
    if len(failing) > LISTED:
        rest = sum(map(len, failing[LISTED:]))
        yield Text(f"… and {count(rest, 'case')} in other groups, on the page", "dim")


def _changes(matrix: Matrix) -> Iterator[Text]:
    """Yield open and acknowledged regressions, and triage entries that match nothing."""
    for trend in matrix.triage.regressions[:LISTED]:
        since = one_line(trend.since.run_id) if trend.since else ""
        yield Text(
            f"✗ worse: {one_line(str(trend.series))} {trend.percent}, since run {since}", "red"
        )
    if (more := len(matrix.triage.regressions) - LISTED) > 0:
        yield Text(f"… and {more} more on the page", "dim")
    for trend, entry in matrix.triage.acknowledged[:LISTED]:
        yield Text(f"≠ worse, acknowledged: {one_line(str(trend.series))} {trend.percent}: "
                   f"{one_line(entry.reason)}", "cyan")  # fmt: skip
    for entry in matrix.triage.stale:
        yield Text(f"✗ entry of triage.toml matches nothing: {one_line(entry.series)}, since "
                   f"{one_line(entry.since)}", "red")  # fmt: skip


def _failure(record: CaseRecord, alike: int) -> Text:
    shown = STATUSES[record.outcome]
    worst_of = f", the worst of {alike}" if alike > 1 else ""
    return Text.assemble(
        (f"{shown.glyph} {shown.word}", _STYLES[shown.name]),
        f"  margin {number(margin(record))}{worst_of}: {one_line(record.reason)}\n  ",
        (one_line(record.repeat, 400), "dim"),
    )


def _margins(matrix: Matrix) -> Table:
    dtypes = sorted({row.dtype for row in matrix.rows}, key=dtype_order)
    title = "\nLargest margin over all supported cases (≤ 1 agrees, ∞ is not finite)"
    table = _new_table(title, ["backend", *dtypes], left=1)
    for column in matrix.columns:
        records = column.cases
        found = [Group(tuple(r for r in records if r.dtype == dtype)) for dtype in dtypes]
        shown = [f"✗ {group.worst}" if group.fails else group.worst for group in found]
        table.add_row(_where(column.run), *shown)
    return table


def _throughput(matrix: Matrix) -> Iterator[RenderableType]:
    yield _timings(matrix)
    for line in why_no_speed(row.refused for row in matrix.timings):
        yield Text(line, "dim")
    yield from _scaling(sweeps(matrix.timings))


def why_no_speed(refused: Iterable[Measurement | None]) -> list[str]:
    """Return a line for every reason why rows of a benchmark have no speed.

    Args:
        refused: the measurement without a speed of each row; None for a row that has one.

    Returns:
        The lines, each with the rows that share the reason.

    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for m in refused:
        if m:
            key = (m.outcome, m.backend, m.reason or "not timed")
            rows.setdefault(key, []).append(f"{m.workload} {m.mode}")
    return [
        f"no speed: {outcome} on {one_line(backend)}: {one_line(reason)} ({one_line(', '.join(dict.fromkeys(names)), 1000)})"
        for (outcome, backend, reason), names in rows.items()
    ]


def _timings(matrix: Matrix) -> Table:
    table = _new_table("\nThroughput", ["workload", "mode", "processors", "backend", "ms", "95 %", "GFLOP/s",
                                  "% of limit", "first result ms"], left=4)  # fmt: skip
    for row in matrix.timings:
        first = row.first
        where = f"{first.backend} @ {first.device}"
        words = [one_line(w) for w in (first.workload, first.mode, str(first.threads or ""), where)]
        if refused := row.refused:
            table.add_row(*words, refused.outcome, "no speed")
            continue
        of_limit = row.limit_share
        table.add_row(*words, number(row.seconds.value * 1e3), _interval(row.seconds),
                      number(row.flops_per_second / 1e9),
                      number(of_limit.value * 100 if of_limit else None),
                      number(_ms(row.first_result_seconds)))  # fmt: skip
    return table


def _scaling(swept: Sequence[Sweep]) -> Iterator[Table]:
    if not swept:
        return
    table = _new_table("\nScaling: exponent of time by size", [
        "mode", "backend", "size", "from", "to", "exponent", "between neighbours", "knee at",
        "cache exceeded at"], left=3)  # fmt: skip
    for sweep in swept:
        first = sweep.first.first
        table.add_row(
            one_line(first.mode), one_line(f"{first.backend} @ {first.device}"), sweep.axis,
            str(sweep.points[0][0]), str(sweep.points[-1][0]), f"{sweep.slope:.2f}",
            " ".join(f"{s:.2f}" for s in sweep.slopes), str(sweep.knee or "–"),
            str(sweep.leaves_cache or "–"),
        )  # fmt: skip
    yield table


def _interval(seconds: Estimate) -> str:
    if seconds.interval is None:
        return "–"
    low, high = seconds.interval
    return f"{number(low * 1e3)} to {number(high * 1e3)}"


def _mutants(run: Run) -> Table:
    names = other_suites(run.mutants)
    table = _new_table("\nMutants caught", ["group", "here", *names, "equivalent"], left=1)
    for score in scores(run.mutants):
        elsewhere = [f"{n}/{of}" if of else "–" for n, of in map(score.elsewhere, names)]
        table.add_row(one_line(score.name), f"{score.caught}/{len(score.distinguishable)}", *elsewhere,
                      str(len(score.records) - len(score.distinguishable) or ""))  # fmt: skip
    return table


def _fuzzing(matrix: Matrix) -> Table:
    table = _new_table("\nFuzzing", ["backend", "alarms", "checks", "agree", "inconclusive", "unsupported",
                               "known", "largest margin"], left=1)  # fmt: skip
    for fuzzed in matrix.fuzzed:
        n = fuzzed.outcomes
        counts = (fuzzed.checks, n["agrees"], n["inconclusive"], n["unsupported"],
                  fuzzed.known.total())  # fmt: skip
        alarms = Text(f"{'✗' if fuzzed.alarms else '✓'} {fuzzed.alarms:,}")
        table.add_row(
            _where(fuzzed.run), alarms, *(f"{n:,}" for n in counts), number(fuzzed.margin)
        )
    return table


def _where(run: Run) -> str:
    """Return backend and device; the matrix above shows the version."""
    return one_line(f"{run.header.backend} @ {run.header.device}")


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3

"""The conformance matrix: the one model that the page, the terminal and the exports show.

A column is the latest record of every case of a backend on a device. A row is a cell of the specification (or its gradients,
the tutorials, training) in one dtype. Each entry is a ``Group`` of cases. An unsupported case never counts
as a pass, and a missing case never counts as agreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from records.reading import BadRunFile, Run
from records.schema import INDIVIDUAL, CaseRecord, Outcome
from records.timing import Timing, timings
from reports.column import Column, build_columns
from reports.dtypes import dtype_order
from reports.fuzzing import FuzzResult
from reports.group import Group
from reports.history.run_diff import RunDiff
from reports.history.trend import Trend
from reports.history.triage import NO_TRIAGE, Triage
from reports.history.versions import VersionMargins


@dataclass(frozen=True)
class Row:
    """One cell of the specification in one dtype, across all columns."""

    cell: str
    dtype: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Matrix:
    """Everything that a report shows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    timed: tuple[Run, ...]
    """The latest run with measurements of each backend and device."""
    interrupted: tuple[Run, ...]
    """The interrupted runs among the latest ones and those of the columns."""
    bad: tuple[BadRunFile, ...]
    """Files that could not be read."""
    mutant_run: Run | None = None
    """The latest full run of mutants, or the latest one if none is full."""
    fuzzed: tuple[FuzzResult, ...] = ()
    """The latest fuzzing run of each backend and device."""
    trends: tuple[Trend, ...] = ()
    """Every series with a verdict."""
    triage: Triage = NO_TRIAGE
    """Regressions: open, acknowledged, and triage entries that match nothing."""
    run_diffs: tuple[RunDiff, ...] = ()
    """For each column, the differences from the run before."""
    version_margins: tuple[VersionMargins, ...] = ()
    """The margins of each version of each backend."""

    @cached_property
    def timings(self) -> list[Timing]:
        """Every timed row."""
        return timings(record for run in self.timed for record in run.measurements)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """Number of cases and measurements by outcome."""
        cases = Counter(case.outcome for column in self.columns for case in column.cases)
        return cases + Counter(record.outcome for run in self.timed for record in run.measurements)


def build_matrix(runs: Iterable[Run], bad: Sequence[BadRunFile] = ()) -> Matrix:
    """Build the matrix of some runs.

    Args:
        runs: the runs, in the order in which they started.
        bad: errors of the files that could not be read.

    Returns:
        The matrix, without history.

    """
    ordered = list(runs)
    columns = build_columns(run for run in ordered if run.cases)
    tested = [run for column in columns for run in column.runs]
    timed = _latest(run for run in ordered if run.measurements)
    fuzzed = _latest(run for run in ordered if run.rounds)
    others = _latest(run for run in ordered if not run.rounds)
    latest = {id(run): run for run in (*tested, *timed, *others, *fuzzed)}
    interrupted = tuple(run for run in latest.values() if not run.complete)
    mutated = sorted((run for run in ordered if run.mutants), key=attrgetter("is_full"))
    return Matrix(columns, tuple(_rows(columns)), timed, interrupted, tuple(bad),
                  mutated[-1] if mutated else None, tuple(FuzzResult(run) for run in fuzzed))  # fmt: skip


def _latest(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return the last run of each backend and device, sorted by name."""
    latest = {(run.header.backend, run.header.device): run for run in runs}
    return tuple(run for _, run in sorted(latest.items()))


def group(case: str) -> str:
    """Return the row that a case belongs to.

    Args:
        case: id of the case.

    Returns:
        The first part of the id; for gradients the first two, so that each cell has its row.

    """
    first, _, rest = case.partition("/")
    return f"{first}/{rest.partition('/')[0]}" if first == "gradients" else first


def _rows(columns: Sequence[Column]) -> Iterable[Row]:
    """Yield the rows, sorted by cell and dtype."""
    tables: list[dict[tuple[str, str], dict[str, CaseRecord]]] = []
    for column in columns:
        table: dict[tuple[str, str], dict[str, CaseRecord]] = {}
        for record in column.cases:
            table.setdefault((group(record.case), record.dtype), {})[record.case] = record
        tables.append(table)
    keys = {key for table in tables for key in table}
    for key in sorted(keys, key=lambda key: (key[0], dtype_order(key[1]))):
        found = [table.get(key, {}) for table in tables]
        cases = sorted({case for records in found for case in records})
        groups = (
            Group(
                tuple(records[case] for case in cases if case in records),
                tuple(
                    case
                    for case in cases
                    if not (
                        case in records or case.startswith(INDIVIDUAL) or column.leaves_out(case)
                    )
                ),
            )
            for column, records in zip(columns, found, strict=True)
        )
        yield Row(*key, tuple(groups))

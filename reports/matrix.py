"""The conformance matrix: the one model that the page and the terminal draw.

A column is the latest run of a backend on a device; a row is a cell of the specification, its
gradients, the tutorials or training, in one dtype; where they meet is a ``Group`` of cases.
Unsupported is never counted as passed, and what is missing is never agreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from operator import attrgetter

from records.reading import BadRunFile, Run
from records.schema import CaseRecord, Outcome
from records.timing import Timing, timings
from reports.dtypes import dtype_order
from reports.fuzzing import FuzzResult
from reports.history.run_diff import RunDiff
from reports.history.trend import Trend
from reports.history.triage import NO_TRIAGE, Triage
from reports.history.versions import VersionMargins
from reports.outcomes import STATUSES, Status, status


@dataclass(frozen=True)
class Group:
    """The records of one column and row, and the cases that other columns have and it has not."""

    records: tuple[CaseRecord, ...]
    absent: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Counter[str]:
        """Results by status name; ``differs`` without the known ones."""
        return Counter(status(record) for record in self.records) + Counter(
            missing=len(self.absent)
        )

    @property
    def agrees(self) -> int:
        """How many agree."""
        return self.counts["agrees"]

    @property
    def applicable(self) -> int:
        """How many might have agreed: all that ran but the unsupported ones."""
        return len(self.records) - self.counts["unsupported"]

    @property
    def margin(self) -> float | None:
        """The largest margin, where there is one."""
        return max(self.margins, default=None)

    @property
    def margins(self) -> list[float]:
        """Every margin."""
        return [record.margin for record in self.records if record.margin is not None]

    @property
    def status(self) -> Status:
        """What the group as a whole is shown as."""
        name = next((name for name in STATUSES if self.counts[name]), "missing")
        return STATUSES[name]


@dataclass(frozen=True)
class Column:
    """The latest run of one backend on one device that left out no case, or the latest at all."""

    run: Run

    @property
    def label(self) -> str:
        """Backend @ version @ device."""
        return label(self.run)

    @property
    def total(self) -> Group:
        """All its records."""
        return Group(self.run.cases)

    def leaves_out(self, case: str) -> bool:
        """Whether the run left the case to another way of running the same framework."""
        return any(fnmatchcase(case, pattern) for pattern in self.run.header.left_out)

    @property
    def unreached(self) -> int:
        """Cases that were selected and not reached before the run stopped."""
        return self.run.unreached

    @property
    def why_incomplete(self) -> str:
        """Why it has fewer records than were selected; empty where it has all."""
        missed = f"{self.unreached} cases were selected and not reached" if self.unreached else ""
        return self.run.why_incomplete or missed

    @property
    def stale(self) -> list[str]:
        """Entries of known.toml that matched nothing."""
        return self.run.footer.stale_known if self.run.footer else []


@dataclass(frozen=True)
class Row:
    """One cell of the specification in one dtype, across all columns."""

    cell: str
    dtype: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Matrix:
    """All that a page shows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    timed: tuple[Run, ...]
    """The latest run with measurements of each backend and device."""
    interrupted: tuple[Run, ...]
    """Of the latest runs, those that did not end by themselves."""
    bad: tuple[BadRunFile, ...]
    mutant_run: Run | None = None
    """The latest run of mutants that left none out, or the latest at all."""
    fuzzed: tuple[FuzzResult, ...] = ()
    """The latest run of fuzzing of each backend and device."""
    trends: tuple[Trend, ...] = ()
    """Every series of all runs that is judged."""
    triage: Triage = NO_TRIAGE
    """Those of them that became worse."""
    run_diffs: tuple[RunDiff, ...] = ()
    """What changed in each column since the run before."""
    version_margins: tuple[VersionMargins, ...] = ()
    """The margins of each version of each backend."""

    @cached_property
    def timings(self) -> list[Timing]:
        """Every row that was timed."""
        return timings(record for run in self.timed for record in run.measurements)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """Results shown, cases and measurements, by outcome."""
        cases = Counter(case.outcome for column in self.columns for case in column.run.cases)
        return cases + Counter(record.outcome for run in self.timed for record in run.measurements)


def label(run: Run) -> str:
    """Backend @ version @ device of ``run``."""
    return f"{run.header.backend} @ {run.header.backend_version} @ {run.header.device}"


def build_matrix(runs: Iterable[Run], bad: Sequence[BadRunFile] = ()) -> Matrix:
    """The model of ``runs``, which are in the order they started, and of files set aside."""
    ordered = list(runs)
    tested = _latest(sorted((run for run in ordered if run.cases), key=attrgetter("is_full")))
    timed = _latest(run for run in ordered if run.measurements)
    fuzzed = _latest(run for run in ordered if run.rounds)
    others = _latest(run for run in ordered if not run.rounds)
    latest = {id(run): run for run in (*tested, *timed, *others, *fuzzed)}
    columns = tuple(Column(run) for run in tested)
    interrupted = tuple(run for run in latest.values() if not run.complete)
    mutated = sorted((run for run in ordered if run.mutants), key=attrgetter("is_full"))
    return Matrix(columns, tuple(_rows(columns)), timed, interrupted, tuple(bad),
                  mutated[-1] if mutated else None, tuple(FuzzResult(run) for run in fuzzed))  # fmt: skip


def _latest(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The last of ``runs`` of each backend and device, by name."""
    latest = {(run.header.backend, run.header.device): run for run in runs}
    return tuple(run for _, run in sorted(latest.items()))


def group(case: str) -> str:
    """The row that a case belongs to: what its id starts with, and of gradients the cell too."""
    first, _, rest = case.partition("/")
    return f"{first}/{rest.partition('/')[0]}" if first == "gradients" else first


def _rows(columns: Sequence[Column]) -> Iterable[Row]:
    tables: list[dict[tuple[str, str], dict[str, CaseRecord]]] = []
    for column in columns:
        table: dict[tuple[str, str], dict[str, CaseRecord]] = {}
        for record in column.run.cases:
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
                    case for case in cases if case not in records and not column.leaves_out(case)
                ),
            )
            for column, records in zip(columns, found, strict=True)
        )
        yield Row(*key, tuple(groups))

"""A column of the matrix: the latest record of every case of a backend on a device.

A run that was restricted by an option (``--case``, ``--dtype``, …) never replaces a fuller one. A column starts
at the latest full run, or without one at the first run of the latest version. Later runs of the same version
replace the records of the cases that they repeat, and add others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Protocol, TypeVar

from records.reading import Run
from records.schema import CaseRecord
from records.text import count
from reports.group import Group


class Candidate(Protocol):
    """A run of a backend on a device, as far as the choice of runs needs it."""

    @property
    def has_every_case(self) -> bool:
        """True if no option left cases out, and the run reached every selected case."""

    @property
    def version(self) -> str:
        """The framework and its version."""


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True)
class Column:
    """The latest record of every case of a backend on a device, and the runs that they come from.

    Args:
        runs: in the order in which they started; each has at least one of the records.

    """

    runs: tuple[Run, ...]

    @cached_property
    def cases(self) -> tuple[CaseRecord, ...]:
        """The latest record of every case."""
        return tuple({record.case: record for run in self.runs for record in run.cases}.values())

    @cached_property
    def sources(self) -> list[tuple[Run, int]]:
        """Each run with the number of records that it contributes, the latest run first."""
        return _sources(self.runs)

    @cached_property
    def run(self) -> Run:
        """The latest full run; without one, the run that contributes most records."""
        full = [run for run in self.runs if run.has_every_case]
        return full[-1] if full else max(self.sources, key=lambda source: source[1])[0]

    @property
    def combined(self) -> Run:
        """The main run with the latest record of every case."""
        others = (record for record in self.run.records if not isinstance(record, CaseRecord))
        return replace(self.run, records=(*self.cases, *others))

    @property
    def origin(self) -> str:
        """The runs that the records come from, with the one of most records first; empty for a single run."""
        if len(self.runs) == 1:
            return ""
        most = sorted(self.sources, key=lambda source: -source[1])
        of = [f"{count(n, 'case')} from run {run.header.run_id}" for run, n in most[:4]]
        if more := most[4:]:
            of.append(
                f"{count(sum(n for _, n in more), 'case')} from {count(len(more), 'other run')}"
            )
        headers = [run.header for run in self.runs]
        changes = [word for word, found in (
            ("code", {header.source for header in headers}),
            ("environment", {header.fingerprint for header in headers}),
        ) if len(found) > 1]  # fmt: skip
        changed = f"; the {' and the '.join(changes)} changed between them" if changes else ""
        return f"{', '.join(of)}{changed}"

    @property
    def label(self) -> str:
        """Backend @ version @ device."""
        return label(self.run)

    @property
    def total(self) -> Group:
        """All cases of the column as one group."""
        return Group(self.cases)

    def leaves_out(self, case: str) -> bool:
        """Check whether this backend leaves a case to another backend of the same framework.

        Args:
            case: id of the case.

        Returns:
            True if the case is left out on purpose.

        """
        return any(fnmatchcase(case, pattern) for pattern in self.run.header.left_out)

    @property
    def complete(self) -> bool:
        """True if no record comes from a run that was interrupted."""
        return all(run.complete for run in self.runs)

    @property
    def unreached(self) -> int:
        """Number of cases that were selected but not reached before a run stopped."""
        return sum(run.unreached for run in self.runs)

    @property
    def why_incomplete(self) -> str:
        """Why some selected cases have no record; empty if all have one."""
        missed = f"{self.unreached} cases were selected and not reached" if self.unreached else ""
        return next((run.why_incomplete for run in self.runs if run.why_incomplete), missed)

    @property
    def stale(self) -> list[str]:
        """Entries of known.toml that matched nothing: in the full run, or without one in any run."""
        judged = [self.run] if self.run.has_every_case else self.runs
        found = [entry for run in judged if run.footer for entry in run.footer.stale_known]
        return list(dict.fromkeys(found))


def label(run: Run) -> str:
    """Return the heading of a run's column.

    Args:
        run: the run.

    Returns:
        Backend @ version @ device.

    """
    return f"{run.header.backend} @ {run.header.backend_version} @ {run.header.device}"


def build_columns(runs: Iterable[Run]) -> tuple[Column, ...]:
    """Combine runs into columns.

    Args:
        runs: runs with cases, in the order in which they started.

    Returns:
        One column for every backend and device, sorted by name.

    """
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.header.backend, run.header.device), []).append(run)
    return tuple(
        Column(tuple(run for run, _ in reversed(_sources(choose_runs(alike)))))
        for _, alike in sorted(found.items())
    )


def choose_runs(runs: Sequence[C]) -> list[C]:
    """Choose the runs of one backend and device whose records a column combines.

    Args:
        runs: the runs, in the order in which they started; at least one.

    Returns:
        The latest full run and the later ones of its version; without a full run, all of the latest version.

    """
    full = max((place for place, run in enumerate(runs) if run.has_every_case), default=None)
    version = runs[-1 if full is None else full].version
    return [run for run in runs[full or 0 :] if run.version == version]


def _sources(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Return the runs that have the latest record of a case, with their number, the latest run first."""
    latest = {record.case: place for place, run in enumerate(runs) for record in run.cases}
    return [(runs[place], n) for place, n in sorted(Counter(latest.values()).items(), reverse=True)]

"""Compare two runs of a backend case by case, never by totals."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, TypeAlias

from records.reading import Run
from records.schema import CaseRecord
from reports.outcomes import status

Kind: TypeAlias = Literal[
    "regressed", "improved", "changed", "added", "removed", "not reached", "redefined"
]
KINDS: dict[Kind, tuple[str, str]] = {
    "regressed": ("differs", "✗"),
    "changed": ("inconclusive", "?"),
    "improved": ("agrees", "✓"),
    "added": ("missing", "+"),
    "removed": ("missing", "−"),
    "not reached": ("missing", "○"),
    "redefined": ("missing", "○"),
}
"""Kinds of change, the most important first, each with the status and glyph that show it."""

ORDER = ("errored", "differs", "inconclusive", "known", "agrees")
"""Statuses from bad to good. A change to or from unsupported is neither better nor worse."""


class CaseChange(NamedTuple):
    """One case whose result changed."""

    kind: Kind
    case: str
    before: CaseRecord | None
    after: CaseRecord | None


class RunDiff(NamedTuple):
    """Everything that changed between two runs."""

    before: Run
    after: Run
    changes: tuple[CaseChange, ...]
    """The changes, sorted by kind, then by case."""

    @property
    def counts(self) -> Counter[Kind]:
        """Number of changes by kind."""
        return Counter(one.kind for one in self.changes)


def diff_runs(before: Run, after: Run) -> RunDiff:
    """Compare two runs of one backend.

    Args:
        before: the earlier run.
        after: the later run.

    Returns:
        The differences.

    """
    old, new = ({r.case: r for r in run.cases} for run in (before, after))
    short = after.footer is None or after.footer.selected > len(after.records)
    found = []
    for case in sorted(old.keys() | new.keys()):
        kind = _kind(old.get(case), new.get(case))
        if kind == "removed" and short:  # the run stopped before it, or may have
            kind = "not reached"
        if kind:
            found.append(CaseChange(kind, case, old.get(case), new.get(case)))
    order = list(KINDS)
    return RunDiff(before, after, tuple(sorted(found, key=lambda c: order.index(c.kind))))


def _kind(old: CaseRecord | None, new: CaseRecord | None) -> Kind | None:
    if old is None or new is None:
        return "removed" if new is None else "added"
    if old.case_version != new.case_version:
        return "redefined"  # the name stands for other inputs now
    earlier, later = status(old), status(new)
    if earlier == later:
        return None
    if earlier not in ORDER or later not in ORDER:
        return "changed"
    return "improved" if ORDER.index(later) > ORDER.index(earlier) else "regressed"

"""What changed from one run of a backend to the next: case by case, and never as a difference of totals."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, TypeAlias

from records.reading import Run
from records.schema import CaseRecord
from reports.outcomes import status

Kind: TypeAlias = Literal[
    "regressed", "improved", "changed", "added", "removed", "not reached", "another case"
]
KINDS: dict[Kind, tuple[str, str]] = {
    "regressed": ("differs", "✗"),
    "changed": ("inconclusive", "?"),
    "improved": ("agrees", "✓"),
    "added": ("missing", "+"),
    "removed": ("missing", "−"),
    "not reached": ("missing", "○"),
    "another case": ("missing", "○"),
}
"""From what matters most to least: as which status each is shown, and its glyph."""

ORDER = ("errored", "differs", "inconclusive", "known", "agrees")
"""Statuses from bad to good. What becomes or is no longer unsupported is neither."""


class CaseChange(NamedTuple):
    """One case that is not as it was."""

    kind: Kind
    case: str
    before: CaseRecord | None
    after: CaseRecord | None


class RunDiff(NamedTuple):
    """All that changed between two runs."""

    before: Run
    after: Run
    changes: tuple[CaseChange, ...]
    """By kind, then by case."""

    @property
    def counts(self) -> Counter[Kind]:
        """How many of each kind."""
        return Counter(one.kind for one in self.changes)


def diff_runs(before: Run, after: Run) -> RunDiff:
    """What changed from ``before`` to ``after``."""
    old, new = ({r.case: r for r in run.cases} for run in (before, after))
    short = after.footer is None or after.footer.selected > len(after.records)
    found = []
    for case in sorted(old.keys() | new.keys()):
        kind = _kind(old.get(case), new.get(case))
        if kind == "removed" and short:  # nobody can say
            kind = "not reached"
        if kind:
            found.append(CaseChange(kind, case, old.get(case), new.get(case)))
    order = list(KINDS)
    return RunDiff(before, after, tuple(sorted(found, key=lambda c: order.index(c.kind))))


def _kind(old: CaseRecord | None, new: CaseRecord | None) -> Kind | None:
    if old is None or new is None:
        return "removed" if new is None else "added"
    if old.case_version != new.case_version:
        return "another case"  # under the same name: nothing can be said of the backend
    was, is_ = status(old), status(new)
    if was == is_:
        return None
    if was not in ORDER or is_ not in ORDER:
        return "changed"
    return "improved" if ORDER.index(is_) > ORDER.index(was) else "regressed"

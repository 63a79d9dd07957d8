"""A group of cases, such as one entry of the matrix: how many agree, and the largest margin."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from records.schema import CaseRecord
from records.text import number
from reports.outcomes import FAILURES, STATUSES, Status, margin, status


@dataclass(frozen=True)
class Group:
    """The case records of one row and column, and the cases that only other columns have."""

    records: tuple[CaseRecord, ...]
    absent: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of cases by status name; ``differs`` excludes known differences."""
        return Counter(status(record) for record in self.records) + Counter(
            missing=len(self.absent)
        )

    @property
    def is_empty(self) -> bool:
        """True if the backend has none of the cases and none of them counts as not run."""
        return not self.records and not self.absent

    @property
    def agrees(self) -> int:
        """Number of cases that agree."""
        return self.counts["agrees"]

    @property
    def applicable(self) -> int:
        """Number of cases that ran and are supported."""
        return len(self.records) - self.counts["unsupported"]

    @property
    def margin(self) -> float | None:
        """Largest margin, which may be infinite; None if no case has a margin."""
        return max(self.margins, default=None)

    @property
    def margins(self) -> list[float]:
        """The margin of every case that has one; infinite where a result is not finite or has another shape."""
        return [found for record in self.records if (found := margin(record)) is not None]

    @property
    def worst(self) -> str:
        """The largest margin over all supported cases, as text.

        A case that errored has no margin. If the others are all within the bound, the text says ``errored``, so
        that it never looks like a pass.
        """
        if self.counts["errored"] and (self.margin or 0) <= 1:
            return STATUSES["errored"].word
        return number(self.margin)

    @property
    def fails(self) -> bool:
        """True if a case errored or differs, and the difference is not known."""
        return any(self.counts[name] for name in FAILURES)

    @property
    def status(self) -> Status:
        """The most severe status among the cases, with which the group is shown."""
        name = next((name for name in STATUSES if self.counts[name]), "missing")
        return STATUSES[name]


def finite_margin(group: Group) -> float | None:
    """Return the largest margin for a format that has no infinity.

    Args:
        group: the cases.

    Returns:
        The margin; None if there is none, it is infinite, or it would hide that a case errored.

    """
    shows_failure = not group.counts["errored"] or (group.margin or 0) > 1
    found = group.margin
    return found if found is not None and math.isfinite(found) and shows_failure else None

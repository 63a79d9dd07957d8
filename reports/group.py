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
        """Largest margin over all supported cases, which may be infinite; None if no case has a margin.

        A case that errored has no margin. If the others are all within the bound, the group has none either, so that
        it never looks like a pass.
        """
        largest = max(self.margins, default=0.0)
        hides_error = self.counts["errored"] and largest <= 1
        return None if hides_error or not self.margins else largest

    @property
    def margins(self) -> list[float]:
        """The margin of every case that has one; infinite where a result is not finite or has another shape."""
        return [found for record in self.records if (found := margin(record)) is not None]

    @property
    def worst(self) -> str:
        """The largest margin as text, or ``errored`` if a case errored and no margin is beyond the bound."""
        errored = self.counts["errored"] and self.margin is None
        return STATUSES["errored"].word if errored else number(self.margin)

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
        The margin; None if there is none or it is infinite.

    """
    found = group.margin
    return found if found is not None and math.isfinite(found) else None

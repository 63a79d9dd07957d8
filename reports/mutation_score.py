"""The mutation score: how many wrong specifications are caught, by group, here and elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from records.schema import MutantRecord


@dataclass(frozen=True)
class Score:
    """Some mutants, and how many of them are caught; those that are equivalent do not count."""

    name: str
    records: tuple[MutantRecord, ...]

    @cached_property
    def distinguishable(self) -> list[MutantRecord]:
        """Those that can be told from the specification."""
        return [record for record in self.records if not record.equivalent]

    @property
    def caught(self) -> int:
        """How many are caught by the kind of case that is meant to."""
        return sum(record.is_right for record in self.distinguishable)

    @property
    def wrong(self) -> list[MutantRecord]:
        """Those that survive, or are caught in spite of a proof."""
        return [record for record in self.records if not record.is_right]

    def elsewhere(self, name: str) -> tuple[int, int]:
        """How many another rule or suite catches, and how many were put before it."""
        asked = [r.elsewhere[name] for r in self.distinguishable if name in r.elsewhere]
        return sum(asked), len(asked)


def scores(records: Sequence[MutantRecord]) -> list[Score]:
    """One for every group, in order of appearance, and one for all."""
    groups = dict.fromkeys(record.group for record in records)
    by_group = [Score(name, tuple(r for r in records if r.group == name)) for name in groups]
    return [*by_group, Score("all", tuple(records))]


def other_suites(records: Sequence[MutantRecord]) -> list[str]:
    """The other rules and suites."""
    return [*dict.fromkeys(name for record in records for name in record.elsewhere)]

"""Compute the mutation score: how many mutants are caught, by group, here and by other suites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from records.schema import MutantRecord


@dataclass(frozen=True)
class Score:
    """A group of mutants and how many are caught; equivalent mutants do not count."""

    name: str
    records: tuple[MutantRecord, ...]

    @cached_property
    def distinguishable(self) -> list[MutantRecord]:
        """The mutants that some case can distinguish from the specification."""
        return [record for record in self.records if not record.equivalent]

    @property
    def caught(self) -> int:
        """Number of mutants caught by the kind of case that should catch them."""
        return sum(record.is_right for record in self.distinguishable)

    @property
    def wrong(self) -> list[MutantRecord]:
        """The mutants that survive, and the equivalent mutants that are caught."""
        return [record for record in self.records if not record.is_right]

    def elsewhere(self, name: str) -> tuple[int, int]:
        """Count the mutants that another rule or test suite catches.

        Args:
            name: the other rule or suite.

        Returns:
            The number caught, and the number tried.

        """
        tried = [r.elsewhere[name] for r in self.distinguishable if name in r.elsewhere]
        return sum(tried), len(tried)


def scores(records: Sequence[MutantRecord]) -> list[Score]:
    """Compute the score of each group, and of all mutants.

    Args:
        records: the mutants.

    Returns:
        The scores, in the order in which the groups appear; the total is last.

    """
    groups = dict.fromkeys(record.group for record in records)
    by_group = [Score(name, tuple(r for r in records if r.group == name)) for name in groups]
    return [*by_group, Score("all", tuple(records))]


def other_suites(records: Sequence[MutantRecord]) -> list[str]:
    """List the other rules and test suites that ran the mutants.

    Args:
        records: the mutants.

    Returns:
        The names, in order of appearance.

    """
    return [*dict.fromkeys(name for record in records for name in record.elsewhere)]

"""What fuzzing has shown of a backend: all rounds of its latest run together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from records.reading import Run
from records.schema import CaseRecord, Outcome


@dataclass(frozen=True)
class FuzzResult:
    """One run of fuzzing."""

    run: Run

    @cached_property
    def outcomes(self) -> Counter[Outcome]:
        """Checks by outcome."""
        return sum((Counter(record.outcomes) for record in self.run.rounds), Counter())

    @cached_property
    def known(self) -> Counter[str]:
        """Of those that differ, those that known.toml explains, by its reasons."""
        return sum((Counter(record.known) for record in self.run.rounds), Counter())

    @property
    def checks(self) -> int:
        """How many cases were checked."""
        return self.outcomes.total()

    @property
    def alarms(self) -> int:
        """How many finds nothing explains."""
        return sum(record.alarms for record in self.run.rounds)

    @property
    def margin(self) -> float | None:
        """The largest of the cases that agree."""
        return max((r.margin for r in self.run.rounds if r.margin is not None), default=None)

    @property
    def found(self) -> list[CaseRecord]:
        """The finds, each as small as it still fails."""
        return [found for record in self.run.rounds for found in record.found]

    @property
    def seconds(self) -> Counter[str]:
        """Where the time went, summed over all processes."""
        spent: Counter[str] = Counter()
        for record in self.run.rounds:
            spent.update(record.seconds)
        return spent

    @property
    def seeds(self) -> list[int]:
        """Of the rounds."""
        return sorted({record.seed for record in self.run.rounds})

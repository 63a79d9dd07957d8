"""Combine all rounds of a fuzzing run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from records.reading import Run
from records.schema import CaseRecord, Outcome


@dataclass(frozen=True)
class FuzzResult:
    """The results of one fuzzing run on one backend and device."""

    run: Run

    @cached_property
    def outcomes(self) -> Counter[Outcome]:
        """Number of checks by outcome."""
        return sum((Counter(record.outcomes) for record in self.run.rounds), Counter())

    @cached_property
    def known(self) -> Counter[str]:
        """Differences that known.toml explains, by reason."""
        return sum((Counter(record.known) for record in self.run.rounds), Counter())

    @property
    def checks(self) -> int:
        """Number of cases checked."""
        return self.outcomes.total()

    @property
    def alarms(self) -> int:
        """Number of unexplained failures."""
        return sum(record.alarms for record in self.run.rounds)

    @property
    def margin(self) -> float | None:
        """Largest margin of all checks, alarms included and known differences excluded."""
        margins = (r.largest_margin for r in self.run.rounds)
        return max((m for m in margins if m is not None), default=None)

    @property
    def found(self) -> list[CaseRecord]:
        """Unexplained failures, each shrunk to a minimal case; a case that was found twice is listed once."""
        found = (found for record in self.run.rounds for found in record.found)
        return list({record.case: record for record in found}.values())

    @property
    def seconds(self) -> Counter[str]:
        """Seconds by phase, summed over all processes."""
        spent: Counter[str] = Counter()
        for record in self.run.rounds:
            spent.update(record.seconds)
        return spent

    @property
    def seeds(self) -> list[int]:
        """Seeds of the rounds."""
        return sorted({record.seed for record in self.run.rounds})

"""How each outcome is shown: a glyph and a word, so that colour is never the only sign."""

from __future__ import annotations

import math
from dataclasses import dataclass

from records.schema import CaseRecord


@dataclass(frozen=True)
class Status:
    """The way in which reports show one kind of result."""

    name: str
    glyph: str
    word: str
    many: str
    """The word after a number of results."""
    meaning: str


STATUSES = {
    status.name: status
    for status in (
        Status("errored", "!", "errored", "errored",
               "The framework raised an exception, crashed or ran out of time."),
        Status("differs", "✗", "differs", "differ",
               "At least one element is further from the truth than rounding explains."),
        Status("inconclusive", "?", "inconclusive", "inconclusive",
               "The bound is too wide, compared with the result, for a verdict."),
        Status("known", "≠", "known difference", "known to differ",
               "The case differs, and known.toml gives the reason. It does not count as agreement."),
        Status("missing", "○", "not run", "not run",
               "Other backends have this case and this one does not. It does not count as agreement."),
        Status("agrees", "✓", "agrees", "agree",
               "Every element is within the bound, and the errors as a whole are no larger than "
               "rounding explains."),
        Status("unsupported", "–", "unsupported", "unsupported",
               "The framework lacks the option. The case counts neither for nor against it."),
    )
}  # fmt: skip
"""All statuses, the most severe first: a group shows the first status that it contains."""


FAILURES = ("errored", "differs")
"""Statuses that count as failures."""


def status(record: CaseRecord) -> str:
    """Return the status of a case.

    Args:
        record: the case.

    Returns:
        The name of the status: ``known`` for a known difference, else the outcome.

    """
    return "known" if record.outcome == "differs" and record.known else record.outcome


def margin(record: CaseRecord) -> float | None:
    """Return the margin of a case.

    Args:
        record: the case.

    Returns:
        The margin; infinite for a result that differs without a finite margin: it is not finite, is wrong where the
        bound is 0, or has another shape. None if the case is unsupported or errored.

    """
    return math.inf if record.margin is None and record.outcome == "differs" else record.margin

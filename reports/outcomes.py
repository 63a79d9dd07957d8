"""How an outcome is shown: always a glyph and a word, never colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from records.schema import CaseRecord


@dataclass(frozen=True)
class Status:
    """One way for a result, or a group of results, to be."""

    name: str
    glyph: str
    word: str
    many: str
    """The word behind a number."""
    meaning: str


STATUSES = {
    status.name: status
    for status in (
        Status("errored", "!", "errored", "errored",
               "The framework raised an exception, crashed or ran out of time."),
        Status("differs", "✗", "differs", "differ",
               "At least one element is further from the truth than rounding explains."),
        Status("inconclusive", "?", "inconclusive", "inconclusive",
               "The bound is so wide, next to the result, that agreement would say nothing."),
        Status("known", "≠", "known difference", "known to differ",
               "It differs, and known.toml says why. In the denominator, and not agreement."),
        Status("missing", "○", "not run", "not run",
               "Another column has this case and this one has not. Never agreement."),
        Status("agrees", "✓", "agrees", "agree",
               "Every element is within the bound, and the errors as a whole are no larger than "
               "rounding explains."),
        Status("unsupported", "–", "unsupported", "unsupported",
               "The framework has no such option. Counted neither as agreement nor against it."),
    )
}  # fmt: skip
"""From the one that matters most to the one that matters least: a group shows the first it has."""


FAILURES = ("errored", "differs")


def status(record: CaseRecord) -> str:
    """The name of the status of one record."""
    return "known" if record.outcome == "differs" and record.known else record.outcome

"""The outcome that a fake on a case must have, and its check, which is that of any backend."""

from __future__ import annotations

import re
from functools import cache
from types import EllipsisType
from typing import NamedTuple

from backends import Backend
from conformance.cases import by_id
from conformance.check import check
from conformance.open_backend import OpenBackend
from records.schema import CaseRecord, Outcome


class Row(NamedTuple):
    """A fake on a case: the outcome, what the reason must hold, and the fingerprint, if any one."""

    fake: type[Backend]
    case: str
    outcome: Outcome
    reason: str
    fingerprint: str | EllipsisType | None = ...

    def __str__(self) -> str:
        return f"{self.fake.__name__}-{self.case}"


@cache
def checked(fake: type[Backend], case: str) -> CaseRecord:
    return check(by_id(case), OpenBackend(fake.__name__, "cpu", fake("cpu")))


def assert_ends(row: Row) -> None:
    record = checked(row.fake, row.case)
    assert record.outcome == row.outcome, f"{row.fake.__doc__} {record.reason}"
    if row.fingerprint is not ...:
        assert record.fingerprint == row.fingerprint, record.reason
    assert re.search(row.reason, record.reason), (
        f"reason {record.reason!r}, expected one that matches {row.reason!r}"
    )


def assert_card_tells(fake: type[Backend], case: str, patterns: tuple[str, ...]) -> None:
    record = checked(fake, case)
    for pattern in patterns:
        assert re.search(pattern, record.card), (
            f"the card of {fake.__name__} does not tell {pattern!r}:\n{record.card}"
        )
    if record.outcome == "differs":
        assert record.card.startswith(f"differs: {case}\n  {record.reason}\n"), record.card
        assert record.repeat in record.card, record.card
        assert record.case_version in record.card, record.card

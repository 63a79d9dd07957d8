"""Choose the evidence behind each entry of the matrix that fits on the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import escape

from records.schema import CaseRecord
from records.text import clip, one_line
from reports.column import Column
from reports.group import Group
from reports.matrix import Matrix, Row
from reports.outcomes import STATUSES, margin, status

CARDS = 0.3
"""Share of the room that failure cards may take; rows get the rest."""


@dataclass(frozen=True)
class Place:
    """One entry of the matrix on the page: anchor, name and the evidence shown."""

    anchor: str
    number: int
    """Number of the column, from 0."""
    cell: str
    dtype: str
    column: Column
    group: Group
    records: tuple[CaseRecord, ...]
    """The cases that fit, the most severe first."""
    cards: frozenset[str]
    """Ids of the listed cases whose evidence is shown in full."""

    @property
    def reasons(self) -> Counter[str]:
        """Number of unsupported cases by reason."""
        return Counter(r.reason for r in self.group.records if r.outcome == "unsupported")

    @property
    def omitted(self) -> int:
        """Number of cases that do not fit on the page."""
        return len(self.group.records) - len(self.records)

    @property
    def command(self) -> str:
        """Command that repeats any case of the entry, with CASE for the id; empty if there is no common command."""
        commands = {record.repeat.replace(record.case, "CASE") for record in self.group.records}
        return commands.pop() if len(commands) == 1 else ""


class Evidence(NamedTuple):
    """The entries of the matrix in the order in which the page lists their cases."""

    failed: list[Place]
    """Entries with a failure, the most severe first."""
    others: list[Place]
    """Other entries with a case."""
    not_run: list[Place]
    """Entries of which no case ran."""


def ordered(rows: Sequence[Sequence[Place]]) -> Evidence:
    """Put the entries of the matrix into the order in which the page lists their cases.

    Args:
        rows: the entries, as ``places`` returns them.

    Returns:
        The entries with failures, the others, and the ones that were not run.

    """
    severity = list(STATUSES)
    every = [place for row in rows for place in row]
    failed = [place for place in every if place.group.fails]
    return Evidence(
        sorted(failed, key=lambda place: severity.index(place.group.status.name)),
        [place for place in every if place.group.records and not place.group.fails],
        [place for place in every if place.group.absent and not place.group.records],
    )


def places(matrix: Matrix, room: float) -> list[list[Place]]:
    """Choose the evidence for every entry of the matrix.

    Args:
        matrix: the matrix.
        room: bytes available.

    Returns:
        One list per row, with one entry per column.

    """
    severity = {name: place for place, name in enumerate(STATUSES)}
    records = sorted(
        (record for column in matrix.columns for record in column.cases),
        key=lambda record: (severity[status(record)], -(margin(record) or 0)),
    )
    evidence = (record for record in records if status(record) not in ("agrees", "unsupported"))
    shown = _fitting(records, (1 - CARDS) * room, _row_bytes)
    in_full = _fitting(evidence, CARDS * room, _card_bytes)

    def place(anchor: str, number: int, row: Row, column: Column, group: Group) -> Place:
        room = (record for record in group.records if id(record) in shown)
        listed = tuple(sorted(room, key=lambda record: shown[id(record)]))
        cards = frozenset(record.case for record in listed if id(record) in in_full)
        return Place(anchor, number, row.cell, row.dtype, column, group, listed, cards)

    return [
        [
            place(f"g{r}-{c}", c, row, column, group)
            for c, (column, group) in enumerate(zip(matrix.columns, row.groups, strict=True))
        ]
        for r, row in enumerate(matrix.rows)
    ]


def _fitting(
    records: Iterable[CaseRecord], limit: float, size: Callable[[CaseRecord], int]
) -> dict[int, int]:
    """Return the identity and rank of the first records that fit into ``limit`` bytes."""
    kept: dict[int, int] = {}
    for record in records:
        limit -= size(record)
        if limit < 0:
            break
        kept[id(record)] = len(kept)
    return kept


def _row_bytes(record: CaseRecord) -> int:
    """Estimate the bytes of a table row with its markup."""
    return 160 + _bytes(one_line(record.case) + one_line(record.fingerprint or ""))


def _card_bytes(record: CaseRecord) -> int:
    """Estimate the bytes of a case's evidence with its markup."""
    texts = (clip(record.card), clip(record.reason), clip(record.known or ""),
             one_line(record.repeat, 600), one_line(record.ran))  # fmt: skip
    return 400 + sum(map(_bytes, texts))


def _bytes(text: str) -> int:
    return len(escape(text).encode())

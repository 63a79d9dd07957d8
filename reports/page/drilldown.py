"""What lies behind each group of the matrix, and how much of it the page has room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import escape

from records.schema import CaseRecord
from records.text import clip, one_line
from reports.matrix import Column, Group, Matrix, Row
from reports.outcomes import STATUSES, status

CARDS = 0.3
"""The share of the room that failure cards may take; rows have the rest."""


@dataclass(frozen=True)
class Place:
    """One group where it is drawn: its anchor, its name, and what is shown of it."""

    anchor: str
    cell: str
    dtype: str
    column: Column
    group: Group
    records: tuple[CaseRecord, ...]
    """The cases that the page has room for, the ones that matter most first."""
    cards: frozenset[str]
    """Of those, the cases whose evidence is shown in full."""

    @property
    def reasons(self) -> Counter[str]:
        """Why cases are unsupported, and how many are for each reason."""
        return Counter(r.reason for r in self.group.records if r.outcome == "unsupported")

    @property
    def omitted(self) -> int:
        """Cases that the page has no room for."""
        return len(self.group.records) - len(self.records)

    @property
    def command(self) -> str:
        """What repeats any case here, where one command with CASE for its id does."""
        commands = {record.repeat.replace(record.case, "CASE") for record in self.group.records}
        return commands.pop() if len(commands) == 1 else ""


def places(matrix: Matrix, room: float) -> list[list[Place]]:
    """The groups, row by row and column by column, with what fits into so many bytes."""
    severity = {name: place for place, name in enumerate(STATUSES)}
    records = sorted(
        (record for column in matrix.columns for record in column.run.cases),
        key=lambda record: (severity[status(record)], -(record.margin or 0)),
    )
    evidence = (record for record in records if status(record) not in ("agrees", "unsupported"))
    shown = _fitting(records, (1 - CARDS) * room, _row_bytes)
    in_full = _fitting(evidence, CARDS * room, _card_bytes)

    def place(anchor: str, row: Row, column: Column, group: Group) -> Place:
        room = (record for record in group.records if id(record) in shown)
        listed = tuple(sorted(room, key=lambda record: shown[id(record)]))
        cards = frozenset(record.case for record in listed if id(record) in in_full)
        return Place(anchor, row.cell, row.dtype, column, group, listed, cards)

    return [
        [
            place(f"g{r}-{c}", row, column, group)
            for c, (column, group) in enumerate(zip(matrix.columns, row.groups, strict=True))
        ]
        for r, row in enumerate(matrix.rows)
    ]


def _fitting(
    records: Iterable[CaseRecord], limit: float, size: Callable[[CaseRecord], int]
) -> dict[int, int]:
    """The identities of the first records that fit ``limit`` bytes, with their order."""
    kept: dict[int, int] = {}
    for record in records:
        limit -= size(record)
        if limit < 0:
            break
        kept[id(record)] = len(kept)
    return kept


def _row_bytes(record: CaseRecord) -> int:
    """About what a row of the table takes, its markup included."""
    return 160 + _bytes(one_line(record.case) + one_line(record.fingerprint or ""))


def _card_bytes(record: CaseRecord) -> int:
    """About what the evidence for one case takes, its markup included."""
    texts = (clip(record.card), clip(record.reason), clip(record.known or ""),
             one_line(record.repeat, 600), one_line(record.ran))  # fmt: skip
    return 400 + sum(map(_bytes, texts))


def _bytes(text: str) -> int:
    return len(escape(text).encode())

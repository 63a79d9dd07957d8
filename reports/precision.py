"""Precision by name: which arithmetic a backend's results are, whatever its dtype says.

A fingerprint is the tightest arithmetic that one result agrees with. Many results tell more than one: what
is computed in TF32 may agree as float32 in small cases, and never does in all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from reports.matrix import Column, Group, Matrix, Row

TIGHTEST_FIRST = (
    "float64", "float32", "tf32", "float16", "float16-summed", "float16-throughout", "bfloat16",
    "bfloat16-summed", "bfloat16-throughout",
)  # fmt: skip
NONE = "none"
"""Where a result agrees with no arithmetic that is known."""


@dataclass(frozen=True)
class Precision:
    """The fingerprints of one backend's results in one cell and dtype."""

    row: Row
    column: Column
    group: Group

    @cached_property
    def fingerprints(self) -> Counter[str]:
        """How many results have which, the loosest first; of those that ran and can be told."""
        ran = [r for r in self.group.records if r.outcome in ("agrees", "differs") and r.tensors]
        found = Counter(record.fingerprint or NONE for record in ran)
        return Counter(dict(sorted(found.items(), key=lambda item: -_rank(item[0]))))

    @cached_property
    def declared(self) -> str:
        """The arithmetic that the backend declares."""
        return next((record.arithmetic for record in self.group.records if record.arithmetic), "")

    @property
    def looser(self) -> Counter[str]:
        """Those of the arithmetics that are looser than what is declared."""
        return Counter({name: n for name, n in self.fingerprints.items()
                        if name != NONE and _rank(name) > _rank(self.declared)})  # fmt: skip


def precisions(matrix: Matrix) -> list[list[Precision]]:
    """Row by row and column by column, as in the matrix."""
    return [
        [Precision(row, column, group)
         for column, group in zip(matrix.columns, row.groups, strict=True)]
        for row in matrix.rows
    ]  # fmt: skip


def coarser_than_declared(matrix: Matrix) -> list[Precision]:
    """Where a backend computes more coarsely than it declares."""
    return [found for row in precisions(matrix) for found in row if found.looser]


def _rank(name: str) -> int:
    return TIGHTEST_FIRST.index(name) if name in TIGHTEST_FIRST else len(TIGHTEST_FIRST)

"""Find the results whose errors are within the bound of a coarser arithmetic than the backend declares.

A fingerprint is the tightest arithmetic that one result agrees with. TF32 may pass as float32 in small
cases, but never in all of them. A coarser fingerprint is no proof of that arithmetic: an error of another
kind can have the same size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from reports.column import Column
from reports.group import Group
from reports.matrix import Matrix, Row

TIGHTEST_FIRST = (
    "float64", "float32", "tf32", "float16", "float16-summed", "float16-throughout", "bfloat16",
    "bfloat16-summed", "bfloat16-throughout",
)  # fmt: skip
NONE = "none"
"""Fingerprint of a result that agrees with no known arithmetic."""


@dataclass(frozen=True)
class Precision:
    """The fingerprints of one backend's results in one cell and dtype."""

    row: Row
    column: Column
    group: Group

    @cached_property
    def fingerprints(self) -> Counter[str]:
        """Number of results by fingerprint, the loosest first."""
        ran = [r for r in self.group.records if r.outcome in ("agrees", "differs") and r.tensors]
        found = Counter(record.fingerprint or NONE for record in ran)
        return Counter(dict(sorted(found.items(), key=lambda item: -_rank(item[0]))))

    @cached_property
    def declared(self) -> str:
        """The arithmetic that the backend declares."""
        return next((record.arithmetic for record in self.group.records if record.arithmetic), "")

    @property
    def looser(self) -> Counter[str]:
        """Number of results whose fingerprint is looser than the declared arithmetic."""
        return Counter({name: n for name, n in self.fingerprints.items()
                        if name != NONE and _rank(name) > _rank(self.declared)})  # fmt: skip


def precisions(matrix: Matrix) -> list[list[Precision]]:
    """Collect the fingerprints of every entry of the matrix.

    Args:
        matrix: the matrix.

    Returns:
        One list per row, with one entry per column.

    """
    return [
        [Precision(row, column, group)
         for column, group in zip(matrix.columns, row.groups, strict=True)]
        for row in matrix.rows
    ]  # fmt: skip


def coarser_than_declared(matrix: Matrix) -> list[Precision]:
    """Find the entries with fingerprints that are looser than the arithmetic that their backend declares.

    Args:
        matrix: the matrix.

    Returns:
        The entries.

    """
    return [found for row in precisions(matrix) for found in row if found.looser]


def _rank(name: str) -> int:
    """Return the position of an arithmetic, from tight to loose."""
    return TIGHTEST_FIRST.index(name) if name in TIGHTEST_FIRST else len(TIGHTEST_FIRST)

"""Shrink a failure: take the simplest case that still fails, until no simpler one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.cases.fuzzed import FuzzedCase
from records.schema import CaseRecord

SEEDS = 4
"""The number of other draws of a simpler case to try, since its first numbers may not show the failure."""

SIMPLIFICATIONS: tuple[dict[str, Any], ...] = (
    {"layers": 1},
    {"direction": "forward"},
    {"ends": None, "padding": "pad-none"},
    {"padding": "pad-zero"},
    {"compared": "forward"},
    {"state": "no-state"},
    {"bias": "no-bias"},
    {"layout": "batch-major"},
    {"weights": "plain"},
    {"inputs": "plain"},
    {"cell": "lstm"},
    {"cell": "gru-after"},
    {"cell": "gru-before"},
    {"cell": "vanilla-tanh"},
)
"""The simplest values, the most telling first."""

RANK = ("vanilla-tanh", "vanilla-relu", "gru-after", "gru-before", "lstm", "lstm-forget")


def simpler_cases(fuzzed: FuzzedCase) -> Iterator[FuzzedCase]:
    """Yield cases that are simpler in one way, the largest steps first.

    Args:
        fuzzed: the case.

    Yields:
        The simpler cases.

    """
    for changes in SIMPLIFICATIONS:
        cell = changes.get("cell")
        if cell is None or RANK.index(cell) < RANK.index(fuzzed.cell):
            yield from filter(None, [fuzzed.with_changes(**changes)])
    if fuzzed.layers > 2:
        yield from filter(None, [fuzzed.with_changes(layers=fuzzed.layers - 1)])
    for axis in (1, 0, 3, 2):
        for size in sorted({1, fuzzed.size[axis] // 2, fuzzed.size[axis] - 1} - {0}):
            yield from filter(None, [_resized(fuzzed, axis, size)])


def _resized(fuzzed: FuzzedCase, axis: int, size: int) -> FuzzedCase | None:
    """Return the case with another B, T, I or H, and with the lengths that remain."""
    sizes = (*fuzzed.size[:axis], size, *fuzzed.size[axis + 1 :])
    ends = fuzzed.ends and tuple(min(n, sizes[1]) for n in fuzzed.ends[: sizes[0]])
    return fuzzed.with_changes(size=sizes, ends=ends)


def shrink(
    fuzzed: FuzzedCase,
    smallest: CaseRecord,
    check: Callable[[FuzzedCase], CaseRecord],
    max_checks: int,
) -> CaseRecord:
    """Shrink a failing case.

    Args:
        fuzzed: the case.
        smallest: its record.
        check: checks a case.
        max_checks: the largest number of checks.

    Returns:
        The record of the smallest case found with the same outcome.

    """
    tried = 0
    while tried < max_checks:
        for candidate in (
            redrawn
            for simpler in simpler_cases(fuzzed)
            if simpler != fuzzed
            for redrawn in _seeds(simpler)
        ):
            found = check(candidate)
            tried += 1
            if found.outcome == smallest.outcome and found.known is None:
                fuzzed, smallest = candidate, found
                break
            if tried >= max_checks:
                break
        else:
            break
    return smallest


def _seeds(fuzzed: FuzzedCase) -> Iterator[FuzzedCase]:
    """Yield the case with its own seed and with a few others."""
    yield fuzzed
    yield from filter(None, (fuzzed.with_changes(seed=k) for k in range(SEEDS)))

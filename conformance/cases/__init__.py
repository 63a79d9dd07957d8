"""Define the cases as data: network, shapes, lengths and padding.

The default cases are

    two covering arrays of the axes    default_cases.txt compares outputs and holds every feasible triple of
                                       values on every backend; gradient_cases.txt compares gradients
                                       too and holds every feasible pair
    the tutorials' networks
    deep sums                          show how a kernel accumulates
    many rows                          make an adapter choose another way to multiply
    large states                       show clipping
    training                           fifty steps with each optimiser

A GPU also runs cases on both sides of cuDNN's kernel-selection thresholds, and every float32 case in other
precisions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from conformance.cases.axes import AXES, CELLS, DTYPES, GRADIENTS, SIZES, Row, feasible, make_case
from conformance.cases.case import AnyCase, Case, NetworkCase, TrainingCase, UserCase
from conformance.cases.cudnn import cudnn_cases
from conformance.cases.fuzzed import FUZZ, parse_fuzz_id
from conformance.cases.precision_variants import (
    OTHER_PRECISIONS,
    original_id,
    precision_variant,
    precision_variants,
)
from conformance.cases.tasks import training_cases
from conformance.cases.tutorials import deep_sums, large_states, many_rows, tutorial_cases

NAMED: dict[str, AnyCase] = {
    case.id: case
    for case in (
        *tutorial_cases(),
        *deep_sums(),
        *many_rows(),
        *large_states(),
        *training_cases(),
        *cudnn_cases(),
    )
}
_CUDNN = {case.id for case in cudnn_cases()}


def _full_only() -> set[str]:
    """Return the ids of named cases that only ``--full`` runs."""
    pages: dict[str, list[str]] = {}
    for case in tutorial_cases():
        row, _, dtype = case.id.rpartition("/")
        if dtype == "float32":
            pages.setdefault(row.split("/")[1], []).append(row)
    kept = set()
    for number, rows in enumerate(pages.values()):
        types = ("float16", "bfloat16") if number % 2 == 0 else ("bfloat16", "float16")
        kept |= {f"{row}/{dtype}" for row, dtype in zip(rows[::-1], types, strict=False)}
    every = {f"{row}/{dtype}" for rows in pages.values() for row in rows
             for dtype in ("float16", "bfloat16")}  # fmt: skip
    return (every - kept) | {c.id for c in training_cases()
                             if c.id.startswith("training/characters/") and c.dtype == "float64"}  # fmt: skip


FULL_ONLY = _full_only()
"""Named cases that only ``--full`` runs, because compilation and long truths are most of the time of a run.

By default every row of the tutorials runs in float64 and float32; of each page, the last row also runs in one 16-bit
type and the row before it in the other. Characters are trained in float32 alone.
"""


def by_id(case_id: str) -> AnyCase:
    """Return the case with an id: a named case, a fuzzed case, a case from the product of the axes, or a precision
    variant of one of them.

    Args:
        case_id: the id.

    Returns:
        The case.

    Raises:
        ValueError: a part of the id is no value of its axis, or the values do not go together.

    """
    if (original := original_id(case_id)) != case_id:
        return precision_variant(by_id(original), case_id.rpartition("/")[2])
    if case_id in NAMED:
        return NAMED[case_id]
    if case_id.startswith(FUZZ):
        return parse_fuzz_id(case_id).case()
    parts = case_id.removeprefix(GRADIENTS).split("/")
    if len(parts) != len(AXES):
        raise ValueError(
            f"case {case_id!r}: {len(parts)} parts given, expected a named case or "
            f"{len(AXES)} parts, with or without {GRADIENTS} in front: {'/'.join(AXES)}"
        )
    row = dict(zip(AXES, parts, strict=True))
    for axis, value in row.items():
        if value not in AXES[axis]:
            raise ValueError(f"case {case_id!r}: {axis} {value!r} given, expected {AXES[axis]}")
    if not feasible(row):
        raise ValueError(
            f"case {case_id!r}: lengths, padding and size contradict each other "
            "(see feasible() in conformance/cases/axes.py)"
        )
    return make_case(row, gradients=case_id.startswith(GRADIENTS))


def read_rows(file: str) -> list[dict[str, str]]:
    """Read a covering array, a file in this folder made by ``python -m evidence.covering``.

    Args:
        file: the name of the file.

    Returns:
        The rows, each with a value for every axis.

    """
    text = (Path(__file__).parent / file).read_text("utf-8")
    return [dict(zip(AXES, line.split("/"), strict=True)) for line in text.split()]


def default_cases(kind: str = "cpu") -> list[AnyCase]:
    """Return the cases of every run on a kind of device: the covering arrays and the named cases.

    Args:
        kind: ``cpu`` or ``cuda``.

    Returns:
        The cases.

    """
    return [
        *(make_case(row) for row in read_rows("default_cases.txt")),
        *(make_case(row, gradients=True) for row in read_rows("gradient_cases.txt")),
        *(make_case(row, gradients=True) for row in read_rows("cuda_cases.txt") if kind == "cuda"),
        *(case for case in NAMED.values()
          if case.id not in FULL_ONLY and (kind == "cuda" or case.id not in _CUDNN)),
    ]  # fmt: skip


def full_cases() -> Iterator[AnyCase]:
    """Yield the whole product of the axes, gradient cases for every triple, and the named cases.

    Yields:
        The cases.

    """
    for values in itertools.product(*AXES.values()):
        row = dict(zip(AXES, values, strict=True))
        if feasible(row):
            yield make_case(row)
    covering = {case.id: case for file in ("default_cases.txt", "gradient_cases.txt")
                for case in (make_case(row, gradients=True) for row in read_rows(file))}  # fmt: skip
    yield from covering.values()
    yield from NAMED.values()


__all__ = [
    "AXES",
    "CELLS",
    "DTYPES",
    "FULL_ONLY",
    "FUZZ",
    "GRADIENTS",
    "NAMED",
    "OTHER_PRECISIONS",
    "SIZES",
    "AnyCase",
    "Case",
    "NetworkCase",
    "Row",
    "TrainingCase",
    "UserCase",
    "by_id",
    "default_cases",
    "feasible",
    "full_cases",
    "make_case",
    "precision_variants",
    "read_rows",
]

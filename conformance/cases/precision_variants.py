"""Precision variants: float32 cases again, with their products in TF32 or in the framework's default precision.

A variant has the id of its float32 case except for the last part. It has the same arrays and so the same
truth. Training has no variants: fifty steps in TF32 prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from backends.adapter import PRECISIONS
from conformance.cases.case import AnyCase, TrainingCase

OTHER_PRECISIONS = tuple(name for name in PRECISIONS if name != "ieee")
"""The precisions besides IEEE, each the last part of a variant's id."""


def precision_variants(cases: Iterable[AnyCase]) -> Iterator[AnyCase]:
    """Yield each float32 case in every other precision, training cases excepted.

    Args:
        cases: the cases.

    Yields:
        The variants.

    """
    for case in cases:
        if case.dtype == "float32" and not isinstance(case, TrainingCase):
            for precision in OTHER_PRECISIONS:
                yield precision_variant(case, precision)


def precision_variant(case: AnyCase, precision: str) -> AnyCase:
    """Make a float32 case's variant in another precision.

    Args:
        case: the case.
        precision: a name of ``OTHER_PRECISIONS``.

    Returns:
        The variant.

    Raises:
        ValueError: the case is not in float32 or is a training case.

    """
    stem, _, dtype = case.id.rpartition("/")
    if dtype != "float32" or isinstance(case, TrainingCase):
        raise ValueError(
            f"case {case.id!r}: no {precision} variant; expected a float32 case other than training"
        )
    return replace(case, id=f"{stem}/{precision}", precision=precision)


def original_id(case_id: str) -> str:
    """Return the id of the case whose arrays a case has.

    Args:
        case_id: the id of a case.

    Returns:
        The float32 case's id for a variant; else the id itself.

    """
    stem, _, precision = case_id.rpartition("/")
    return f"{stem}/float32" if precision in OTHER_PRECISIONS else case_id

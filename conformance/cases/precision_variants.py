"""float32 cases again, with their products made otherwise: in TF32, and as a framework makes them unless told.

A twin has the arrays of the float32 case whose id it has but for the last part, and so its truth. Training has
none: fifty steps in TF32 say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from backends.adapter import PRECISIONS
from conformance.cases.case import AnyCase, TrainingCase

OTHER_PRECISIONS = tuple(name for name in PRECISIONS if name != "ieee")
"""The last part of a twin's id."""


def precision_variants(cases: Iterable[AnyCase]) -> Iterator[AnyCase]:
    """Of every float32 case among these that is no training, one in each precision."""
    for case in cases:
        if case.dtype == "float32" and not isinstance(case, TrainingCase):
            for precision in OTHER_PRECISIONS:
                yield precision_variant(case, precision)


def precision_variant(case: AnyCase, precision: str) -> AnyCase:
    """The float32 case in that precision; raises ``ValueError`` for a case that has no twin."""
    stem, _, dtype = case.id.rpartition("/")
    if dtype != "float32" or isinstance(case, TrainingCase):
        raise ValueError(
            f"case {case.id!r} in {precision}: only cases in float32 that are no training have that"
        )
    return replace(case, id=f"{stem}/{precision}", precision=precision)


def original_id(case_id: str) -> str:
    """The id of the case whose arrays a case has: its own, unless it is a twin's."""
    stem, _, precision = case_id.rpartition("/")
    return f"{stem}/float32" if precision in OTHER_PRECISIONS else case_id

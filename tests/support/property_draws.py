"""Examples of properties, drawn by Hypothesis: the id of a case, and the number of the draw of its arrays.

Deterministic, so that a failure is there again at the next run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st

from backends import Backend, Unsupported
from conformance.cases import AXES, GRADIENTS, by_id, feasible
from evidence.covering import runs_on
from evidence.properties import Property, find_violation

SMALL = ("b5-t5-i4-h6", "b5-t7-i4-h4", "b4-t5-i6-h1", "b4-t1-i5-h6", "b1-t6-i5-h4")
"""All sizes but the one that takes as long as the others together."""


class Subject(NamedTuple):
    """An implementation that is held to properties, and on how many examples of which sizes."""

    adapter: Backend
    examples: int
    sizes: tuple[str, ...] = SMALL
    layers: tuple[str, ...] = AXES["layers"]
    nan_leaks: bool = False
    """NaN in the padding is known to reach its gradients: there, padding is finite."""


def values(subject: Subject, p: Property, *, gradients: bool) -> Mapping[str, tuple[str, ...]]:
    """The values on every axis that the subject runs and of which the property says something."""
    found = {**AXES, "size": subject.sizes, "layers": subject.layers}
    if gradients and subject.nan_leaks:
        found["padding"] = tuple(v for v in found["padding"] if v != "pad-nan")
    for axis, meant in p.where.items():
        found[axis] = tuple(v for v in found[axis] if v in meant)
    dialect, kind = subject.adapter.dialect, subject.adapter.kind
    return {axis: tuple(v for v in some if runs_on(dialect, {axis: v}, kind))
            for axis, some in found.items()}  # fmt: skip


@st.composite
def case_ids(draw: st.DrawFn, subject: Subject, p: Property) -> str:
    """The id of a case that has such values."""
    gradients = draw(st.sampled_from(p.gradients))
    row: dict[str, str] = {}
    for axis, some in values(subject, p, gradients=gradients).items():
        fitting = [v for v in some if feasible({**row, axis: v})]
        if not fitting:
            reject()
        row[axis] = draw(st.sampled_from(fitting))
    return GRADIENTS * gradients + "/".join(row[axis] for axis in AXES)


def says_nothing(subject: Subject, p: Property) -> str:
    """Why the property has nothing to say of the subject; empty where it has."""
    if not runs_on(subject.adapter.dialect, p.needs, subject.adapter.kind):
        return f"its dialect has no {' '.join(p.needs.values())}"
    found = values(subject, p, gradients=p.gradients[0])
    return ", ".join(f"its dialect has no {axis} of these: {', '.join(p.where.get(axis, ()))}"
                     for axis, some in found.items() if not some)  # fmt: skip


def assert_holds(subject: Subject, p: Property, *, shrink: bool = True) -> None:
    """Of the subject's examples, the first that breaks the property is shrunk to a simple one."""
    if why := says_nothing(subject, p):
        pytest.skip(why)
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @settings(max_examples=subject.examples, derandomize=True, deadline=None, phases=phases)
    @given(case_id=case_ids(subject, p), attempt=st.integers(0, 2**16))
    def holds(case_id: str, attempt: int) -> None:
        try:
            found = find_violation(p, subject.adapter, by_id(case_id), attempt)
        except Unsupported:
            reject()
        assert not found, found

    holds()

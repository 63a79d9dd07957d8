"""Examples of properties, drawn by Hypothesis: the id of a case, and the number of the draw of its arrays.

Deterministic, so that a failure is there again at the next run.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st

from backends import Unsupported
from conformance.cases import AXES, GRADIENTS, by_id, feasible
from evidence.properties import Property, find_violation
from evidence.properties.examples import Subject, silence, values


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


def assert_holds(subject: Subject, p: Property, *, shrink: bool = True) -> None:
    """Hold the subject's examples to the property; the first that breaks it is shrunk to a simple one."""
    if why := silence(subject, p):
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

"""The workloads, as data: cases with names that people can compare."""

from __future__ import annotations

from conformance.cases import Case
from reference import Spec

WORKLOADS: dict[str, Case] = {
    case.id: case
    for case in (
        Case(
            id="deepbench/lstm-512-16-25/float32",
            spec=Spec(cell="lstm", input_size=512, hidden_size=512),
            dtype="float32",
            batch=16,
            steps=25,
        ),
    )
}


def flops(case: Case) -> int:
    """Operations of all matrix products of one forward run: 2·G·H·(I + H)·B·T a layer and direction.

    DeepBench leaves out the input's share, and counts 2·G·H·H·B·T.
    """
    spec = case.spec
    rows = spec.num_gates * spec.hidden_size * spec.num_directions
    widths = sum(spec.layer_input_size(k) + spec.hidden_size for k in range(spec.num_layers))
    return 2 * rows * widths * case.batch * case.steps

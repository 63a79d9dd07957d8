"""Run the same mutants on ONNX's node cases, which other implementations are tested with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from backends.dialects import ONNX
from backends.layouts import Block, gradients
from evidence.mutants.mutant import Mutant, apply_mutant
from reference import Array, Params, Spec, Weights, run

NAME = "ONNX's node cases"
CELLS = {"RNN": "vanilla", "GRU": "gru", "LSTM": "lstm"}


class _NodeCase(NamedTuple):
    """One of ONNX's cases as a call of the specification, with the outputs that it compares."""

    name: str
    spec: Spec
    params: Params
    x: Array
    given: Mapping[str, Array]
    outputs: Mapping[str, Array]
    rtol: float
    atol: float

    def passes(self) -> bool:
        """Return True if the specification passes by ONNX's own tolerance.

        Returns:
            False for a failure or an exception.

        """
        with np.errstate(all="ignore"):
            try:
                found = run(self.spec, self.params, self.x, **self.given)
            except Exception:
                return False
        y = found.y if self.spec.batch_first else np.swapaxes(found.y, 0, 1)  # (B, T, D·H)
        y = y.reshape(*y.shape[:2], self.spec.num_directions, -1)
        tensors = {"Y_h": found.h_n, "Y_c": found.c_n, "Y": np.moveaxis(y, 0, 2)}  # (T, D, B, H)
        if self.spec.batch_first:  # layout 1: the batch comes first everywhere
            tensors = {"Y_h": np.swapaxes(found.h_n, 0, 1), "Y": y}
        return all(
            np.allclose(tensors[name], expected, rtol=self.rtol, atol=self.atol)  # type: ignore[arg-type]  # Y_c is asked of an LSTM alone
            for name, expected in self.outputs.items()
        )


def node_cases() -> list[_NodeCase]:
    """Collect the ONNX cases that the specification can express: all but the one with peepholes.

    Returns:
        The cases.

    """
    from onnx.backend.test.case.node import collect_testcases  # noqa: PLC0415  # only here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other operators' cases
        found = [case for case in collect_testcases(None) if len(case.model.graph.node) == 1]
    nodes = ((case, case.model.graph.node[0]) for case in found)
    return [_case(case) for case, node in nodes if node.op_type in CELLS and "P" not in node.input]


def is_caught(cases: list[_NodeCase], mutant: Mutant) -> bool:
    """Return True if one of the cases fails on a mutant.

    Args:
        cases: ONNX's cases.
        mutant: the mutant.

    Returns:
        True if a case catches it.

    """
    mine = [case for case in cases if mutant.cell in ("", case.spec.cell)]
    with apply_mutant(mutant):
        return not all(case.passes() for case in mine)


def _case(case: Any) -> _NodeCase:
    (node,) = case.model.graph.node
    options = {a.name: a.i or a.s.decode() for a in node.attribute}
    cell = CELLS[node.op_type]
    (inputs, outputs), *_ = case.data_sets
    arrays = dict(zip(filter(None, node.input), inputs, strict=True))
    looked_at = dict(zip(filter(None, node.output), outputs, strict=True))
    batch_first = bool(options.get("layout", 0))
    spec = Spec(
        cell=cell,  # type: ignore[arg-type]  # one of the three
        input_size=arrays["X"].shape[-1],
        hidden_size=int(options["hidden_size"]),
        direction=options.get("direction", "forward"),
        bias="B" in arrays,
        batch_first=batch_first,
        **({"reset": "before"} if cell == "gru" else {}),  # type: ignore[arg-type]  # a Literal's value
    )
    params = (tuple(_weights(spec, arrays, d) for d in range(spec.num_directions)),)
    given = {"h0": "initial_h", "c0": "initial_c", "lengths": "sequence_lens"}
    return _NodeCase(
        case.name,
        spec,
        params,
        arrays["X"],
        {ours: arrays[theirs] for ours, theirs in given.items() if theirs in arrays},
        looked_at,
        case.rtol,
        case.atol,
    )


def _weights(spec: Spec, arrays: Mapping[str, Array], direction: int) -> Weights:
    """Return ONNX's blocks in canonical order."""
    b_ih, b_hh = np.split(arrays["B"][direction], 2) if spec.bias else (None, None)
    block = Block(
        kernel=arrays["W"][direction],
        recurrent=arrays["R"][direction],
        bias=b_ih,
        recurrent_bias=b_hh,
    )
    like = Weights(W_ih=block.kernel, W_hh=block.kernel, b_ih=b_ih, b_hh=b_hh)
    return gradients(spec, ONNX[spec.cell], like, [block])

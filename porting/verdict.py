"""Convert a network to another format, state what is lost, and prove the result.

    lossless      reading the target back gives the same network, number by number
    lossy         some numbers change; the losses are listed, with their effect on the outputs
    impossible    the target cannot hold such a network

Both frameworks then run their files on the same inputs, and both results are compared with the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backends import Inputs
from backends.dtypes import rounded
from backends.layouts import Block, restored
from conformance.agreement import Verdict, bound, judge
from conformance.draw import Draws
from conformance.evaluate import evaluate
from conformance.truth import Truth
from formats import BadModel, Format, LoadedModel, Model, format_module
from formats.assemble import blocks_of
from formats.model import build_model, parameters_by_name
from reference import Spec, Weights
from reference.rounding import ARITHMETICS
from reference.trees import each

BATCH, STEPS, LENGTHS = 5, 7, (7, 1, 4, 7, 3)
"""Sizes of the random inputs."""


class Impossible(Exception):
    """Error: the target cannot hold such a network; the text is ``<option>: <reason>``."""


class Conversion(NamedTuple):
    """A converted network."""

    model: Model
    """The network that is written, in the target's dtype."""
    stored: Model
    """The network that the target's file holds."""
    losses: Sequence[str]
    """Descriptions of the differences; empty for a lossless conversion."""

    @property
    def verdict(self) -> str:
        """The verdict: ``lossless`` or ``lossy``."""
        return "lossy" if self.losses else "lossless"


class Proof(NamedTuple):
    """The agreement of both frameworks with the specification."""

    source: Verdict
    target: Verdict
    output_change: float
    """Largest change of an output by the losses, in units of its bound."""

    @property
    def passes(self) -> bool:
        """True if both frameworks agree with the specification."""
        return {self.source.outcome, self.target.outcome} == {"agrees"}


def convert_model(found: Model, target: Format, dtype: str) -> Conversion:
    """Convert a network to another format.

    Args:
        found: the network.
        target: the target's format.
        dtype: the target's dtype.

    Returns:
        The converted network, with its losses.

    Raises:
        Impossible: the target cannot hold the network.
    """
    model, losses = found, []
    if dtype != found.dtype:
        params = {name: rounded(a, dtype) for name, a in parameters_by_name(found).items()}
        beyond = [
            name for name, a in params.items() if (np.abs(a) > ARITHMETICS[dtype].largest).any()
        ]
        if beyond:
            raise Impossible(f"dtype: {beyond[0]} has values beyond the range of {dtype}")
        model = build_model("", found.spec, params, dtype)
        losses = _describe_change(found, model, f"parameters are rounded to {dtype}")
    if why := target.why_unsupported(model.spec, dtype):
        raise Impossible(why)
    stored = _store(model, target, model.spec)
    if any(
        (np.abs(a) > ARITHMETICS[dtype].largest).any() for a in parameters_by_name(stored).values()
    ):
        raise Impossible(f"dtype: sums of biases are beyond the range of {dtype}")
    return Conversion(model, stored, [*losses, *_losses(model, stored, target)])


def _store(model: Model, target: Format, spec: Spec) -> Model:
    """Return the network that the target's file holds: blocks rounded to the dtype and read back."""
    cell = target.cell(spec)

    def kept(blocks: list[Block]) -> list[Block]:
        return [each(lambda a: rounded(a, model.dtype), block) for block in blocks]

    params = tuple(
        tuple(restored(spec, cell, spec.layer_input_size(layer), kept(blocks)) for blocks in row)
        for layer, row in enumerate(blocks_of(target, model))
    )
    return Model(spec, params, model.dtype)


def _losses(model: Model, stored: Model, target: Format) -> list[str]:
    """Describe the differences between a network and the one that the target holds."""
    before, after = parameters_by_name(model), parameters_by_name(stored)
    if all(np.array_equal(a, after[name]) for name, a in before.items()):
        return []
    found = []
    folded = [
        name
        for name in before
        if name.endswith("b_hh") and not np.array_equal(before[name], after[name])
    ]
    if folded and target.cell(model.spec).biases == 1:
        found.append(
            f"{target.name} has one bias: b_hh is added to b_ih and cannot be separated again"
        )
    why = "sums of biases are rounded"
    if model.spec.forget_bias and target.cell(model.spec).forget_bias == "stored":
        why += f", including forget_bias={model.spec.forget_bias:g}, which {target.name} stores in the bias"
    found += _describe_change(_sum_biases(model), _sum_biases(stored), why)
    return found or [f"{why}: b_ih and b_hh change, but their sum does not"]


def _sum_biases(model: Model) -> Model:
    """Add b_hh to b_ih, but for the n gate of a reset-after GRU, where the two are not interchangeable."""

    def one(w: Weights) -> Weights:
        if w.b_ih is None or w.b_hh is None:
            return w
        apart = np.zeros(len(w.b_hh))
        if model.spec.cell == "gru" and model.spec.reset == "after":
            apart[-model.spec.hidden_size :] = w.b_hh[-model.spec.hidden_size :]
        return w._replace(b_ih=w.b_ih + (w.b_hh - apart), b_hh=apart)

    return model._replace(params=tuple(tuple(map(one, row)) for row in model.params))


def _describe_change(before: Model, after: Model, what: str) -> list[str]:
    """Describe how many numbers change and by how much; return an empty list if none changes."""
    pairs = [(a, parameters_by_name(after)[name]) for name, a in parameters_by_name(before).items()]
    off = [np.abs(a - b) for a, b in pairs]
    changed, total = (
        sum(int(n) for n in counts)
        for counts in zip(*((np.count_nonzero(o), o.size) for o in off), strict=True)
    )
    if not changed:
        return []
    return [
        f"{what}: {changed:,} of {total:,} numbers change, by at most {max(float(o.max()) for o in off):.2g}"
    ]


def random_inputs(model: Model) -> Inputs:
    """Draw random inputs, with rows of several lengths and initial states other than 0.

    Args:
        model: the network.

    Returns:
        The inputs; the same network always gets the same ones.
    """
    spec = model.spec
    draws = Draws(f"port/{spec}", model.dtype)
    x = draws.uniform((BATCH, STEPS, spec.input_size), float(np.sqrt(3)))
    states = {f"{p}0": draws.uniform(spec.state_shape(p, BATCH), 1) for p in spec.states}
    return Inputs(
        spec=spec, dtype=model.dtype, params=model.params, lengths=np.array(LENGTHS),
        x=x if spec.batch_first else np.swapaxes(x, 0, 1), h0=states["h0"], c0=states.get("c0"),
    )  # fmt: skip


def drop_empty_rows(inputs: Inputs) -> Inputs:
    """Drop the rows of length 0, which not every framework runs.

    Args:
        inputs: a run.

    Returns:
        The run without those rows.
    """
    if inputs.lengths is None or inputs.lengths.all():
        return inputs
    rows = inputs.lengths > 0
    over = 0 if inputs.spec.batch_first else 1
    return replace(
        inputs,
        x=np.compress(rows, inputs.x, axis=over),
        lengths=inputs.lengths[rows],
        h0=None if inputs.h0 is None else inputs.h0[:, rows],
        c0=None if inputs.c0 is None else inputs.c0[:, rows],
    )


def read_back(path: Path, target: Format, written: Conversion) -> LoadedModel:
    """Read a written file back and compare it with the network that was written.

    Args:
        path: the file.
        target: its format.
        written: the conversion.

    Returns:
        The network in the file.

    Raises:
        BadModel: the file holds another network, which is a bug in rnnspec.
    """
    spec = written.model.spec
    given = (
        {}
        if target.name == "canonical"
        else {**target.unstored_fields(spec), "batch_first": spec.batch_first}
    )
    found = format_module(target).read(path, given, "")
    expected = _store(written.model, target, found.model.spec)
    have = parameters_by_name(found.model)
    for name, a in parameters_by_name(expected).items():
        if name not in have or not np.array_equal(have[name], a):
            raise BadModel(
                f"{path}: {name}: reading back gives other values than were written; "
                "this is a bug in rnnspec, please report it"
            )
    return found


def _inputs_of(t: Truth) -> Inputs:
    """Return a truth's inputs, with the type of a recurrent network's."""
    assert isinstance(t.inputs, Inputs)
    return t.inputs


class CheckedFile(NamedTuple):
    """A file, the network read from it, and the truth that it is compared with."""

    path: Path
    format: Format
    found: LoadedModel
    truth: Truth

    def verdict(self) -> Verdict:
        """Run the framework on the truth's inputs and compare the result with the truth.

        Returns:
            The outcome, with a margin for every tensor.
        """
        inputs = replace(_inputs_of(self.truth), spec=self.found.model.spec)
        result = format_module(self.format).run(self.path, self.found, inputs)
        expected = self.truth.expected(inputs.dtype)
        return judge(
            result.tensors, result.dtypes, inputs.dtype, expected, ARITHMETICS[inputs.dtype]
        )


def prove(source: CheckedFile, target: CheckedFile, written: Conversion) -> Proof:
    """Run both files in their frameworks, and measure the effect of the losses.

    Args:
        source: the source's file.
        target: the target's file.
        written: the conversion.

    Returns:
        Both verdicts, and the largest change of an output.
    """
    inputs = _inputs_of(target.truth)
    before, now = (
        evaluate(replace(inputs, params=params), lambda a: a)
        for params in (source.found.model.params, written.stored.params)
    )
    output_change = 0.0
    for name, e in target.truth.expected(inputs.dtype).items():
        allowed = np.maximum(bound(e, ARITHMETICS[inputs.dtype]), np.finfo(float).tiny)
        output_change = max(
            output_change, float(np.max(np.abs(now[name] - before[name]) / allowed))
        )
    return Proof(source.verdict(), target.verdict(), output_change)

"""A network from one kind of file to another: what is lost on the way, by the dialects alone, and what shows it.

    lossless      what is read back is the network that was written, number by number
    lossy         it is not; what is lost is said, and how far it moves the outputs
    impossible    no weights of the other framework are this network

Both files are then run by their frameworks on the same inputs, and held to the specification of the source.
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
from reference import STATES, Spec, Weights
from reference.rounding import ARITHMETICS
from reference.trees import each

BATCH, STEPS, LENGTHS = 5, 7, (7, 1, 4, 7, 3)
"""Of the inputs that are random_inputs where none are given."""


class Impossible(Exception):
    """The target contents no such network; the text is "<option>: <why>"."""


class Conversion(NamedTuple):
    """What is written, what the target contents of it, and what is lost."""

    model: Model
    held: Model
    losses: Sequence[str]

    @property
    def verdict(self) -> str:
        """In a word."""
        return "lossy" if self.losses else "lossless"


class Proof(NamedTuple):
    """How far each framework is from the specification, and how far what is lost moves that, in bounds."""

    source: Verdict
    target: Verdict
    moved: float

    @property
    def passes(self) -> bool:
        """Whether both agree."""
        return {self.source.outcome, self.target.outcome} == {"agrees"}


def convert_model(found: Model, target: Format, dtype: str) -> Conversion:
    """The network as the target contents it, in ``dtype``. Raises ``Impossible``."""
    model, losses = found, []
    if dtype != found.dtype:
        params = {name: rounded(a, dtype) for name, a in parameters_by_name(found).items()}
        beyond = [
            name for name, a in params.items() if (np.abs(a) > ARITHMETICS[dtype].largest).any()
        ]
        if beyond:
            raise Impossible(f"dtype: {beyond[0]} has numbers beyond {dtype}")
        model = build_model("", found.spec, params, dtype)
        losses = _rounded(found, model, f"parameters are rounded to {dtype}")
    if why := target.why_unsupported(model.spec, dtype):
        raise Impossible(why)
    held = _held(model, target, model.spec)
    if any(
        (np.abs(a) > ARITHMETICS[dtype].largest).any() for a in parameters_by_name(held).values()
    ):
        raise Impossible(f"dtype: its biases have sums beyond {dtype}")
    return Conversion(model, held, [*losses, *_lost(model, held, target)])


def _held(model: Model, target: Format, spec: Spec) -> Model:
    """The network that the target's blocks are, once they are rounded to the dtype: read as one of this spec."""
    cell = target.cell(spec)

    def kept(blocks: list[Block]) -> list[Block]:
        return [each(lambda a: rounded(a, model.dtype), block) for block in blocks]

    params = tuple(
        tuple(restored(spec, cell, spec.layer_input_size(layer), kept(blocks)) for blocks in row)
        for layer, row in enumerate(blocks_of(target, model))
    )
    return Model(spec, params, model.dtype)


def _lost(model: Model, held: Model, target: Format) -> list[str]:
    """What is not as it was, in words."""
    before, after = parameters_by_name(model), parameters_by_name(held)
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
            f"{target.name} has one bias: b_hh is added to b_ih, and cannot be told from it again"
        )
    why = "sums are rounded"
    if model.spec.forget_bias and target.cell(model.spec).forget_bias == "stored":
        why += f", with forget_bias={model.spec.forget_bias:g}, which {target.name} has in the bias"
    found += _rounded(_sums(model), _sums(held), why)
    return found or [f"{why}: no sum of two biases changes, but the biases do"]


def _sums(model: Model) -> Model:
    """With both biases in one, but a reset-after GRU's, where they are not alike."""

    def one(w: Weights) -> Weights:
        if w.b_ih is None or w.b_hh is None:
            return w
        apart = np.zeros(len(w.b_hh))
        if model.spec.cell == "gru" and model.spec.reset == "after":
            apart[-model.spec.hidden_size :] = w.b_hh[-model.spec.hidden_size :]
        return w._replace(b_ih=w.b_ih + (w.b_hh - apart), b_hh=apart)

    return model._replace(params=tuple(tuple(map(one, row)) for row in model.params))


def _rounded(before: Model, after: Model, what: str) -> list[str]:
    """``what``, with how many numbers, and how far at most; nothing where they are all the same."""
    pairs = [(a, parameters_by_name(after)[name]) for name, a in parameters_by_name(before).items()]
    off = [np.abs(a - b) for a, b in pairs]
    changed, total = (
        sum(int(n) for n in counts)
        for counts in zip(*((np.count_nonzero(o), o.size) for o in off), strict=True)
    )
    if not changed:
        return []
    return [
        f"{what}: {changed:,} of {total:,} change, by {max(float(o.max()) for o in off):.2g} at most"
    ]


def random_inputs(model: Model) -> Inputs:
    """Random inputs of the network: rows of unlike lengths, and initial states that are not 0."""
    spec = model.spec
    draws = Draws(f"port/{spec}", model.dtype)
    x = draws.uniform((BATCH, STEPS, spec.input_size), float(np.sqrt(3)))
    rows = (spec.num_layers * spec.num_directions, BATCH, spec.hidden_size)
    states = {f"{name}0": draws.uniform(rows, 1) for name in STATES[spec.cell]}
    return Inputs(
        spec=spec, dtype=model.dtype, params=model.params, lengths=np.array(LENGTHS),
        x=x if spec.batch_first else np.swapaxes(x, 0, 1), h0=states["h0"], c0=states.get("c0"),
    )  # fmt: skip


def drop_empty_rows(inputs: Inputs) -> Inputs:
    """Without rows of length 0, which not every framework runs."""
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
    """What the target's reader finds in what its writer wrote. Raises ``BadModel`` where that is anything else."""
    spec = written.model.spec
    given = (
        {}
        if target.name == "canonical"
        else {**target.unstored_fields(spec), "batch_first": spec.batch_first}
    )
    found = format_module(target).read(path, given, "")
    expected = _held(written.model, target, found.model.spec)
    have = parameters_by_name(found.model)
    for name, a in parameters_by_name(expected).items():
        if name not in have or not np.array_equal(have[name], a):
            raise BadModel(
                f"{path}: {name} is read otherwise than it was written, which is a fault of rnnspec"
            )
    return found


def inputs_of(t: Truth) -> Inputs:
    """Of a recurrent network, as all here are."""
    assert isinstance(t.inputs, Inputs)
    return t.inputs


class Side(NamedTuple):
    """A file, what was read from it, and the truth that it is held to."""

    path: Path
    format: Format
    found: LoadedModel
    truth: Truth

    def margin(self) -> Verdict:
        """What its framework makes of the truth's inputs, against the truth."""
        inputs = replace(inputs_of(self.truth), spec=self.found.model.spec)
        result = format_module(self.format).run(self.path, self.found, inputs)
        expected = self.truth.expected(inputs.dtype)
        return judge(
            result.tensors, result.dtypes, inputs.dtype, expected, ARITHMETICS[inputs.dtype]
        )


def prove(source: Side, target: Side, written: Conversion) -> Proof:
    """Both files, run by their frameworks; and how far what is lost moves what the source is."""
    inputs = inputs_of(target.truth)
    before, now = (
        evaluate(replace(inputs, params=params), lambda a: a)
        for params in (source.found.model.params, written.held.params)
    )
    moved = 0.0
    for name, e in target.truth.expected(inputs.dtype).items():
        allowed = np.maximum(bound(e, ARITHMETICS[inputs.dtype]), np.finfo(float).tiny)
        moved = max(moved, float(np.max(np.abs(now[name] - before[name]) / allowed)))
    return Proof(source.margin(), target.margin(), moved)

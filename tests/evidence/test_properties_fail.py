"""Every property can fail: for each, implementations with a mistake that it catches.

They are the specification with a mutant made (``evidence/mutants/``), or wrong in one method.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from fakes import TINY, ChangesItsInput, ForgetBiasIgnored, LengthsIgnored, Right, changed
from property_draws import assert_holds
from wrong_gradients import MeanForSum

from backends import Backend, Inputs, Result
from conformance.cases import by_id
from evidence.mutants import MUTANTS, apply_mutant
from evidence.properties import PROPERTIES, find_violation
from evidence.properties.examples import Subject
from reference import Array

EXAMPLES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


def mutated(name: str) -> type[Backend]:
    """The specification with the mistake of this name, of every cell that has it."""
    mutants = {m.cell: m for m in MUTANTS if m.name == name}

    class Mutated(Right):
        def compute(self, inputs: Any) -> dict[str, Array]:
            mutant = mutants.get("") or mutants.get(inputs.spec.cell)
            if mutant is None:
                return super().compute(inputs)
            with apply_mutant(mutant):
                return super().compute(inputs)

    assert mutants, f"no mutant is called {name!r}"
    Mutated.__name__ = name
    return Mutated


def ignores(option: str, change: Callable[[Inputs], Inputs]) -> type[Backend]:
    """An option that is accepted and ignored."""

    class Ignores(Right):
        def seen(self, inputs: Inputs) -> Inputs:
            return change(inputs)

    Ignores.__name__ = f"{option} ignored"
    return Ignores


def always(**options: Any) -> Callable[[Inputs], Inputs]:
    """The same spec options, whatever is asked for."""
    return lambda inputs: replace(inputs, spec=replace(inputs.spec, **options))


def with_bias_of_one(inputs: Inputs) -> Inputs:
    """Biases, whether asked for or not; the same ones."""
    params = tuple(
        tuple(w._replace(b_ih=np.ones(len(w.W_ih)), b_hh=np.ones(len(w.W_ih))) for w in layer)
        for layer in inputs.params
    )
    return replace(inputs, spec=replace(inputs.spec, bias=True), params=params)


class FirstLayerForAll(Right):
    """A backend that returns the first layer's result for every layer."""

    def compute(self, inputs: Inputs) -> dict[str, Array]:
        spec = inputs.spec
        only = replace(inputs, spec=replace(spec, num_layers=1), params=inputs.params[:1],
                       h0=None if inputs.h0 is None else inputs.h0[: spec.num_directions],
                       c0=None if inputs.c0 is None else inputs.c0[: spec.num_directions])  # fmt: skip
        found = super().compute(only)
        return {n: a if n == "y" else np.concatenate([a] * spec.num_layers)
                for n, a in found.items()}  # fmt: skip


class RandomLastBits(Right):
    """No two calls give the same last bits."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.random = np.random.default_rng(0)

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        h = result.tensors["h_n"]
        return changed(result, h_n=h * (1 + 2.0**-50 * self.random.random(h.shape)))


class LastLoadedWeights(Right):
    """A loaded network runs with the weights that were loaded last, whoever loaded them."""

    params: Any = None

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        self.params = inputs.params
        return lambda: self.compute(replace(inputs, params=self.params))


class StateKept(Right):
    """A second call starts from where the first one ended."""

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        kept: dict[str, Any] = {"h0": inputs.h0}

        def call() -> Any:
            found = self.compute(replace(inputs, **kept))
            kept["h0"] = found["h_n"].astype(np.float64)
            return found

        return call


class Gradients(Right):
    """Outputs are right; gradients are changed."""

    def change(self, d: Array) -> Array:
        raise NotImplementedError

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        found = {k: self.change(a) for k, a in result.tensors.items() if k.startswith("d")}
        return changed(result, **found)


class Clipped(Gradients):
    """No element of a gradient is above ½."""

    def change(self, d: Array) -> Array:
        return np.clip(d, -0.5, 0.5)


class ConstantAdded(Gradients):
    """Next to nothing is added to every gradient."""

    def change(self, d: Array) -> Array:
        return d + TINY


class ThousandthAdded(Gradients):
    """A thousandth is added to every gradient, as weight decay would."""

    def change(self, d: Array) -> Array:
        return d + 1e-3


class Divided(Gradients):
    """Gradients in units of the largest one."""

    def change(self, d: Array) -> Array:
        return d / np.abs(d).max(initial=TINY)


class Wrong(NamedTuple):
    """A property, and who breaks it."""

    name: str
    backend: type[Backend]

    def __str__(self) -> str:
        return f"{self.name}-{self.backend.__name__}"


ROWS = (
    Wrong("padding", LengthsIgnored),
    Wrong("padding", mutated("the padding read by the gradients of weights")),
    Wrong("padding of the incoming gradient", mutated("the padding's outputs have gradients")),
    Wrong("rows alone", mutated("the first row's initial state for all")),
    Wrong("rows alone", mutated("the mean over the batch for the sum")),
    Wrong("rows alone", MeanForSum),
    Wrong("rows permuted", mutated("lengths sorted, rows not")),
    Wrong("rows permuted", mutated("the first row's initial state for all")),
    Wrong("batch and time exchanged", mutated("time for batch where B = T")),
    Wrong("loaded again", RandomLastBits),
    Wrong("loaded again", ChangesItsInput),
    Wrong("called again", LastLoadedWeights),
    Wrong("called again", StateKept),
    Wrong("sequence split", mutated("h0 ignored")),
    Wrong("sequence split", mutated("the state before the last step for the final one")),
    Wrong("sequence split", mutated("final state at T")),
    Wrong("sequence split", mutated("the final state's gradient dropped")),
    Wrong("sequence split", mutated("dh0 0")),
    Wrong("directions alone", mutated("the directions' outputs exchanged")),
    Wrong("directions alone", mutated("the directions' initial states exchanged")),
    Wrong("directions alone", mutated("the reverse direction runs forward")),
    Wrong("directions alone", mutated("dx without the reverse direction")),
    Wrong("time reversed", mutated("outputs in processing order")),
    Wrong("time reversed", mutated("the mask not reversed with the input")),
    Wrong("layer by layer", mutated("the initial state of layer 0 for all")),
    Wrong("layer by layer", mutated("the next layer adds its input to its outputs")),
    Wrong("layer by layer", mutated("the final state's gradient of the last layer for all")),
    Wrong("gradients of a sum", Clipped),
    Wrong("gradients of a sum", ThousandthAdded),
    Wrong("gradients scaled", Divided),
    Wrong("gradients scaled", Clipped),
    Wrong("gradients of nothing", ConstantAdded),
    Wrong("option bias", ignores("bias", with_bias_of_one)),
    Wrong("option forget_bias", ForgetBiasIgnored),
    Wrong("option activation", ignores("activation", always(activation="tanh"))),
    Wrong("option reset", ignores("reset", always(reset="after"))),
    Wrong("option direction", ignores("direction", always(direction="forward"))),
    Wrong("option direction of two", mutated("the reverse direction runs forward")),
    Wrong("option num_layers", FirstLayerForAll),
    Wrong("option h0 and c0", ignores("state", lambda i: replace(i, h0=None, c0=None))),
    Wrong("option c0", mutated("c0 ignored")),
    Wrong("option lengths", LengthsIgnored),
)


def test_every_property_has_who_breaks_it() -> None:
    assert {row.name for row in ROWS} == PROPERTIES.keys()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_property_fails(row: Wrong) -> None:
    """A property fails on drawn examples, as for adapters: by its result, or by changed inputs."""
    subject = Subject(row.backend("cpu"), EXAMPLES)
    broken = rf"{row.backend.__name__} breaks the property '{row.name}'|changed its input arrays"
    with pytest.raises((AssertionError, RuntimeError), match=broken):
        assert_holds(subject, PROPERTIES[row.name], shrink=False)


def test_a_violation_is_told_in_full() -> None:
    case = "lstm/1-layer/forward/ragged/pad-large/state/bias/time-major/b5-t7-i4-h4/float32"
    found = find_violation(PROPERTIES["padding"], LengthsIgnored("cpu"), by_id(case), 3)
    first, *rest = found.splitlines()
    assert first == (
        "LengthsIgnored breaks the property 'padding' (equal): values of x past the lengths "
        "change no output, state or gradient"
    )
    tensors, told = rest[:-2], rest[-2:]
    assert [line.split("[")[0].strip() for line in tensors] == ["y", "h_n", "c_n"]
    element = r"  y\[\d, \d, \d\] \(batch row \d, step \d, unit \d\): "
    numbers = r"\S+ and \S+, \S+ apart: must be equal; \d+ of 140 elements of y are like this"
    assert re.fullmatch(element + numbers, tensors[0]), tensors[0]
    assert told == [
        f"  inputs   case {case}, draw 3",
        f"  repeat   find_violation(PROPERTIES['padding'], LengthsIgnored('cpu'), by_id('{case}'), 3)",
    ]

"""The properties of ``evidence/properties/``, of the specification and of every installed adapter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from property_draws import assert_holds

from backends import BACKENDS, Inputs, Unsupported, find
from backends.adapter import kind_of
from backends.dialects import SPECIFICATION
from conformance.cases import by_id
from conformance.draw import draw
from conformance.known_differences import KNOWN_FILE, read_known
from conformance.specification import Specification
from evidence.properties import PROPERTIES
from evidence.properties.examples import Subject, leaks_nan
from evidence.properties.violation import AdapterRunner

DEVICE = os.environ.get("RNNSPEC_DEVICE", "cpu")
"""The device on which adapters are opened; the specification needs none."""

KNOWN = read_known(KNOWN_FILE)
MODULES = {"tensorflow": "tensorflow", "pytorch": "torch", "jax": "jax"}

FEW: dict[str, Any] = {"sizes": ("b5-t5-i4-h6", "b1-t6-i5-h4")}
SHALLOW: dict[str, Any] = {"layers": ("1-layer", "2-layer"), **FEW}
EXAMPLES: dict[str, dict[str, Any]] = {
    "pytorch": {"examples": 30},
    "pytorch_cells": {"examples": 30},
    "jax_scan": {"examples": 12, **FEW},
    "tensorflow_dynamic_rnn": {"examples": 8, **SHALLOW},
}
FURTHER: dict[str, Any] = {"examples": 3, **SHALLOW}
"""Fewer examples for each further way to run a framework, since compiling takes nearly all of the time."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


def opened(name: str) -> Subject:
    """A new one for every test: tf_keras changes the class of cells that a ``tf.function`` holds when a
    Session makes some of its own, and a second trace then fails.
    """
    return Subject(find(name)(DEVICE), nan_leaks=leaks(name), **EXAMPLES.get(name, FURTHER))


def leaks(name: str) -> bool:
    """Return True if known.toml lists the leak; the cases with NaN check that entry."""
    return leaks_nan(name, KNOWN)


def test_a_known_leak_is_what_keeps_nan_out_of_the_examples() -> None:
    assert {name for name in BACKENDS if leaks(name)} == {
        "tensorflow_dynamic_rnn", "tensorflow_dynamic_rnn_function", "tensorflow_dynamic_rnn_xla",
        "tensorflow_static_rnn",
    }  # fmt: skip


class NarrowerThanItsCode(Specification):
    """Declares one layer alone, and computes any network that it is called with."""

    dialect = SPECIFICATION.only(num_layers=[1])


def test_inputs_that_the_dialect_does_not_run_are_refused_before_the_backend_is_called() -> None:
    one, two = (
        draw(
            by_id(
                f"lstm/{n}-layer/forward/ragged/pad-nan/state/bias/batch-major/b5-t5-i4-h6/float64"
            )
        )
        for n in (1, 2)
    )
    assert isinstance(one, Inputs)
    assert isinstance(two, Inputs)
    runner = AdapterRunner(NarrowerThanItsCode("cpu"))
    assert runner.run(one)
    for call in (
        lambda: runner.run(two),
        lambda: runner.run_again(two, one),
        lambda: runner.run_again(one, two),
    ):
        with pytest.raises(Unsupported, match="num_layers"):
            call()


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_specification_has_the_property(name: str) -> None:
    assert_holds(Subject(Specification("cpu"), 100), PROPERTIES[name])


@pytest.mark.filterwarnings("ignore")  # the frameworks' own
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROPERTIES)
def test_an_adapter_has_the_property(backend: str, name: str) -> None:
    extra = BACKENDS[backend].extra
    pytest.importorskip(MODULES[extra], reason=f"{extra} is not installed here")
    if kind_of(DEVICE) not in BACKENDS[backend].dialect.arithmetic:
        pytest.skip(f"{backend} runs on {', '.join(BACKENDS[backend].dialect.arithmetic)} alone")
    assert_holds(opened(backend), PROPERTIES[name])

"""An option that no dialect declares is refused by every backend, by name, without running it."""

from __future__ import annotations

import copy
import re
from collections import namedtuple
from collections.abc import Callable
from dataclasses import field, fields, make_dataclass, replace
from typing import Any

import numpy as np
import pytest

import reference
from backends import BACKENDS, AnyInputs, Backend, Inputs, NetworkInputs
from backends.adapter import refusal
from backends.dialects import Dialect
from backends.options import ANY
from conformance.cases import by_id
from conformance.check import apply_training_dialect, check_against
from conformance.draw import digest, draw
from conformance.open_backend import OpenBackend
from conformance.truth import Truth
from formats import FORMATS
from reference import Spec
from reference.networks.layers import Decoder

BARE = by_id("lstm-forget/1-layer/forward/full/pad-none/state/bias/batch-major/b5-t5-i4-h6/float32")
NETWORK = by_id("tutorial/004-encoder-decoder/initial-state/teacher/float32")
TRAINING = by_id("training/characters/adam/float32")
"""Cases that every backend runs."""


def extended(holder: Any, name: str, default: Any, value: Any) -> Any:
    """Return a copy of a dataclass or a named tuple whose class has one field more."""
    cls = type(holder)
    if isinstance(holder, tuple):
        more = namedtuple(cls.__name__, (*cls._fields, name), defaults=(default,))  # type: ignore[attr-defined, misc]
        return more(*holder, value)
    more = make_dataclass(
        cls.__name__, [(name, Any, field(default=default))], bases=(cls,), frozen=True, kw_only=True
    )
    return more(**{f.name: getattr(holder, f.name) for f in fields(holder)}, **{name: value})


def forced(holder: Any, name: str, value: Any) -> Any:
    """Return a copy of a dataclass with a value that its own check would refuse."""
    changed = copy.copy(holder)
    object.__setattr__(changed, name, value)
    return changed


def with_spec(change: Callable[[Spec], Spec]) -> Callable[[Inputs], Inputs]:
    return lambda inputs: replace(inputs, spec=change(inputs.spec))


def with_layer(
    kind: type, change: Callable[[Any], Any]
) -> Callable[[NetworkInputs], NetworkInputs]:
    def changed(inputs: NetworkInputs) -> NetworkInputs:
        layers = [change(layer) if isinstance(layer, kind) else layer for layer in inputs.network]
        assert layers != list(inputs.network), f"no {kind.__name__} in the network"
        return replace(inputs, network=tuple(layers))

    return changed


class Attention:
    """A layer that no framework has."""

    _fields = ()


UNKNOWN: dict[str, tuple[Any, Callable[[Any], AnyInputs], str]] = {
    "an option of the spec": (
        BARE, with_spec(lambda s: extended(s, "peepholes", False, True)), "peepholes: True given"),
    "an option of the spec with a string": (
        BARE, with_spec(lambda s: extended(s, "merge", "concat", "sum")), "merge: 'sum' given"),
    "a value of an option of all cells": (
        BARE, with_spec(lambda s: forced(s, "direction", "inward")), "direction: .*, not inward"),
    "a value of an option of another cell": (
        BARE, with_spec(lambda s: forced(s, "activation", "gelu")), "activation: 'gelu' given"),
    "a value of the bias": (BARE, with_spec(lambda s: forced(s, "bias", "input")),
                            "bias: it runs True or False, not input"),
    "a cell": (BARE, with_spec(lambda s: forced(s, "cell", "qrnn")), "cell: it has no qrnn cell"),
    "an input array": (BARE, lambda i: extended(i, "mask", None, np.ones((5, 5), bool)),
                       r"Inputs\.mask: "),
    "an option of the inputs": (BARE, lambda i: extended(i, "stateful", False, True),
                                r"Inputs\.stateful: True"),
    "an option of a spec in a network": (
        NETWORK,
        with_layer(Decoder, lambda d: replace(d, spec=extended(d.spec, "peepholes", False, True))),
        "peepholes: True given"),
    "an option of a layer": (
        NETWORK, with_layer(Decoder, lambda d: extended(d, "attention", "none", "dot")),
        r"Decoder\.attention: 'dot' given"),
    "a value of an option of a layer": (
        NETWORK, with_layer(Decoder, lambda d: forced(d, "words", "beam")),
        r"Decoder\.words: .*, not beam"),
    "a layer": (NETWORK, lambda i: replace(i, network=(*i.network, Attention())),
                "Attention: .*, not Attention"),
    "an array of a network's data": (
        NETWORK, lambda i: replace(i, data=extended(i.data, "mask", None, np.ones(3))),
        r"Data\.mask: "),
    "an array of a batch of training": (
        TRAINING, lambda i: replace(i, batches=(*i.batches[:-1], extended(
            i.batches[-1], "mask", None, np.ones(3)))), r"Data\.mask: "),
    "an option of an optimiser": (
        TRAINING, lambda i: replace(i, optimiser=extended(i.optimiser, "decay", 0.0, 0.1)),
        r"Adam\.decay: 0\.1 given"),
    "an option of clipping": (
        TRAINING, lambda i: replace(i, clip=extended(i.clip, "by", "norm", "value")),
        r"Clip\.by: 'value' given"),
    "an option of training": (TRAINING, lambda i: extended(i, "shuffle", False, True),
                              r"TrainingInputs\.shuffle: True"),
}  # fmt: skip
"""Options that no dialect declares: a case, the option that is added, and the refusal."""

DEFAULTS: dict[str, tuple[Any, Callable[[Any], AnyInputs]]] = {
    "spec": (BARE, with_spec(lambda s: extended(s, "peepholes", False, False))),
    "inputs": (BARE, lambda i: extended(i, "mask", None, None)),
    "layer": (NETWORK, with_layer(Decoder, lambda d: extended(d, "attention", "none", "none"))),
    "data": (NETWORK, lambda i: replace(i, data=extended(i.data, "mask", None, None))),
    "optimiser": (
        TRAINING, lambda i: replace(i, optimiser=extended(i.optimiser, "decay", 0.0, 0.0))),
}  # fmt: skip
"""Options that no dialect declares, with their defaults."""


def inputs_for(case: Any, dialect: Dialect) -> Any:
    return apply_training_dialect(draw(case), dialect)


def open_fake(name: str) -> OpenBackend:
    """A backend with a listed one's dialect whose every run fails the test."""

    class Fake(Backend):
        dialect = BACKENDS[name].dialect

        def __init__(self, device: str) -> None:
            super().__init__(device)
            self.settings = self.framework_defaults = {}

        def load(self, inputs: Inputs) -> Any:
            pytest.fail(f"{name} was run on an option that it does not declare")

        def fetch(self, inputs: Any, raw: Any = None) -> Any:
            pytest.fail(f"{name} was run on an option that it does not declare")

        def ran(self, inputs: AnyInputs) -> str:
            pytest.fail(f"{name} was run on an option that it does not declare")

        run_network = train = fetch

    device = next(iter(Fake.dialect.arithmetic))
    return OpenBackend(name, device, Fake(device))


@pytest.mark.parametrize("option", UNKNOWN)
@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_refuses_an_unknown_option_without_running(name: str, option: str) -> None:
    case, add, message = UNKNOWN[option]
    backend = open_fake(name)
    inputs = add(inputs_for(case, backend.adapter.dialect))
    t = Truth(inputs, digest(inputs), {}, lambda _: {})
    record = check_against(case, backend, t, t.version, 0.0)
    assert record.outcome == "unsupported", record.reason
    assert re.match(message, record.reason), f"{record.reason!r}, expected one like {message!r}"


@pytest.mark.parametrize("option", DEFAULTS)
@pytest.mark.parametrize("name", BACKENDS)
def test_an_unknown_option_that_has_its_default_runs(name: str, option: str) -> None:
    case, add = DEFAULTS[option]
    dialect = BACKENDS[name].dialect
    assert refusal(dialect, add(inputs_for(case, dialect)), next(iter(dialect.arithmetic))) is None


def declaring(dialect: Dialect) -> Dialect:
    """The dialect, with an option that no file knows."""
    cells = {
        name: replace(cell, options={**cell.options, "peepholes": ANY})
        for name, cell in dialect.cells.items()
    }
    return replace(dialect, cells=cells)


@pytest.mark.parametrize("name", FORMATS)
def test_no_file_holds_an_option_that_its_format_does_not_know(name: str) -> None:
    kind = FORMATS[name]
    cells = declaring(replace(BACKENDS["pytorch"].dialect, cells=kind.cells)).cells
    spec = Spec(cell="lstm", input_size=2, hidden_size=3)
    with_option = extended(spec, "peepholes", False, True)
    for f in (kind, kind._replace(cells=cells)):
        why = f.why_unsupported(with_option, "float32")
        assert why is not None
        assert why.startswith("peepholes: True given")
        assert f.why_unsupported(extended(spec, "peepholes", False, False), "float32") is None


def test_the_reference_refuses_a_spec_with_an_option_that_it_has_no_equations_for() -> None:
    inputs = UNKNOWN["an option of the spec"][1](draw(BARE))
    assert isinstance(inputs, Inputs)
    with pytest.raises(ValueError, match=r"^spec: a subclass Spec given, expected a plain Spec"):
        reference.run(inputs.spec, inputs.params, inputs.x)

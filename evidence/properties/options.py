"""Properties of options: on or off, an option must change the results; else it is accepted and ignored.

They are checked only in float64 and float32, since 16-bit bounds may be wider than the change, and only on
results with so many elements that a relu cannot hide all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backends import Inputs
from conformance.cases import CELLS, Row
from evidence.properties.property import Property, Runner, Sides, SidesFunction
from evidence.properties.related import only_outputs, single_layer

WIDE = {"dtype": ("float64", "float32"), "size": ("b5-t5-i4-h6", "b5-t7-i4-h4")}


def _with_spec(**options: Any) -> Callable[[Inputs], Inputs]:
    """Return a function that changes the options of a spec."""
    return lambda inputs: replace(inputs, spec=replace(inputs.spec, **options))


def _without_bias(inputs: Inputs) -> Inputs:
    """Return the inputs without biases."""
    params = tuple(
        tuple(w._replace(b_ih=None, b_hh=None) for w in layer) for layer in inputs.params
    )
    return replace(inputs, spec=replace(inputs.spec, bias=False), params=params)


def _against(change: Callable[[Inputs], Inputs]) -> SidesFunction:
    """Return the two sides of an option: the inputs, and the changed inputs."""
    return lambda inputs, runner: (runner.run(inputs), runner.run(change(inputs)))


def _first_layer_alone(inputs: Inputs, runner: Runner) -> Sides:
    """Compare the whole stack's outputs and last states with those of its first layer alone."""
    count = inputs.spec.num_directions
    whole = runner.run(inputs)
    last = {name: a if name == "y" else a[-count:] for name, a in whole.items()}
    return last, runner.run(single_layer(inputs, 0, inputs.x, None))


def _second_direction_as_first(inputs: Inputs, runner: Runner) -> Sides:
    """Compare both directions of one layer that have the same weights."""
    ((ahead, _),) = inputs.params
    found = runner.run(replace(inputs, params=((ahead, ahead),)))
    size = inputs.spec.state_size("h")
    states = {name: a for name, a in only_outputs(found).items() if name != "y"}
    return (
        {name: a[:1] for name, a in states.items()} | {"y": found["y"][..., :size]},
        {name: a[1:] for name, a in states.items()} | {"y": found["y"][..., size:]},
    )


def _option(
    name: str, sides: SidesFunction, needs: Row | None = None, **where: tuple[str, ...]
) -> Property:
    """Make the property of one option, and where it affects the results."""
    return Property(
        name=f"option {name}",
        sentence=f"{name} changes outputs and states when it is given or left out",
        sides=sides,
        relation="differs",
        where={**WIDE, **where},
        gradients=(False,),
        needs=needs or {},
    )


OPTIONS = (
    _option("bias", _against(_without_bias), bias=("bias",)),
    _option("forget_bias", _against(_with_spec(forget_bias=0.0)), cell=("lstm-forget",)),
    _option("activation", _against(_with_spec(activation="tanh")), cell=("vanilla-relu",)),
    _option("reset", _against(_with_spec(reset="before")), {"cell": "gru-before"}, cell=("gru-after",)),
    _option("direction", _against(_with_spec(direction="forward")), direction=("reverse",)),
    _option("direction of two", _second_direction_as_first, direction=("bidirectional",),
           layers=("1-layer",), state=("no-state",)),
    _option("num_layers", _first_layer_alone, layers=("2-layer",)),
    _option("h0 and c0", _against(lambda inputs: replace(inputs, h0=None, c0=None)), state=("state",)),
    _option("c0", _against(lambda inputs: replace(inputs, c0=None)), state=("state",), cell=("lstm",)),
    _option("lengths", _against(lambda inputs: replace(inputs, lengths=None)), lengths=("short",),
           padding=("pad-zero",), bias=("bias",), cell=tuple(c for c in CELLS if c != "vanilla-relu")),
)  # fmt: skip
"""The properties of the options.

Lengths are checked only where biases keep changing the state in a padding of zeros: not for a relu, whose
units may all be off there, and not in a padding of large numbers, where all of a GRU may keep its
state. ``batch_first`` is among the invariances, since it must not change the values that it moves.
"""

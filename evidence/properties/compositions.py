"""Properties of parts: a batch and its rows, a sequence and its halves, a network and its directions and layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends import Inputs
from conformance.evaluate import Tensors
from evidence.properties.property import Property, Runner, Sides
from evidence.properties.related import (
    BY_STEP,
    SEVERAL_ROWS,
    SEVERAL_STEPS,
    batch_size,
    make_random,
    num_steps,
    rename_tensors,
    reverse_in_time,
    reverse_tensors,
    row_axis,
    row_lengths,
    select_rows,
    select_steps,
    single_direction,
    single_layer,
)
from reference import Array, Output


def _rows_alone(inputs: Inputs, runner: Runner) -> Sides:
    """Run every row as a batch of its own; the gradients of parameters add up over them."""
    whole = runner.run(inputs)
    alone = [runner.run(select_rows(inputs, np.array([row]))) for row in range(batch_size(inputs))]
    joined = {}
    for name in whole:
        parts = [found[name] for found in alone]
        if name.startswith("dparams"):
            joined[name] = np.sum(parts, axis=0)
        else:
            joined[name] = np.concatenate(parts, row_axis(inputs.spec, name))
    return whole, joined


def _split(inputs: Inputs, runner: Runner) -> Sides:
    """Run the sequence in two parts; states go from the first part to the second, their gradients back."""
    at = int(
        make_random(inputs).integers(1, row_lengths(inputs).max())
    )  # some row has steps on both sides
    first, second = select_steps(inputs, 0, at), select_steps(inputs, at, num_steps(inputs))
    start = runner.run(replace(first, incoming=None))
    end = runner.run(replace(second, h0=start["h_n"], c0=start.get("c_n")))
    if first.incoming is not None:
        d = Output(first.incoming.y, end["dh0"], end.get("dc0"))
        start = runner.run(replace(first, incoming=d))
    steps = 1 - row_axis(inputs.spec, "y")
    joined = {name: a for name, a in start.items() if name in ("dh0", "dc0")}
    for name, a in end.items():
        if name in BY_STEP:
            joined[name] = np.concatenate([start[name], a], axis=steps)
        elif name in ("h_n", "c_n"):
            joined[name] = a
        elif name.startswith("dparams"):
            joined[name] = start[name] + a
    return runner.run(inputs), joined


def _directions_alone(inputs: Inputs, runner: Runner) -> Sides:
    """Run a forward network for each direction, the second on rows reversed in time."""
    ahead = runner.run(single_direction(inputs, 0))
    back = reverse_tensors(inputs, runner.run(reverse_in_time(single_direction(inputs, 1))))
    second = rename_tensors(back, "dparams[0][0]", "dparams[0][1]")
    joined = {}
    for name, a in ahead.items():
        if name == "dx":
            joined[name] = a + back[name]
        elif name.startswith("dparams"):
            joined[name] = a
        else:
            joined[name] = np.concatenate([a, back[name]], -1 if name == "y" else 0)
    return runner.run(inputs), {k: a for k, a in second.items() if k.startswith("dparams")} | joined


def _forward_on_reversed(inputs: Inputs, runner: Runner) -> Sides:
    """Run the network forward on reversed rows, and reverse its outputs."""
    forward = replace(inputs, spec=replace(inputs.spec, direction="forward"))
    found = runner.run(reverse_in_time(forward))
    return runner.run(inputs), reverse_tensors(inputs, found)


def _layer_by_layer(inputs: Inputs, runner: Runner) -> Sides:
    """Run every layer as a network of its own on the outputs of the one before; gradients go back likewise."""
    xs, passed = [inputs.x], []
    for layer in range(inputs.spec.num_layers):
        passed.append(runner.run(single_layer(inputs, layer, xs[-1], None)))
        xs.append(passed[-1]["y"])
    names = [name for name in ("h_n", "c_n") if name in passed[0]]
    joined = {"y": xs[-1]} | {name: np.concatenate([p[name] for p in passed]) for name in names}
    if inputs.incoming is not None:
        joined |= _back(inputs, xs, runner)
    return runner.run(inputs), joined


def _back(inputs: Inputs, xs: list[Array], runner: Runner) -> Tensors:
    """Return the gradients of all layers, from the last one to the first."""
    assert inputs.incoming is not None
    dy, d_h, d_c = inputs.incoming
    count = inputs.spec.num_directions
    found: list[Tensors] = []
    for layer in reversed(range(inputs.spec.num_layers)):
        mine = slice(layer * count, (layer + 1) * count)
        d = Output(dy, d_h[mine], None if d_c is None else d_c[mine])
        got = runner.run(single_layer(inputs, layer, xs[layer], d))
        found.insert(0, rename_tensors(got, "dparams[0]", f"dparams[{layer}]"))
        dy = got["dx"]
    joined = {"dx": found[0]["dx"]}
    for name in ("dh0", "dc0"):
        if name in found[0]:
            joined[name] = np.concatenate([tensors[name] for tensors in found])
    return joined | {n: a for part in found for n, a in part.items() if n.startswith("dparams")}


COMPOSITIONS = (
    Property(
        name="rows alone",
        sentence="a batch gives the results of its single rows, and the sum of their parameters' gradients",
        sides=_rows_alone, relation="within", where={"size": SEVERAL_ROWS},
    ),
    Property(
        name="sequence split",
        sentence="a sequence gives the results of its two parts, with the state carried forward and its gradient back",
        sides=_split, relation="chained",
        where={"direction": ("forward",), "size": SEVERAL_STEPS},
    ),
    Property(
        name="directions alone",
        sentence="a bidirectional layer is two forward layers, the second on rows reversed in time",
        sides=_directions_alone, relation="within",
        where={"direction": ("bidirectional",), "layers": ("1-layer",)},
    ),
    Property(
        name="time reversed",
        sentence="a reverse network is a forward one on rows reversed in time, with its outputs reversed",
        sides=_forward_on_reversed, relation="within", where={"direction": ("reverse",)},
    ),
    Property(
        name="layer by layer",
        sentence="a stack gives the results of its layers run one after the other, forward and back",
        sides=_layer_by_layer, relation="chained", where={"layers": ("2-layer", "3-layer")},
    ),
)  # fmt: skip

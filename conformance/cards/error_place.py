"""Say in words where the errors of a wrong result lie: the padding, one layer, one direction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from backends import AnyInputs, Inputs
from reference import Array

OUTPUTS = ("y", "h_n", "c_n")
DIRECTIONS = {
    "forward": ("forward",),
    "reverse": ("reverse",),
    "bidirectional": ("forward", "reverse"),
}
"""The direction of each part of a layer."""

_PARAMETER = re.compile(r"d?params\[(\d+)\](?:\[(\d+)\])?")


class _Place(NamedTuple):
    """The layer, direction, batch row and step of a wrong element; None for those that it does not have."""

    layer: int | None
    direction: int | None
    row: int | None = None
    step: int | None = None


def describe_place(inputs: AnyInputs, wrong: Mapping[str, Array]) -> str:
    """Say where the errors lie.

    Wrong outputs make gradients wrong too, so gradients count only if all outputs are right.

    Args:
        inputs: the inputs of the case.
        wrong: the mask of the elements that are wrong, by tensor.

    Returns:
        A text such as ``only in the reverse direction``; empty if the errors lie in no single part.

    """
    wrong = {name: mask for name, mask in wrong.items() if mask.any()}
    wrong = {name: wrong[name] for name in OUTPUTS if name in wrong} or wrong
    if not isinstance(inputs, Inputs):
        layers = {found and found[1] for found in map(_PARAMETER.match, wrong)}
        return f"only in the parameters of layer {layers.pop()}" if _is_one(layers) else ""
    places = {place for name, mask in wrong.items() for place in _places(inputs, name, mask)}
    if not places:
        return ""
    words = _in_rows(inputs, places)
    if not words.startswith("only in the padding"):
        words = ", ".join(filter(None, [_in_layers(inputs, places, wrong), words]))
    return words


def _is_one(values: set[str | None]) -> bool:
    return len(values) == 1 and None not in values


def _places(inputs: Inputs, name: str, mask: Array) -> Iterator[_Place]:
    """Yield the place of every wrong element."""
    spec = inputs.spec
    if found := _PARAMETER.match(name):
        yield _Place(int(found[1]), int(found[2]))
        return
    for a, b, unit in np.argwhere(mask).tolist():
        if name not in ("y", "dx"):
            yield _Place(*divmod(a, spec.num_directions), row=b)
            continue
        row, step = (a, b) if spec.batch_first else (b, a)
        if name == "dx":
            yield _Place(None, None, row, step)
        else:
            yield _Place(spec.num_layers - 1, unit // spec.state_size("h"), row, step)


def _in_rows(inputs: Inputs, places: set[_Place]) -> str:
    """Say if all errors lie in the padding, in empty rows, or in rows that have padding."""
    if inputs.lengths is None or any(place.row is None for place in places):
        return ""
    steps = inputs.x.shape[1 if inputs.spec.batch_first else 0]
    lengths = inputs.lengths.tolist()
    if all(p.step is not None and p.row is not None and p.step >= lengths[p.row] for p in places):
        return "only in the padding: at steps past the length of their row"
    ends = [lengths[place.row] for place in places if place.row is not None]
    if not any(ends):
        return "only in rows of length 0"
    return "only in rows that have padding" if max(ends) < steps <= max(lengths) else ""


def _in_layers(inputs: Inputs, places: set[_Place], wrong: Mapping[str, Array]) -> str:
    """Say if all errors, or those of the first wrong layer, lie in one layer or direction."""
    spec = inputs.spec
    layers = {place.layer for place in places if place.layer is not None}
    if not layers or any(place.layer is None for place in places):
        return ""
    first, last = min(layers), spec.num_layers - 1
    outputs = wrong.keys() <= set(OUTPUTS)
    words = []
    if last and len(layers) == 1:
        words.append(f"only in layer {first} of layers 0 to {last}")
    elif first and outputs:
        words.append(f"from layer {first} on, of layers 0 to {last}")
    everywhere = {place.direction for place in places}
    start = {place.direction for place in places if place.layer == first}
    if spec.num_directions == 2 and len(everywhere) == 1:
        words.append(f"only in the {_name(inputs, everywhere)} direction")
    elif spec.num_directions == 2 and len(start) == 1 and outputs:
        words.append(
            f"in layer {first} only in the {_name(inputs, start)} direction, which later layers read"
        )
    return ", ".join(words)


def _name(inputs: Inputs, directions: set[int | None]) -> str:
    (k,) = directions
    assert k is not None  # a place with a layer has a direction
    return DIRECTIONS[inputs.spec.direction][k]

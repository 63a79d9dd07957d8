"""A tree of Flax linen's parameters, as ``flax.serialization.to_bytes`` writes it: ``params/LSTMCell_0/hi/kernel``.

Cells stand in the order in which their modules were made; of two directions the forward one first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flax import linen as nn
from flax.serialization import msgpack_restore, msgpack_serialize

from backends.adapter import Inputs, Result
from backends.layouts import Block
from formats import FORMATS
from formats.assemble import (
    LoadedModel,
    Stored,
    assemble,
    blocks_of,
    check_numbering,
    common_dtype,
    has_prefix,
    layers_by_name,
    layers_by_size,
    natural_key,
    require_found,
)
from formats.batches import Batch
from formats.jax_layers import Way, run_layers
from formats.model import BadModel, Model
from reference import Array

FORMAT = FORMATS["flax"]
CLASSES = {"vanilla": nn.SimpleCell, "gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}
PLACES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "vanilla": (("i/kernel", "h/kernel", "i/bias", ""),),
    "gru": (
        ("ir/kernel", "hr/kernel", "ir/bias", ""),
        ("iz/kernel", "hz/kernel", "iz/bias", ""),
        ("in/kernel", "hn/kernel", "in/bias", "hn/bias"),
    ),
    "lstm": tuple((f"i{g}/kernel", f"h{g}/kernel", f"h{g}/bias", "") for g in "ifgo"),
}
"""Where the parts of every block stand in a cell's tree, in the order of a ``Block``."""
WHOLE = {cell: {p for block in blocks for p in block if p} for cell, blocks in PLACES.items()}
"""All parts of a cell."""
WAYS = ("forward_rnn", "backward_rnn")
"""What ``nn.Bidirectional`` calls its directions where it is not called in an ``nn.compact`` method."""


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """The one stack of cells in a tree."""
    where = str(path)
    try:
        tree = msgpack_restore(path.read_bytes())
    except Exception as why:  # msgpack's errors have no base of their own
        raise BadModel(
            f"{where}: {why}; expected a tree as flax.serialization.to_bytes writes it"
        ) from why
    leaves = dict(_leaves(tree, ""))
    by_cell: dict[str, set[str]] = {}
    for name, leaf in leaves.items():
        place, _, last = name.rpartition("/")
        place, _, above = place.rpartition("/")
        if isinstance(leaf, np.ndarray) and has_prefix(place, part):
            by_cell.setdefault(place, set()).add(f"{above}/{last}")
    cells = []
    for place in sorted(by_cell, key=lambda place: natural_key(place.split("/"))):
        for cell, parts in WHOLE.items():
            if parts == by_cell[place]:
                cells.append(_stored(where, place, cell, leaves))
            elif parts < by_cell[place]:
                more = min(by_cell[place] - parts)
                raise BadModel(
                    f"{where}: {place}/{more} given, expected a {cell} cell's {', '.join(sorted(parts))} alone"
                )
    require_found(where, cells, FORMAT.contents)
    used = {f"{s.place}/{p}".lstrip("/") for s in cells for p in WHOLE[s.cell]}
    dtype = common_dtype(where, {name: leaves[name].dtype.name for name in sorted(used)})
    left = sorted(leaves.keys() - used)
    if any({*WAYS} & {*s.place.split("/")} for s in cells):
        rows = layers_by_name(where, cells, *WAYS, part)
    else:
        check_numbering(where, [tuple(s.place.split("/")) for s in cells], [s.place for s in cells])
        rows = layers_by_size(where, cells, given)
    return assemble(where, FORMAT, rows, dtype, given=given, ignored=left)


def _leaves(tree: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(tree, Mapping):
        yield place, tree
        return
    for name, below in tree.items():
        yield from _leaves(below, f"{place}/{name}".lstrip("/"))


def _stored(where: str, place: str, cell: str, leaves: Mapping[str, Array]) -> Stored:
    def at(part: str) -> Array | None:
        return leaves[f"{place}/{part}".lstrip("/")] if part else None

    blocks = [Block(*map(at, parts)) for parts in PLACES[cell]]  # type: ignore[arg-type]  # a kernel is there
    kernel = blocks[0].kernel
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise BadModel(
            f"{where}: {place}: a kernel of shape {kernel.shape} given, expected (inputs, units)"
        )
    inputs, units = kernel.shape
    return Stored(place, cell, inputs, units, blocks)


def tree_of(cell: str, blocks: list[Block], dtype: str) -> dict[str, Any]:
    """A cell's parameters as it keeps them."""
    found: dict[str, Any] = {}
    for parts, block in zip(PLACES[cell], blocks, strict=True):
        for part, a in zip(parts, block, strict=True):
            if part:
                outer, inner = part.split("/")
                found.setdefault(outer, {})[inner] = np.ascontiguousarray(a, dtype)
    return found


def write(path: Path, model: Model) -> None:
    """The parameters of the module of ``loader``."""
    name = CLASSES[model.spec.cell].__name__
    cells = [blocks for row in blocks_of(FORMAT, model) for blocks in row]
    params = {f"{name}_{k}": tree_of(model.spec.cell, b, model.dtype) for k, b in enumerate(cells)}
    path.write_bytes(msgpack_serialize({"params": params}))


def loader(model: Model) -> str:
    """The modules with the file's weights."""
    spec = model.spec
    cell = f"nn.RNN(nn.{CLASSES[spec.cell].__name__}({spec.hidden_size}))"
    if spec.direction == "bidirectional":
        cell = f"nn.Bidirectional({cell}, {cell})"
    read = "variables = flax.serialization.msgpack_restore(open(FILE, 'rb').read())"
    return f"{read}\n# of an nn.compact module that calls {spec.num_layers} × {cell}"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """``nn.RNN`` over each cell, whose parameters are those of the file."""
    spec = found.model.spec
    make = partial(
        CLASSES[spec.cell], spec.hidden_size, dtype=inputs.dtype, param_dtype=inputs.dtype
    )
    if spec.cell == "vanilla":
        make = partial(make, activation_fn={"tanh": nn.tanh, "relu": nn.relu}[spec.activation])

    def way(batch: Batch) -> Way:
        def call(layer: int, k: int, reverse: bool, x: Any, states: Any, lengths: Any) -> Any:
            rnn = nn.RNN(make(), return_carry=True, reverse=reverse, keep_order=True)
            tree = tree_of(spec.cell, found.rows[layer][k].blocks, inputs.dtype)
            held = (states[1], states[0]) if spec.cell == "lstm" else states[0]
            carry, y = rnn.apply(
                {"params": {"cell": tree}}, x, initial_carry=held, seq_lengths=lengths
            )
            return y, ((carry[1], carry[0]) if spec.cell == "lstm" else (carry,))

        return call

    return run_layers(found, inputs, way)

"""Trees of Flax linen parameters, as ``flax.serialization.to_bytes`` writes them: ``params/LSTMCell_0/hi/kernel``.

Cells are numbered in the order in which their modules were made; the forward direction comes first.
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
    StoredCell,
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
from formats.jax_layers import RunDirection, run_layers
from formats.model import BadModel, Model
from reference import Array

FORMAT = FORMATS["flax"]
CLASSES = {"vanilla": nn.SimpleCell, "gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}
PARTS: dict[str, tuple[dict[str, str], ...]] = {
    "vanilla": ({"kernel": "i/kernel", "recurrent": "h/kernel", "bias": "i/bias"},),
    "gru": (
        {"kernel": "ir/kernel", "recurrent": "hr/kernel", "bias": "ir/bias"},
        {"kernel": "iz/kernel", "recurrent": "hz/kernel", "bias": "iz/bias"},
        {"kernel": "in/kernel", "recurrent": "hn/kernel", "bias": "in/bias",
         "recurrent_bias": "hn/bias"},
    ),
    "lstm": tuple(
        {"kernel": f"i{g}/kernel", "recurrent": f"h{g}/kernel", "bias": f"h{g}/bias"} for g in "ifgo"
    ),
}  # fmt: skip
"""Location of each part of each ``Block`` in a cell's tree, by role."""
ALL_PARTS = {
    cell: {p for block in blocks for p in block.values()} for cell, blocks in PARTS.items()
}
"""Locations of all arrays of a cell."""
DIRECTION_SCOPES = ("forward_rnn", "backward_rnn")
"""Names of the directions of ``nn.Bidirectional`` outside an ``nn.compact`` method."""


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the one stack of cells in a tree.

    Args:
        path: the file.
        given: fields of the spec that the user states.
        part: prefix of the names of the network's parameters; empty for a file with one network.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network.
    """
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
        for cell, parts in ALL_PARTS.items():
            if parts == by_cell[place]:
                cells.append(_stored(where, place, cell, leaves))
            elif parts < by_cell[place]:
                more = min(by_cell[place] - parts)
                raise BadModel(
                    f"{where}: {place}/{more} given, expected only {', '.join(sorted(parts))} in a {cell} cell"
                )
    require_found(where, cells, FORMAT.contents)
    used = {f"{s.place}/{p}".lstrip("/") for s in cells for p in ALL_PARTS[s.cell]}
    dtype = common_dtype(where, {name: leaves[name].dtype.name for name in sorted(used)})
    left = sorted(leaves.keys() - used)
    if any({*DIRECTION_SCOPES} & {*s.place.split("/")} for s in cells):
        rows = layers_by_name(where, cells, *DIRECTION_SCOPES, part)
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


def _stored(where: str, place: str, cell: str, leaves: Mapping[str, Array]) -> StoredCell:
    blocks = [
        Block(**{role: leaves[f"{place}/{part}".lstrip("/")] for role, part in parts.items()})
        for parts in PARTS[cell]
    ]
    kernel = blocks[0].kernel
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise BadModel(
            f"{where}: {place}: a kernel of shape {kernel.shape} given, expected (inputs, units)"
        )
    inputs, units = kernel.shape
    return StoredCell(place, cell, inputs, units, blocks)


def _cell_tree(cell: str, blocks: list[Block], dtype: str) -> dict[str, Any]:
    """Return the tree of a cell's parameters."""
    found: dict[str, Any] = {}
    for parts, block in zip(PARTS[cell], blocks, strict=True):
        for role, part in parts.items():
            outer, inner = part.split("/")
            found.setdefault(outer, {})[inner] = np.ascontiguousarray(getattr(block, role), dtype)
    return found


def write(path: Path, model: Model) -> None:
    """Write the parameters of the module that ``loader`` describes.

    Args:
        path: the file.
        model: the network.
    """
    name = CLASSES[model.spec.cell].__name__
    cells = [blocks for row in blocks_of(FORMAT, model) for blocks in row]
    params = {
        f"{name}_{k}": _cell_tree(model.spec.cell, b, model.dtype) for k, b in enumerate(cells)
    }
    path.write_bytes(msgpack_serialize({"params": params}))


def loader(model: Model) -> str:
    """Return code that loads the file's tree of parameters.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    spec = model.spec
    cell = f"nn.RNN(nn.{CLASSES[spec.cell].__name__}({spec.hidden_size}))"
    if spec.direction == "bidirectional":
        cell = f"nn.Bidirectional({cell}, {cell})"
    read = "variables = flax.serialization.msgpack_restore(open(FILE, 'rb').read())"
    return f"{read}\n# for an nn.compact module that calls {spec.num_layers} × {cell}"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run ``nn.RNN`` over each cell, with the file's parameters.

    Args:
        path: the file.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    spec = found.model.spec
    make = partial(
        CLASSES[spec.cell], spec.hidden_size, dtype=inputs.dtype, param_dtype=inputs.dtype
    )
    if spec.cell == "vanilla":
        make = partial(make, activation_fn={"tanh": nn.tanh, "relu": nn.relu}[spec.activation])

    def prepare(batch: Batch) -> RunDirection:
        def call(layer: int, k: int, reverse: bool, x: Any, states: Any, lengths: Any) -> Any:
            rnn = nn.RNN(make(), return_carry=True, reverse=reverse, keep_order=True)
            tree = _cell_tree(spec.cell, found.layers[layer][k].blocks, inputs.dtype)
            initial = (states[1], states[0]) if "c" in spec.states else states[0]
            carry, y = rnn.apply(
                {"params": {"cell": tree}}, x, initial_carry=initial, seq_lengths=lengths
            )
            return y, ((carry[1], carry[0]) if "c" in spec.states else (carry,))

        return call

    return run_layers(found, inputs, prepare)

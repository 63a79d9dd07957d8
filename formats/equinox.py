"""Equinox files, as ``eqx.tree_serialise_leaves`` writes them: consecutive arrays without names.

The tree is a list of layers, each a list of one cell per direction. The cells' input sizes tell layers from directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from backends.adapter import Inputs, Result
from backends.layouts import Block
from formats import FORMATS
from formats.assemble import (
    LoadedModel,
    StoredCell,
    assemble,
    blocks_of,
    cell_from_shape,
    common_dtype,
    layers_by_size,
    require_found,
)
from formats.batches import Batch
from formats.jax_layers import RunDirection, run_layers
from formats.model import BadModel, Model
from formats.npy import payload_size
from reference import Array, Spec

FORMAT = FORMATS["equinox"]
CLASSES = {"gru": eqx.nn.GRUCell, "lstm": eqx.nn.LSTMCell}
BIASES = ("bias", "recurrent_bias")
"""The roles of a cell's biases, in the order of its leaves."""


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the cells whose leaves are in a file.

    Args:
        path: the file.
        given: fields of the spec that the user states.
        part: must be empty: leaves have no names.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network.
    """
    where = str(path)
    if part:
        raise BadModel(
            f"{where}: --part {part} given, but Equinox files have no names; omit --part"
        )
    arrays = _arrays(path)
    require_found(where, arrays, FORMAT.contents)
    dtype = common_dtype(where, {f"leaf {k}": a.dtype.name for k, a in enumerate(arrays)})
    cells, k = [], 0
    while k < len(arrays):
        wide = [a.ndim for a in arrays[k : k + 4]]
        end = next((n for n in range(2, len(wide)) if wide[n] != 1), len(wide))
        if wide[:2] != [2, 2] or 0 in arrays[k + 1].shape:
            raise BadModel(
                f"{where}: leaf {k}: shape {arrays[k].shape} given, expected only cells: weight_ih, weight_hh, "
                "bias and, for a GRU, bias_n"
            )
        kernel, recurrent, *biases = arrays[k : k + end]
        rows, hidden = recurrent.shape
        cell = cell_from_shape(f"{where}: leaf {k + 1}", rows, hidden)
        if cell not in CLASSES or len(biases) not in (0, 2 if cell == "gru" else 1):
            raise BadModel(
                f"{where}: leaf {k}: {len(biases)} biases and {rows} rows of gates for {hidden} units given, expected a "
                "GRUCell or an LSTMCell"
            )
        block = Block(kernel, recurrent, **dict(zip(BIASES, biases, strict=False)))
        cells.append(
            StoredCell(f"leaves {k} to {k + end - 1}", cell, kernel.shape[1], hidden, [block])
        )
        k += end
    return assemble(where, FORMAT, layers_by_size(where, cells, given), dtype, given=given)


def _arrays(path: Path) -> list[Array]:
    """Return the arrays of a file; raise ``BadModel`` if it is no such file, or a header claims more than it has."""
    size, found = path.stat().st_size if path.is_file() else 0, []
    try:
        with path.open("rb") as file:
            while file.tell() < size:
                found.append(_array(file, size))
    except (OSError, ValueError, EOFError) as why:
        raise BadModel(
            f"{path}: leaf {len(found)}: {why}; expected leaves as eqx.tree_serialise_leaves writes them"
        ) from why
    return found


def _array(file: BinaryIO, size: int) -> Array:
    start = file.tell()
    follow, there = payload_size(file), size - file.tell()
    if follow > there:
        raise ValueError(f"its header claims {follow:,} bytes, but {there:,} follow")
    file.seek(start)
    return np.lib.format.read_array(file, allow_pickle=False)


def _make_cells(spec: Spec, bias: bool, dtype: str) -> list[list[Any]]:
    """Return cells of this network, by layer and direction, with random weights."""
    return [
        [CLASSES[spec.cell](spec.layer_input_size(layer), spec.hidden_size, use_bias=bias, dtype=jnp.dtype(dtype),
                            key=jax.random.key(0)) for _ in range(spec.num_directions)]
        for layer in range(spec.num_layers)
    ]  # fmt: skip


def write(path: Path, model: Model) -> None:
    """Write the leaves of the network's cells.

    Args:
        path: the file.
        model: the network.
    """
    leaves = [
        np.ascontiguousarray(a, model.dtype)
        for row in blocks_of(FORMAT, model)
        for (block,) in row
        for a in block
        if a is not None
    ]
    with path.open("wb") as file:
        for a in leaves:
            np.lib.format.write_array(file, a, allow_pickle=False)


def loader(model: Model) -> str:
    """Return code that makes the cells and loads the file's weights.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    spec = model.spec
    bias = spec.bias or bool(spec.forget_bias)
    made = [
        f"eqx.nn.{CLASSES[spec.cell].__name__}({spec.layer_input_size(layer)}, {spec.hidden_size}, use_bias={bias}, key=key)"
        for layer in range(spec.num_layers)
    ]
    rows = ", ".join(f"[{', '.join([cell] * spec.num_directions)}]" for cell in made)
    return f"cells = eqx.tree_deserialise_leaves(FILE, [{rows}])"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run each cell in a ``lax.scan``, vectorised over the batch; a row's state is kept past its end.

    Args:
        path: the file.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    spec = found.model.spec

    def prepare(batch: Batch) -> RunDirection:
        cells = eqx.tree_deserialise_leaves(path, _make_cells(spec, spec.bias, inputs.dtype))

        def call(layer: int, k: int, reverse: bool, x: Any, states: Any, lengths: Any) -> Any:
            steps = jnp.arange(x.shape[1])
            live = (
                jnp.ones((x.shape[1], len(x)), bool)
                if lengths is None
                else steps[:, None] < lengths
            )

            def step(carry: Any, now: Any) -> Any:
                x_t, alive = now
                initial = carry if "c" in spec.states else carry[0]
                new = jax.vmap(cells[layer][k])(x_t, initial)
                new = new if "c" in spec.states else (new,)
                kept = tuple(
                    jnp.where(alive[:, None], a, b) for a, b in zip(new, carry, strict=True)
                )
                return kept, kept[0]

            final, y = jax.lax.scan(
                step, tuple(states), (jnp.swapaxes(x, 0, 1), live), reverse=reverse
            )
            return jnp.swapaxes(y, 0, 1), final

        return call

    return run_layers(found, inputs, prepare)

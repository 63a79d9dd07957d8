"""Keras ``.weights.h5`` files: ``layers/lstm/cell/vars/0``, ``layers/bidirectional/backward_layer/cell/vars/1``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
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
    has_prefix,
    layers_by_name,
    natural_key,
    require_found,
)
from formats.batches import make_batch, make_result
from formats.model import DIRECTIONS, BadModel, Model
from reference import Array, Spec

FORMAT = FORMATS["keras"]
LAYERS = {"vanilla": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
BIASES = ("bias", "recurrent_bias")
"""Roles of a layer's biases, in order."""
LAYER_NAMES = {"vanilla": "simple_rnn", "gru": "gru", "lstm": "lstm"}
"""Names of the layers in the file."""
VARIABLES = "/cell/vars"
MAX_BYTES = 2**32
"""Largest size of one array; a small compressed file may claim far more."""
DIRECTION_SCOPES = {"forward": "forward_layer", "reverse": "backward_layer"}


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the one stack of recurrent layers in a file of weights.

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
    arrays, left = _arrays(path, part)
    found: dict[str, list[Array]] = {}
    for name in sorted(arrays, key=lambda name: natural_key(name.split("/"))):
        found.setdefault(name.rpartition(VARIABLES)[0], []).append(arrays[name])
    require_found(where, list(found), FORMAT.contents)
    cells = [_stored(where, place, weights) for place, weights in found.items()]
    dtype = common_dtype(where, {name: a.dtype.name for name, a in arrays.items()})
    resets = {
        "after" if s.blocks[0].recurrent_bias is not None else "before" for s in cells if s.has_bias
    }
    stated: dict[str, Any] = {}
    if cells[0].cell == "gru" and resets:  # without biases, the file does not tell
        if len(resets) > 1:
            raise BadModel(
                f"{where}: {', '.join(found)}: GRUs with one bias and GRUs with two given, expected the same kind in all layers"
            )
        stated["reset"] = resets.pop()
    rows = layers_by_name(
        where, cells, DIRECTION_SCOPES["forward"], DIRECTION_SCOPES["reverse"], part
    )
    return assemble(where, FORMAT, rows, dtype, given=given, stated=stated, ignored=left)


def _arrays(path: Path, part: str) -> tuple[dict[str, Array], list[str]]:
    """Return the arrays of recurrent cells by name, and the names of all other arrays.

    Datasets that link to other files are refused.
    """
    found: dict[str, Any] = {}
    left: list[str] = []

    def visit(name: str, item: Any) -> None:
        place, vars_, number = str(name).rpartition(VARIABLES)
        if not isinstance(item, h5py.Dataset):
            return
        if not (vars_ and has_prefix(place, part) and number.removeprefix("/").isdigit()):
            left.append(name)
            return
        if item.dtype.kind != "f" or item.shape is None:
            raise BadModel(f"{path}: {name}: {item.dtype} given, expected floating-point numbers")
        if item.external or item.is_virtual:
            raise BadModel(
                f"{path}: {name}: links to data outside the file, expected data inside it"
            )
        if item.nbytes > MAX_BYTES:
            raise BadModel(
                f"{path}: {name}: claims {item.nbytes:,} bytes, expected {MAX_BYTES:,} at most"
            )
        found[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except (OSError, ValueError, RuntimeError) as why:
        raise BadModel(
            f"{path}: {why}; expected weights as Keras's save_weights writes them"
        ) from why
    return found, sorted(left)


def _stored(where: str, place: str, weights: list[Array]) -> StoredCell:
    kernel, recurrent, *biases = weights if len(weights) > 1 else (*weights, np.zeros(()))
    shapes = ", ".join(str(a.shape) for a in weights)
    if len(biases) > 1 or kernel.ndim != 2 or recurrent.ndim != 2 or 0 in recurrent.shape:
        raise BadModel(
            f"{where}: {place}: arrays of shapes {shapes} given, expected a kernel, a recurrent kernel, a bias"
        )
    hidden = recurrent.shape[0]
    cell = cell_from_shape(f"{where}: {place}: {shapes}", recurrent.shape[1], hidden)
    bias: dict[str, Any] = {}
    if biases:
        two = biases[0].ndim == 2 and len(biases[0]) == 2
        bias = dict(zip(BIASES, biases[0] if two else biases, strict=False))
    return StoredCell(place, cell, kernel.shape[0], hidden, [Block(kernel, recurrent, **bias)])


def _layer_weights(block: Block, dtype: str) -> list[Array]:
    """Return a layer's arrays; two biases are stacked into one array."""
    biases = [b for b in (block.bias, block.recurrent_bias) if b is not None]
    whole = [np.stack(biases)] if len(biases) == 2 else biases
    assert block.recurrent is not None
    return [np.ascontiguousarray(a, dtype) for a in (block.kernel, block.recurrent, *whole)]


def write(path: Path, model: Model) -> None:
    """Write a file as ``save_weights`` of the model in ``loader`` would.

    Args:
        path: the file.
        model: the network.
    """
    both = model.spec.direction == "bidirectional"
    outer = "bidirectional" if both else LAYER_NAMES[model.spec.cell]
    with h5py.File(path, "w") as file:
        for layer, row in enumerate(blocks_of(FORMAT, model)):
            place = f"layers/{outer}{f'_{layer}' if layer else ''}"
            file.create_group(f"{place}/vars")
            for direction, (block,) in zip(DIRECTIONS[model.spec.direction], row, strict=True):
                inner = f"{place}/{DIRECTION_SCOPES[direction]}" if both else place
                if both:
                    file.create_group(f"{inner}/vars")
                for k, a in enumerate(_layer_weights(block, model.dtype)):
                    file[f"{inner}{VARIABLES}/{k}"] = a


def layer_options(spec: Spec, bias: bool) -> dict[str, Any]:
    """Return the keyword arguments that make a layer.

    Args:
        spec: the network.
        bias: True if the layer has biases.

    Returns:
        Arguments by name.
    """
    found: dict[str, Any] = {"use_bias": bias, "return_sequences": True}
    if spec.cell == "vanilla":
        found["activation"] = spec.activation
    if spec.cell == "gru":
        found["reset_after"] = spec.reset == "after"
    return found


def loader(model: Model) -> str:
    """Return code that makes the model and loads the file's weights.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    spec = model.spec
    words = [str(spec.hidden_size)]
    words += [
        f"{k}={v!r}" for k, v in layer_options(spec, spec.bias or bool(spec.forget_bias)).items()
    ]
    if model.dtype != "float32":
        words.append(f"dtype={model.dtype!r}")
    layer = f"{LAYERS[spec.cell]}({', '.join(words)})"
    layer = f"Bidirectional({layer})" if spec.direction == "bidirectional" else layer
    stack = f"[Input((None, {spec.input_size})), {', '.join([layer] * spec.num_layers)}]"
    return f"model = keras.Sequential({stack})\nmodel.load_weights(FILE)"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run Keras's layers in order, with a mask if rows have lengths.

    Args:
        path: the file.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    installed = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]
    os.environ.setdefault("KERAS_BACKEND", installed[0] if installed else "tensorflow")
    import keras  # noqa: PLC0415  # reads KERAS_BACKEND on import

    spec, batch = found.model.spec, make_batch(inputs)
    x: Any = keras.ops.convert_to_tensor(batch.x.astype(inputs.dtype))
    mask = None
    if batch.lengths is not None:
        mask = keras.ops.convert_to_tensor(np.arange(batch.x.shape[1]) < batch.lengths[:, None])
    finals: list[list[list[Any]]] = []
    for row, states in zip(found.layers, batch.states, strict=True):
        layer = getattr(keras.layers, LAYERS[spec.cell])(
            spec.hidden_size,
            return_state=True,
            dtype=inputs.dtype,
            **layer_options(spec, spec.bias),
        )
        if len(row) == 2:
            layer = keras.layers.Bidirectional(layer)
        layer.build((None, None, row[0].input_size))
        layer.set_weights([a for s in row for a in _layer_weights(s.blocks[0], inputs.dtype)])
        initial = [
            keras.ops.convert_to_tensor(s.astype(inputs.dtype))
            for direction in states
            for s in direction
        ]
        x, *after = layer(x, mask=mask, initial_state=initial)
        each = len(after) // len(row)
        finals.append([after[k : k + each] for k in range(0, len(after), each)])
    to = keras.ops.convert_to_numpy
    y = to(x)
    return make_result(
        inputs,
        y,
        [[[to(s) for s in direction] for direction in row] for row in finals],
        y.dtype.name,
    )

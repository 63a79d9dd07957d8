"""TensorFlow 1 checkpoints of built-in cells under ``dynamic_rnn``: ``rnn/basic_lstm_cell/kernel``.

forward          rnn/basic_lstm_cell/…; in a stack multi_rnn_cell/cell_1/…, or layers in scopes that end in numbers
bidirectional    bidirectional_rnn/fw/basic_lstm_cell/… and bw, with one scope per layer
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tf_keras.src.layers.rnn import legacy_cells

from backends.adapter import Inputs, Result
from backends.layouts import Block
from formats import FORMATS
from formats.assemble import (
    LoadedModel,
    StoredCell,
    assemble,
    blocks_of,
    common_dtype,
    has_prefix,
    layers_by_name,
    natural_key,
    require_found,
)
from formats.batches import States, make_batch, make_result
from formats.model import BadModel, Model, shortened
from reference import Spec

FORMAT = FORMATS["tensorflow"]
CELLS = {
    "basic_rnn_cell": "vanilla",
    "gru_cell": "gru",
    "basic_lstm_cell": "lstm",
    "lstm_cell": "lstm",
}
"""Cells by the name of their variable scope."""
PARTS = {"vanilla": ("kernel", "bias"), "lstm": ("kernel", "bias"),
         "gru": ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")}  # fmt: skip
"""Variables in a cell's scope."""
UNSUPPORTED = ("w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel")
"""Variables of peepholes and projections."""


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the one stack of cells in a checkpoint.

    Args:
        path: the checkpoint's name, as ``Saver.save`` returned it.
        given: fields of the spec that the user states.
        part: prefix of the names of the network's parameters; empty for a file with one network.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network.
    """
    where = str(path)
    try:
        reader = tf.train.load_checkpoint(where)
        shapes: dict[str, Any] = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as why:
        raise BadModel(
            f"{where}: {str(why).splitlines()[0]}; expected the name that Saver.save returned, without the ending .index"
        ) from why
    found: dict[str, dict[str, str]] = {}
    for name in sorted(shapes):
        place, rest = _split(name)
        if place and has_prefix(name, part):
            found.setdefault(place, {})[rest] = name
    require_found(where, list(found), FORMAT.contents)
    for place, parts in found.items():
        if unsupported := [rest for rest in parts if rest in UNSUPPORTED]:
            raise BadModel(
                f"{where}: {place}/{unsupported[0]}: peepholes or a projection given, expected an LSTM without them"
            )
        if missing := [rest for rest in PARTS[_cell(place)] if rest not in parts]:
            raise BadModel(
                f"{where}: {place}/{missing[0]} missing, expected {', '.join(PARTS[_cell(place)])}"
            )
    used = {f"{place}/{rest}" for place in found for rest in PARTS[_cell(place)]}
    cells = [
        _stored(
            where, place, [reader.get_tensor(f"{place}/{rest}") for rest in PARTS[_cell(place)]]
        )
        for place in sorted(found, key=lambda place: natural_key(place.split("/")))
    ]
    dtype = common_dtype(where, {name: types[name].name for name in sorted(used)})
    left = sorted(shapes.keys() - used)
    return assemble(
        where,
        FORMAT,
        layers_by_name(where, cells, "fw", "bw", part),
        dtype,
        given=given,
        ignored=left,
    )


def _split(name: str) -> tuple[str, str]:
    """Split a variable's name after its cell's scope; return empty strings if no cell has the variable."""
    parts = name.split("/")
    for k, part in enumerate(parts):
        if natural_key([part])[0][0] in CELLS:
            return "/".join(parts[: k + 1]), "/".join(parts[k + 1 :])
    return "", ""


def _cell(place: str) -> str:
    return CELLS[natural_key([place.rpartition("/")[2]])[0][0]]


def _stored(where: str, place: str, arrays: list[Any]) -> StoredCell:
    """Return a cell from its kernels and biases."""
    blocks = [
        Block(kernel, bias=bias) for kernel, bias in zip(arrays[::2], arrays[1::2], strict=True)
    ]
    kernel, bias = blocks[-1].kernel, blocks[-1].bias
    gates = {"vanilla": 1, "gru": 1, "lstm": 4}[
        _cell(place)
    ]  # a GRU's last kernel is the candidate's
    hidden = bias.shape[0] // gates if bias is not None and bias.ndim == 1 else 0
    if kernel.ndim != 2 or not hidden or kernel.shape[0] <= hidden:
        raise BadModel(
            f"{where}: {place}: a kernel of shape {kernel.shape} given, expected (inputs + units, gates)"
        )
    return StoredCell(place, _cell(place), kernel.shape[0] - hidden, hidden, blocks)


def _scopes(spec: Spec) -> list[list[str]]:
    """Return the scope of every layer and direction, as ``dynamic_rnn`` in one scope per layer has it."""
    scope = {"vanilla": "basic_rnn_cell", "gru": "gru_cell", "lstm": "basic_lstm_cell"}[spec.cell]
    scopes = {
        "forward": ("rnn",),
        "bidirectional": ("bidirectional_rnn/fw", "bidirectional_rnn/bw"),
    }
    return [
        [f"layer_{k}/{direction}/{scope}" for direction in scopes[spec.direction]]
        for k in range(spec.num_layers)
    ]


def write(path: Path, model: Model) -> None:
    """Write a checkpoint with the variables of the network's cells.

    Args:
        path: the file.
        model: the network.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for row, names in zip(blocks_of(FORMAT, model), _scopes(model.spec), strict=True):
            for blocks, place in zip(row, names, strict=True):
                arrays = [a for block in blocks for a in (block.kernel, block.bias)]
                for part, a in zip(PARTS[model.spec.cell], arrays, strict=True):
                    tf.compat.v1.Variable(tf.constant(a, model.dtype), name=f"{place}/{part}")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(
            session, str(path), write_meta_graph=False, write_state=False
        )


def loader(model: Model) -> str:
    """Return code that restores the checkpoint, with the scopes of its variables.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    names = [name for row in _scopes(model.spec) for name in row]
    return f"tf.compat.v1.train.Saver().restore(session, FILE)\n# into the variables of cells in the scopes {shortened(names)}"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run ``dynamic_rnn`` over cells whose variables are restored from the checkpoint.

    Args:
        path: the file.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    tf.get_logger().setLevel("ERROR")  # silence the deprecation of dynamic_rnn
    spec, batch = found.model.spec, make_batch(inputs)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        y = tf.constant(batch.x, inputs.dtype)
        fetched, variables = [], {}
        for layer, row in enumerate(found.layers):
            cells = [_make_cell(spec, inputs.dtype) for _ in row]
            initial = [_state(state, inputs.dtype) for state in batch.states[layer]]
            with tf.compat.v1.variable_scope(f"layer_{layer}"):
                y, states = _run_layer(cells, y, batch.lengths, initial)
            for cell, stored in zip(cells, row, strict=True):
                for v in cell.variables:
                    variables[f"{stored.place}/{_split(v.op.name)[1]}"] = v
            fetched.append(states)
        tf.compat.v1.train.Saver(variables).restore(session, str(path))
        y, finals = session.run((y, fetched))
    finals = [[[s.h, s.c] if "c" in spec.states else [s] for s in states] for states in finals]
    return make_result(inputs, y, finals, str(y.dtype))


def _make_cell(spec: Spec, dtype: str) -> Any:
    """Make the cell, with the options that the file does not store."""
    kinds = {
        "vanilla": legacy_cells.BasicRNNCell,
        "gru": legacy_cells.GRUCell,
        "lstm": legacy_cells.BasicLSTMCell,
    }
    options: dict[str, Any] = {}
    if spec.cell == "vanilla":
        options["activation"] = {"tanh": tf.tanh, "relu": tf.nn.relu}[spec.activation]
    if spec.cell == "lstm":
        options["forget_bias"] = spec.forget_bias
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is deprecated and will be removed", UserWarning)
        return kinds[spec.cell](spec.hidden_size, dtype=dtype, **options)


def _state(state: list[Any], dtype: str) -> Any:
    h, *c = (tf.constant(np.ascontiguousarray(s), dtype) for s in state)
    return legacy_cells.LSTMStateTuple(c[0], h) if c else h


def _run_layer(cells: list[Any], x: Any, lengths: Any, initial: list[Any]) -> tuple[Any, States]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dynamic_rnn is deprecated
        if len(cells) == 1:
            y, state = tf.compat.v1.nn.dynamic_rnn(cells[0], x, lengths, initial[0])
            return y, [state]
        both, states = tf.compat.v1.nn.bidirectional_dynamic_rnn(*cells, x, lengths, *initial)
    return tf.concat(both, axis=-1), list(states)

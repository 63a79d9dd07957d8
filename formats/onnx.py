"""ONNX graphs: a chain of RNN, GRU or LSTM nodes, with weights in initialisers.

Attributes that the specification lacks, such as clipping, peepholes or other activations, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

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
    require_found,
)
from formats.batches import make_batch, make_result
from formats.model import DIRECTIONS, BadModel, Model, shortened
from reference import Array, Spec

FORMAT = FORMATS["onnx"]
CELLS = {"RNN": "vanilla", "GRU": "gru", "LSTM": "lstm"}
NODE_TYPES = {cell: node for node, cell in CELLS.items()}
ACTIVATIONS = {
    "vanilla": ("Tanh",),
    "gru": ("Sigmoid", "Tanh"),
    "lstm": ("Sigmoid", "Tanh", "Tanh"),
}
"""Default activations of a node."""
READ_ATTRIBUTES = {"hidden_size", "direction", "linear_before_reset", "activations", "layout"}
"""Attributes that are read; ``input_forget`` must be 0 if present."""
OPSET = 14


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the recurrent nodes of a graph, from the first layer to the last.

    Args:
        path: the file.
        given: fields of the spec that the user states.
        part: prefix of the nodes' names; empty for all nodes.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network.
    """
    where = str(path)
    try:
        graph = onnx.load(path).graph
    except Exception as why:  # protobuf's errors have no base of their own
        raise BadModel(f"{where}: {why}; expected an ONNX model") from why
    found = [n for n in graph.node if n.op_type in CELLS and has_prefix(n.name, part)]
    require_found(where, found, FORMAT.contents)
    weights = {name for node in found for name in node.input[1:4]}
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.name in weights}
    wiring = _Wiring(where, graph)
    nodes = wiring.in_order(found)
    stated: dict[str, Any] = {}
    rows: list[list[StoredCell]] = []
    for node in nodes:
        wiring.check_states(node)
        fields, row = _node(where, node, arrays)
        if rows and fields != stated:
            raise BadModel(
                f"{where}: {node.name}: {fields} given, expected {stated}, to match {nodes[0].name}"
            )
        stated = fields
        rows.append(row)
    used = [name for node in nodes for name in node.input[1:4] if name]
    dtype = common_dtype(where, {name: arrays[name].dtype.name for name in used})
    left = sorted({t.name for t in graph.initializer} - set(used))
    return assemble(where, FORMAT, rows, dtype, given=given, stated=stated, ignored=left)


class _Wiring:
    """The connections between recurrent nodes, which may only change shapes."""

    def __init__(self, where: str, graph: Any) -> None:
        self.where = where
        self.makes = {name: node for node in graph.node for name in node.output if name}
        self.given = {i.name for i in graph.input} - {t.name for t in graph.initializer}
        self.stored = {t.name: t for t in graph.initializer}

    def in_order(self, found: list[Any]) -> list[Any]:
        """Return the nodes from first to last; raise ``BadModel`` unless they form a chain."""
        by_y = {node.output[0]: node for node in found if node.output and node.output[0]}
        before = {id(node): self._before(node, by_y) for node in found}
        first = [node for node in found if before[id(node)] is None]
        row = first[:1]
        while row and (after := [n for n in found if before[id(n)] is row[-1]]):
            if len(after) > 1:
                break
            row += after
        if len(first) != 1 or len(row) != len(found):
            names = shortened([node.name or node.op_type for node in found])
            raise BadModel(
                f"{self.where}: {names} form no chain, expected nodes with only changes of shape between them; "
                "select one with --part"
            )
        return row

    def _before(self, node: Any, by_y: Mapping[str, Any]) -> Any:
        """Return the node whose Y this node reads through Transpose and Reshape, or Squeeze; None if there is none."""
        name, passed = node.input[0], []
        while name not in by_y:
            maker = self.makes.get(name)
            if maker is None or maker.op_type not in (
                "Transpose",
                "Reshape",
                "Squeeze",
                "Identity",
            ):
                return None
            perm = [[*a.ints] for a in maker.attribute if a.name == "perm"]
            if maker.op_type != "Identity":
                passed.append((maker.op_type, *perm))
            name = maker.input[0]
        reordered = [("Reshape",), ("Transpose", [0, 2, 1, 3])]
        if passed not in ([("Squeeze",)], reordered):
            raise BadModel(
                f"{self.where}: {node.name or node.op_type}: reads {by_y[name].name or 'another node'} through {passed[::-1]}, "
                f"expected Squeeze or {reordered[::-1]}"
            )
        return by_y[name]

    def check_states(self, node: Any) -> None:
        """Raise ``BadModel`` for lengths, or initial states other than 0, that are stored in the graph."""
        for k, name in enumerate(node.input[4:7]):
            if name and name not in self.given and not (k and self._zero(name)):
                what = ("sequence_lens", "initial_h", "initial_c")[k]
                raise BadModel(
                    f"{self.where}: {node.name or node.op_type}: {what} is stored in the graph, expected an input, 0 or none"
                )

    def _zero(self, name: str) -> bool:
        """Return True if a stored or constant tensor is 0, whatever its shape."""
        if name in self.stored:
            return not numpy_helper.to_array(self.stored[name]).any()
        maker = self.makes.get(name)
        if maker is None:
            return False
        if maker.op_type in ("Expand", "Identity"):
            return self._zero(maker.input[0])
        if maker.op_type not in ("Constant", "ConstantOfShape"):
            return False
        values = [numpy_helper.to_array(a.t) for a in maker.attribute if a.name == "value"]
        return not any(v.any() for v in values)


def _node(
    where: str, node: Any, arrays: Mapping[str, Array]
) -> tuple[dict[str, Any], list[StoredCell]]:
    """Return the fields of the spec that a node states, and its cells by direction."""
    has = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    cell, name = CELLS[node.op_type], node.name or node.op_type
    if (
        node.domain
        or len(has) < len(node.attribute)
        or len(node.input) < 3
        or not all(node.input[:3])
    ):
        raise BadModel(
            f"{where}: {name}: invalid node, expected the inputs X, W and R, and each attribute once"
        )
    strange = [
        k for k in has if k not in READ_ATTRIBUTES and not (k == "input_forget" and has[k] == 0)
    ]
    if strange or (len(node.input) > 7 and node.input[7]):
        raise BadModel(
            f"{where}: {name}: {[*strange, 'P'][0]} given, which the specification lacks; expected a node without it"
        )
    if missing := [n for n in (*node.input[1:3], *node.input[3:4]) if n and n not in arrays]:
        raise BadModel(
            f"{where}: {name}: {missing[0]} is computed in the graph, expected weights in an initialiser"
        )
    direction = has.get("direction", b"forward").decode()
    if direction not in DIRECTIONS:
        raise BadModel(
            f"{where}: {name}: direction {direction!r} given, expected one of {', '.join(DIRECTIONS)}"
        )
    directions = DIRECTIONS[direction]
    stated: dict[str, Any] = {"direction": direction}
    activations = [a.decode().title() for a in has.get("activations", [])] or [
        *ACTIVATIONS[cell]
    ] * len(directions)
    if cell == "gru":
        stated["reset"] = "after" if has.get("linear_before_reset", 0) else "before"
    if cell == "vanilla":
        stated["activation"] = activations[0].lower()
    wanted = (
        [a.title() for a in (stated["activation"],)] if cell == "vanilla" else [*ACTIVATIONS[cell]]
    )
    if activations != wanted * len(directions) or stated.get("activation", "tanh") not in (
        "tanh",
        "relu",
    ):
        takes = "Tanh or Relu" if cell == "vanilla" else ", ".join(ACTIVATIONS[cell])
        raise BadModel(
            f"{where}: {name}: activations {activations} given, expected {takes} in each direction"
        )
    W, R = (arrays[n] for n in node.input[1:3])
    B = arrays[node.input[3]] if len(node.input) > 3 and node.input[3] else None
    if (
        W.ndim != 3
        or R.ndim != 3
        or len(W) != len(directions)
        or len(R) != len(directions)
        or 0 in R.shape
    ):
        raise BadModel(
            f"{where}: {name}: W {W.shape} and R {R.shape} given, expected ({len(directions)}, gates, …)"
        )
    if B is not None and B.shape != (len(directions), 2 * R.shape[1]):
        raise BadModel(
            f"{where}: {name}: B {B.shape} given, expected {(len(directions), 2 * R.shape[1])}"
        )
    units = has.get("hidden_size", R.shape[2])
    if cell_from_shape(f"{where}: {name}", R.shape[1], R.shape[2]) != cell or units != R.shape[2]:
        raise BadModel(
            f"{where}: {name}: R {R.shape} given, expected that of {node.op_type} with {units} units"
        )
    row = []
    for k, which in enumerate(directions):
        bias, recurrent_bias = (None, None) if B is None else np.split(B[k], 2)
        row.append(
            StoredCell(
                f"{name}, {which}",
                cell,
                W.shape[2],
                R.shape[2],
                [Block(W[k], R[k], bias=bias, recurrent_bias=recurrent_bias)],
            )
        )
    return stated, row


def _make_graph(spec: Spec, rows: list[list[Block]], *, given: bool) -> Any:
    """Make a model from x ``(T, B, I)`` to y ``(T, B, D·H)`` and the final states ``(L·D, B, H)``.

    With ``given``, lengths and the initial states of every layer are inputs too: lengths, h0.0, c0.0 …
    """
    nodes, weights = [], []
    names = spec.states

    def initialiser(name: str, a: Array) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(a), name))
        return name

    shape = initialiser("shape", np.array([0, 0, spec.output_size], np.int64))
    x = "x"
    for layer, row in enumerate(rows):
        W = initialiser(f"W.{layer}", np.stack([b.kernel for b in row]).astype(np.float32))
        R = initialiser(
            f"R.{layer}",
            np.stack([b.recurrent for b in row if b.recurrent is not None]).astype(np.float32),
        )
        B = ""
        if row[0].bias is not None:
            both = [np.concatenate([b.bias, b.recurrent_bias]) for b in row]
            B = initialiser(f"B.{layer}", np.stack(both).astype(np.float32))
        states = [f"{name}0.{layer}" for name in names] if given else []
        after = [f"{name}_n.{layer}" for name in names]
        options: dict[str, Any] = {"hidden_size": spec.hidden_size, "direction": spec.direction}
        if spec.cell == "gru":
            options["linear_before_reset"] = int(spec.reset == "after")
        if spec.cell == "vanilla":
            options["activations"] = [spec.activation.title()] * spec.num_directions
        nodes += [
            helper.make_node(NODE_TYPES[spec.cell], [x, W, R, B, "lengths" if given else "", *states],
                             [f"Y.{layer}", *after], name=f"layer_{layer}", **options),
            helper.make_node("Transpose", [f"Y.{layer}"], [f"Y_t.{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"Y_t.{layer}", shape], [f"y.{layer}"]),
        ]  # fmt: skip
        x = f"y.{layer}"
    nodes.append(helper.make_node("Identity", [x], ["y"]))
    outputs = ["y"]
    for name in names:
        layers = [f"{name}_n.{layer}" for layer in range(len(rows))]
        nodes.append(helper.make_node("Concat", layers, [f"{name}_n"], axis=0))
        outputs.append(f"{name}_n")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", spec.input_size])]
    if given:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]))
        inputs += [
            helper.make_tensor_value_info(
                f"{name}0.{layer}",
                TensorProto.FLOAT,
                [spec.num_directions, "B", spec.state_size(name)],
            )
            for layer in range(len(rows))
            for name in names
        ]
    made = helper.make_graph(
        nodes, "network", inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None, None]) for name in outputs],
        weights,
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def write(path: Path, model: Model) -> None:
    """Write a graph that computes outputs and final states from ``x`` alone.

    Args:
        path: the file.
        model: the network.
    """
    rows = [[block for (block,) in row] for row in blocks_of(FORMAT, model)]
    onnx.save(_make_graph(model.spec, rows, given=False), str(path))


def loader(model: Model) -> str:
    """Return code that runs the file in ONNX Runtime.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    names = ", ".join(["y", *(f"{name}_n" for name in model.spec.states)])
    return f'{names} = onnxruntime.InferenceSession(FILE).run(None, {{"x": x}})  # x (T, B, I)'


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run the file's nodes in ONNX Runtime, with lengths and initial states.

    Args:
        path: the file.
        found: the network in the file, as ``read`` rereordered it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    spec, batch = found.model.spec, make_batch(inputs)
    rows = [[s.blocks[0] for s in row] for row in found.layers]
    session = onnxruntime.InferenceSession(
        _make_graph(spec, rows, given=True).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    batch_size, steps, _ = batch.x.shape
    lengths = np.full(batch_size, steps) if batch.lengths is None else batch.lengths
    feed = {"x": np.swapaxes(batch.x, 0, 1).astype(np.float32), "lengths": lengths.astype(np.int32)}
    for layer, row in enumerate(batch.states):
        for k, name in enumerate(spec.states):
            feed[f"{name}0.{layer}"] = np.stack([direction[k] for direction in row]).astype(
                np.float32
            )
    y, *states = session.run(None, {k: np.ascontiguousarray(a) for k, a in feed.items()})
    directions = spec.num_directions
    finals = [
        [[s[layer * directions + direction] for s in states] for direction in range(directions)]
        for layer in range(spec.num_layers)
    ]
    return make_result(inputs, np.swapaxes(y, 0, 1), finals, y.dtype.name)

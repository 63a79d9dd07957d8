"""TensorFlow: ``tf.compat.v1.nn.dynamic_rnn`` with the legacy cells, run in three ways.

``Session`` builds a graph and runs it in a ``tf.compat.v1.Session``, as TensorFlow 1 did;
``Function`` traces the same calls into a ``tf.function``; ``Xla`` compiles that function.

Forward networks are one ``dynamic_rnn`` over a ``MultiRNNCell`` where there are several layers;
bidirectional ones are one ``bidirectional_dynamic_rnn`` a layer on the concatenated outputs of the
layer before, since a ``MultiRNNCell`` would keep the two directions apart until the end. A single
LSTM layer is a ``BasicLSTMCell``, a stack is made of ``LSTMCell``.
"""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "3"
)  # its start-up notices tell of GPUs that nobody asked for

import tensorflow as tf
from tf_keras.src.layers.rnn import legacy_cells

from backends.adapter import Backend, DeviceNotFound, Inputs, Result, Unsupported
from backends.dialects import TENSORFLOW_LEGACY, unsupported
from backends.layouts import convert
from reference import Array, Spec

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # "deprecated", once per cell

ACTIVATIONS = {"tanh": tf.nn.tanh, "relu": tf.nn.relu}


DEFAULTS = {
    "tensor_float_32_execution": str(tf.config.experimental.tensor_float_32_execution_enabled())
}
"""Read at import, before any backend sets it."""

KEPT = 16
"""Networks that stay compiled: a few hundred would take gigabytes."""


class Feeds(NamedTuple):
    """What a run is given: ``x``, ``lengths`` and the initial states by row, or None."""

    x: Any
    lengths: Any
    states: Any


class Compiled(NamedTuple):
    """A network that waits for weights and inputs."""

    run: Callable[[Feeds], Any]
    assign: Callable[[Sequence[Array]], None]
    owner: list[object]
    """Whose weights the variables hold: one entry."""


class DynamicRNN(Backend):
    """What the three ways of running share: the cells, their weights, the calls."""

    dialect = TENSORFLOW_LEGACY
    packages = ("tensorflow", "tf-keras")
    how: str

    def __init__(self, device: str) -> None:
        self.device = _device(device)
        self.framework_defaults = DEFAULTS
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.settings = {"tensor_float_32_execution": "False"}
        self._compiled: dict[Any, Compiled] = {}

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, inputs.spec, inputs.dtype, lengths):
            raise Unsupported(why)
        feeds, weights = self._feeds(inputs), self._weights(inputs)
        key = (inputs.spec, inputs.dtype, lengths is None, feeds.states is None)
        if key not in self._compiled:
            if len(self._compiled) == KEPT:
                self._compiled.pop(next(iter(self._compiled)))  # the oldest
            with tf.device(self.device):
                self._compiled[key] = self.compile(inputs, feeds)
        compiled, me, placed = self._compiled[key], object(), self.place(feeds)

        def call() -> Any:
            if compiled.owner != [me]:  # another load of this network may have come between
                compiled.assign(weights)
                compiled.owner[:] = [me]
            return compiled.run(placed)

        return call

    def place(self, feeds: Feeds) -> Feeds:
        """``feeds`` as the compiled network takes them; a Session takes NumPy arrays."""
        return feeds

    @abstractmethod
    def compile(self, inputs: Inputs, feeds: Feeds) -> Compiled:
        """The network of ``inputs.spec`` for feeds of this structure."""

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        y, rows = raw
        if inputs.spec.cell == "lstm":
            part = {name: [row[k] for row in rows] for k, name in enumerate(self.dialect.state)}
        else:
            part = {"h": rows}
        tensors = {"y": y, "h_n": np.stack(part["h"])}
        if "c" in part:
            tensors["c_n"] = np.stack(part["c"])
        dtypes = {name: str(t.dtype) for name, t in tensors.items()}
        arrays = {name: t.astype(np.float64) for name, t in tensors.items()}
        return Result(arrays["y"], arrays["h_n"], arrays.get("c_n"), dtypes)

    def ran(self, inputs: Inputs) -> str:
        spec = inputs.spec
        cell = _cell_class(spec).__name__
        if spec.direction == "bidirectional":
            return f"bidirectional_dynamic_rnn of {cell}, {self.how}"
        stack = f"MultiRNNCell of {cell}" if spec.num_layers > 1 else cell
        return f"dynamic_rnn of {stack}, {self.how}"

    def _weights(self, inputs: Inputs) -> list[Array]:
        """The values of every cell's variables, in the order in which the cell creates them."""
        dialect, kind = self.dialect.cells[inputs.spec.cell], _numpy_type(inputs)
        blocks = [
            block
            for layer in inputs.params
            for weights in layer
            for block in convert(inputs.spec, dialect, weights)
        ]
        return [v.astype(kind) for b in blocks for v in (b.kernel, b.bias) if v is not None]

    def _feeds(self, inputs: Inputs) -> Feeds:
        kind = _numpy_type(inputs)
        given = {"h": inputs.h0, "c": inputs.c0}
        known = next((s for s in given.values() if s is not None), None)
        states = None
        if known is not None:
            order = self.dialect.state if inputs.spec.cell == "lstm" else "h"
            whole = [np.zeros_like(known) if (s := given[n]) is None else s for n in order]
            states = [[s[row].astype(kind) for s in whole] for row in range(len(known))]
        lengths = None if inputs.lengths is None else inputs.lengths.astype(np.int32)
        return Feeds(inputs.x.astype(kind), lengths, states)


class Session(DynamicRNN):
    """A graph, run in a ``tf.compat.v1.Session``."""

    how = "graph and Session, which feeds arrays at every call"

    def compile(self, inputs: Inputs, feeds: Feeds) -> Compiled:
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph, tf.device(self.device):
            places = _each(lambda a: v1.placeholder(a.dtype, _any_size(a)), feeds)
            cells = build_cells(inputs)
            outputs = network(inputs.spec, cells, places)
            variables = [v for layer in cells for cell in layer for v in cell.variables]
            values = [v1.placeholder(v.dtype, v.shape) for v in variables]
            assignments = [v1.assign(v, p) for v, p in zip(variables, values, strict=True)]
        session = v1.Session(graph=graph)

        def assign(weights: Sequence[Array]) -> None:
            session.run(assignments, dict(zip(values, weights, strict=True)))

        def run(feeds: Feeds) -> Any:
            flat = zip(tf.nest.flatten(places), tf.nest.flatten(feeds), strict=True)
            return session.run(outputs, {p: a for p, a in flat if p is not None})

        return Compiled(run, assign, [])


class Function(DynamicRNN):
    """The same calls inside a ``tf.function``."""

    how = "tf.function"
    jit_compile = False

    def place(self, feeds: Feeds) -> Feeds:
        with tf.device(self.device):
            return _each(tf.convert_to_tensor, feeds)

    def compile(self, inputs: Inputs, feeds: Feeds) -> Compiled:
        cells = build_cells(inputs)
        variables = [v for layer in cells for cell in layer for v in cell.variables]
        function = tf.function(
            lambda feeds: network(inputs.spec, cells, feeds),
            autograph=False,
            jit_compile=self.jit_compile,
            reduce_retracing=not self.jit_compile,
        )

        def assign(weights: Sequence[Array]) -> None:
            for variable, value in zip(variables, weights, strict=True):
                variable.assign(value)

        def run(feeds: Feeds) -> Any:
            with tf.device(self.device):
                return tf.nest.map_structure(lambda t: t.numpy(), function(feeds))

        return Compiled(run, assign, [])


class Xla(Function):
    """The same ``tf.function``, compiled by XLA."""

    how = "tf.function with XLA"
    jit_compile = True


def build_cells(inputs: Inputs) -> list[list[Any]]:
    """``cells[layer][direction]``, built before any tracing, as legacy cells must be."""
    spec = inputs.spec
    cells = []
    for layer in range(spec.num_layers):
        by_direction = [_cell(spec, inputs.dtype) for _ in range(spec.num_directions)]
        for direction, cell in enumerate(by_direction):
            with tf.compat.v1.variable_scope(f"layer{layer}/{direction}"):
                cell.build((None, spec.layer_input_size(layer)))
        cells.append(by_direction)
    return cells


def network(spec: Spec, cells: list[list[Any]], feeds: Feeds) -> Any:
    """The outputs, and the final state of every layer and direction."""
    nn, lstm = tf.compat.v1.nn, legacy_cells.LSTMStateTuple
    initial: list[Any] = [None] * (spec.num_layers * spec.num_directions)
    if feeds.states is not None:
        initial = [lstm(*row) if spec.cell == "lstm" else row[0] for row in feeds.states]
    options = {"dtype": feeds.x.dtype, "time_major": not spec.batch_first}
    if spec.direction == "forward":
        column = [cell for (cell,) in cells]
        stacked = len(column) > 1
        y, final = nn.dynamic_rnn(
            legacy_cells.MultiRNNCell(column) if stacked else column[0],
            feeds.x,
            feeds.lengths,
            None if initial[0] is None else tuple(initial) if stacked else initial[0],
            **options,
        )
        return y, list(final) if stacked else [final]
    x, finals = feeds.x, []
    for layer, (forward, backward) in enumerate(cells):
        outputs, pair = nn.bidirectional_dynamic_rnn(
            forward,
            backward,
            x,
            feeds.lengths,
            *initial[2 * layer : 2 * layer + 2],
            scope=f"layer{layer}",
            **options,
        )
        x = tf.concat(outputs, axis=-1)
        finals += pair
    return x, finals


def _cell_class(spec: Spec) -> Any:
    lstm = legacy_cells.BasicLSTMCell if spec.num_layers == 1 else legacy_cells.LSTMCell
    return {"vanilla": legacy_cells.BasicRNNCell, "gru": legacy_cells.GRUCell, "lstm": lstm}[
        spec.cell
    ]


def _cell(spec: Spec, dtype: str) -> Any:
    options: dict[str, Any] = {}
    if spec.cell == "vanilla":
        options["activation"] = ACTIVATIONS[spec.activation]
    if spec.cell == "lstm":
        options["forget_bias"] = spec.forget_bias
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is deprecated and will be removed", UserWarning)
        return _cell_class(spec)(spec.hidden_size, dtype=tf.as_dtype(dtype), **options)


def _numpy_type(inputs: Inputs) -> Any:
    return tf.as_dtype(inputs.dtype).as_numpy_dtype


def _each(f: Callable[[Any], Any], feeds: Feeds) -> Any:
    """``f`` of every array in ``feeds``; None stays None."""
    return tf.nest.map_structure(lambda a: None if a is None else f(a), feeds)


def _any_size(a: Array) -> list[int | None]:
    """A placeholder's shape: only feature widths are fixed, so that sizes share one graph."""
    return [None] if a.ndim == 1 else [*([None] * (a.ndim - 1)), a.shape[-1]]


def _device(name: str) -> str:
    found = [f"{d.device_type}:{i}".lower().replace("gpu", "cuda")
             for kind in ("CPU", "GPU")
             for i, d in enumerate(tf.config.list_logical_devices(kind))]  # fmt: skip
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(f"device {name!r}: TensorFlow {tf.__version__} found {found}")
    return wanted.replace("cuda", "gpu")

"""Frameworks with layouts of their own, in NumPy: weights stored as a dialect says, and read as one.

``LaidOut`` is such a framework with an adapter that believes a dialect. Where that is not the
dialect it works as, its results, its gradients or its training are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from fakes import Right
from native_layouts import (
    as_stored,
    batched,
    filled,
    masked,
    native_incoming,
    native_outputs,
    native_spec,
    read,
    turned,
    weights_of,
)

from backends import Dialect, Inputs, Result, Unsupported
from backends.dialects import (
    JAX,
    JAX_CUDNN,
    JAX_VJP,
    PYTORCH,
    TENSORFLOW_CUDNN,
    TENSORFLOW_LEGACY,
    TENSORFLOW_UNROLLED,
    CellDialect,
    unsupported,
)
from backends.layouts import Block, convert, gradients
from reference import Array, Output, Params, Spec
from reference.trees import named

KERAS_LIKE = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=True, transposed=False, biases=1, bias_optional=True,
            forget_bias="", options=JAX.cells["vanilla"].options,
        ),
        "gru": CellDialect(
            blocks=("n", "zr"), joined=False, transposed=True, biases=2, bias_optional=False,
            forget_bias="", options={"reset": ("after", "before")}, update="takes",
        ),
        "lstm": CellDialect(
            blocks=("oi", "gf"), joined=True, transposed=False, biases=2, bias_optional=False,
            forget_bias="run time", options=JAX.cells["lstm"].options,
        ),
    },
    directions=("forward", "reverse", "bidirectional"), options=JAX.options,
    state="ch", padded_outputs="previous", reverse_outputs="processing order",
    zero_length="left out", arithmetic=JAX.arithmetic, adam_epsilon="inside",
    clip_epsilon=1e-5,
)  # fmt: skip
"""The values that no framework in the list declares so far."""


class Given(NamedTuple):
    """The inputs of the framework: stored weights, arrays, and incoming gradients if gradients are wanted.

    States, and their gradients, are in the order of the framework's own state.
    """

    stored: list[list[list[Block]]]
    x: Array
    states: list[Array | None]
    ends: Array | None
    incoming: tuple[Array, list[Array]] | None


class Returned(NamedTuple):
    """The results of the framework; gradients are by x, by the given states, and by the stored weights."""

    y: Array
    states: list[Array]
    dx: Array | None = None
    dstates: Sequence[Array | None] = ()
    dstored: Sequence[Sequence[list[Block]]] = ()


class LaidOut(Right):
    """A framework that works as ``native`` says, with an adapter that believes ``dialect``.

    The adapter undoes what ``dialect`` declares and nothing else; so where the two are not the
    same, results are wrong or the framework refuses.
    """

    reads: ClassVar[Dialect | None] = None
    """The dialect by which gradients are converted back, if not ``dialect``."""

    def __init__(self, device: str) -> None:
        super().__init__("cpu")
        if "cpu" not in self.native.arithmetic:  # it is NumPy all the same
            self.kind = "cuda"

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        spec = inputs.spec
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, spec, inputs.dtype, lengths, self.kind):
            raise Unsupported(why)
        cell = self.dialect.cells[spec.cell]
        rows = self._rows(inputs)
        ends = None if inputs.lengths is None else inputs.lengths[rows]

        def kept(states: dict[str, Array | None]) -> list[Any]:
            whole = [states[name] for name in self._order(spec)]
            return [None if state is None else state[:, rows] for state in whole]

        incoming = None
        if inputs.incoming is not None:
            dy, dh_n, dc_n = inputs.incoming
            d = batched(dy, spec)[rows]
            if self.dialect.padded_outputs == "previous":
                d = masked(d, ends)
            if self.dialect.reverse_outputs == "processing order":
                d = turned(d, spec, ends)
            incoming = (batched(d, spec), kept({"h": dh_n, "c": dc_n}))
        given = Given(
            [[convert(spec, cell, w) for w in layer] for layer in inputs.params],
            inputs.x[rows] if spec.batch_first else inputs.x[:, rows],
            kept({"h": inputs.h0, "c": inputs.c0}),
            ends,
            incoming,
        )
        return lambda: self._framework(inputs, given)

    def fetch(self, inputs: Any, raw: Any) -> Result:
        if not isinstance(raw, Returned):  # a network or training, which know no layouts
            return super().fetch(inputs, raw)
        spec, rows = inputs.spec, self._rows(inputs)
        order = self._order(spec)
        over = 0 if spec.batch_first else 1
        found: dict[str, Array | None] = {"y": filled(raw.y, rows, over, None)}
        for name, state in zip(order, raw.states, strict=True):
            initial = inputs.h0 if name == "h" else inputs.c0
            found[f"{name}_n"] = filled(state, rows, 1, initial)
        if inputs.incoming is not None:
            found["dx"] = filled(raw.dx, rows, over, None)
            for name, d in zip(order, raw.dstates, strict=True):
                by_final = inputs.incoming.h_n if name == "h" else inputs.incoming.c_n
                found[f"d{name}0"] = None if d is None else filled(d, rows, 1, by_final)
            found |= named(self._canonical(inputs, raw.dstored), "dparams")
        return super().fetch(inputs, {name: a for name, a in found.items() if a is not None})

    def _canonical(self, inputs: Inputs, dstored: Sequence[Sequence[list[Block]]]) -> Params:
        cell = (self.reads or self.dialect).cells[inputs.spec.cell]
        return tuple(
            tuple(
                gradients(inputs.spec, cell, w, blocks)
                for w, blocks in zip(weights, stored, strict=True)
            )
            for weights, stored in zip(inputs.params, dstored, strict=True)
        )

    def _order(self, spec: Spec) -> str:
        return self.dialect.state if spec.cell == "lstm" else "h"

    def _rows(self, inputs: Inputs) -> Array:
        """The rows that the framework is given."""
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        if inputs.lengths is None or self.dialect.zero_length == "runs":
            return np.ones(batch, bool)
        return inputs.lengths > 0

    def _framework(self, inputs: Inputs, given: Given) -> Returned:
        """The framework behind the adapter, which knows ``native`` alone."""
        native, ends = self.native, given.ends
        spec = native_spec(native, inputs.spec)
        if ends is not None and (ends == 0).any() and native.zero_length != "runs":
            raise ValueError("lengths must be positive")
        cell = native.cells[spec.cell]
        params = tuple(
            tuple(read(cell, spec, layer, blocks) for blocks in by_direction)
            for layer, by_direction in enumerate(given.stored)
        )
        order = native.state if spec.cell == "lstm" else "h"
        states = dict(zip(order, given.states, strict=True))
        incoming = None
        if given.incoming is not None:
            dy, dstates = given.incoming
            d = dict(zip(order, dstates, strict=True))
            incoming = Output(native_incoming(native, spec, ends, dy), d["h"], d.get("c"))
        raw = self.compute(
            replace(inputs, spec=replace(spec, bias=True), params=params, x=given.x,
                    h0=states["h"], c0=states.get("c"), lengths=ends, incoming=incoming)
        )  # fmt: skip
        y = native_outputs(native, spec, ends, raw["y"])
        final = [raw[f"{name}_n"] for name in order]
        if incoming is None:
            return Returned(y, final)
        dstored = [
            [
                as_stored(cell, spec, weights_of(raw, layer, k), blocks)
                for k, blocks in enumerate(by)
            ]
            for layer, by in enumerate(given.stored)
        ]
        return Returned(y, final, raw["dx"], [raw.get(f"d{name}0") for name in order], dstored)


class LaidOutTensorFlow(LaidOut):
    """A fake with the layout of TensorFlow's legacy cells."""

    native = dialect = TENSORFLOW_LEGACY


class LaidOutUnrolled(LaidOut):
    """A fake with the layout of our TensorFlow cells."""

    native = dialect = TENSORFLOW_UNROLLED


class LaidOutPyTorch(LaidOut):
    """A fake with the layout of PyTorch's modules."""

    native = dialect = PYTORCH


class LaidOutJax(LaidOut):
    """A fake with the layout of our JAX cells."""

    native = dialect = JAX


class LaidOutJaxVjp(LaidOut):
    """A fake with the layout of our JAX cells whose batch is last."""

    native = dialect = JAX_VJP


class LaidOutJaxCudnn(LaidOut):
    """A fake with the layout of cuDNN's LSTM in JAX."""

    native = dialect = JAX_CUDNN


class LaidOutTensorFlowCudnn(LaidOut):
    """A fake with the layout of cuDNN's kernels in TensorFlow."""

    native = dialect = TENSORFLOW_CUDNN


class LaidOutKeras(LaidOut):
    """A fake with a layout that no listed framework has."""

    native = dialect = KERAS_LIKE

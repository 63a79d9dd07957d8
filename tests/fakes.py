"""Backends made of the specification alone: one that is right, and many that are wrong on purpose.

They need no framework. ``Right`` and whatever derives from it run ``reference.run`` in the case's
own dtype; ``LaidOut`` stores its weights as a dialect says, and computes as another one says.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from backends import Backend, DeviceNotFound, Dialect, Inputs, Result, Unsupported
from backends.dialects import (
    JAX_SCAN,
    PYTORCH,
    TENSORFLOW_LEGACY,
    CellDialect,
    unsupported,
)
from backends.layouts import Block, convert
from conformance.draw import rounded
from conformance.truth import truth
from reference import GATES, Array, Spec, Weights, run
from reference.rounding import floored

TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16,
         "bfloat16": np.float32}  # fmt: skip
"""NumPy has no bfloat16: float32, with results rounded to 8 bits, is a correct one too."""

TINY = 1e-30
"""Nothing next to any bound, and yet not 0."""


class Right(Backend):
    """The specification itself, in the case's dtype; what is wrong is wrong by one method."""

    dialect = JAX_SCAN
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    kernel: ClassVar[type[Array]] = np.ndarray
    """The type of its weight matrices, which says how they multiply."""

    def __init__(self, device: str) -> None:
        if device != "cpu":
            raise DeviceNotFound(f"device {device!r}: NumPy found ['cpu']")
        self.settings: dict[str, str] = {"precision": "highest"}
        self.framework_defaults: dict[str, str] = {"precision": "whatever"}

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, inputs.spec, inputs.dtype, lengths):
            raise Unsupported(why)
        return lambda: self.compute(self.seen(inputs))

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        arrays = {k: rounded(a.astype(np.float64), inputs.dtype) for k, a in raw.items()}
        dtypes = dict.fromkeys(arrays, inputs.dtype)
        return self.spoilt(inputs, Result(arrays["y"], arrays["h_n"], arrays.get("c_n"), dtypes))

    def ran(self, inputs: Inputs) -> str:
        return "reference.run"

    def seen(self, inputs: Inputs) -> Inputs:
        """What it makes of the inputs."""
        return inputs

    def compute(self, inputs: Inputs) -> dict[str, Array]:
        """The specification in the dtype of ``inputs``."""
        kind = TYPES[inputs.dtype]

        def cast(a: Array | None) -> Array | None:
            return None if a is None else a.astype(kind)

        params = tuple(
            tuple(
                Weights(
                    w.W_ih.astype(kind).view(self.kernel),
                    w.W_hh.astype(kind).view(self.kernel),
                    cast(w.b_ih),
                    cast(w.b_hh),
                )
                for w in layer
            )
            for layer in inputs.params
        )
        found = run(inputs.spec, params, inputs.x.astype(kind), h0=cast(inputs.h0),
                    c0=cast(inputs.c0), lengths=inputs.lengths)  # fmt: skip
        return {name: a for name, a in found._asdict().items() if a is not None}

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        """What it makes of its results."""
        return result


# Wrong numbers.


class SlightlyWrong(Right):
    """Every output off by 1e-5 of itself: any tolerance in use lets it pass."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(y=rounded(result.y * (1 + 1e-5), inputs.dtype))


class ForgetBiasIgnored(Right):
    """An option accepted and ignored."""

    def seen(self, inputs: Inputs) -> Inputs:
        return replace(inputs, spec=replace(inputs.spec, forget_bias=0.0))


class LengthsIgnored(Right):
    """It runs over the padding."""

    def seen(self, inputs: Inputs) -> Inputs:
        return replace(inputs, lengths=None)


class OneElementOff(Right):
    """The middle element of the outputs is off by 1e-4, all others are right."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        y = result.y.copy()
        y[tuple(n // 2 for n in y.shape)] += 1e-4
        return result._replace(y=y)


class Drift(Right):
    """Every output 3 radii too large: inside every bound, and yet no rounding does that."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        t = truth(inputs)
        inexact = ~t.exact["y"]
        sigma = floored(t.radii(inputs.dtype)["y"].sigma, inexact)
        return result._replace(y=t.values["y"] + 3 * sigma * inexact)


class PaddingNotZero(Right):
    """It leaves next to nothing, but not 0, in the padding."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(y=result.y + TINY * truth(inputs).exact["y"])


class EmptyRowsChange(Right):
    """The states of rows of length 0 are next to the initial ones, but not those."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        h = result.h_n.copy()
        empty = truth(inputs).exact["h_n"]
        h[empty] = np.nextafter(h[empty], np.inf)
        return result._replace(h_n=h)


class ReturnsNaN(Right):
    """One output is NaN."""

    value = np.nan

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        y = result.y.copy()
        y[0, 0, 0] = self.value
        return result._replace(y=y)


class ReturnsInfinity(ReturnsNaN):
    """One output is infinite."""

    value = np.inf


# Wrong shapes, dtypes and manners.


class WrongShape(Right):
    """Batch and time exchanged."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(y=np.swapaxes(result.y, 0, 1))


class WrongDtype(Right):
    """The right numbers, in a wider dtype than it was asked for."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(dtypes=result.dtypes | {"h_n": "float64"})


class CellStateMissing(Right):
    """It keeps the LSTM's c to itself."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(c_n=None)


class CellStateExtra(Right):
    """It returns a c for cells that have none."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(c_n=result.h_n)


class Raises(Right):
    """It fails, as frameworks do."""

    def seen(self, inputs: Inputs) -> Inputs:
        raise RuntimeError("kernel launch failed")


class ChangesItsInput(Right):
    """It works in place, on arrays that are not its own."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        inputs.x[..., 0] = 0
        return result


class Refuses(Right):
    """It cannot run the network, and says why."""

    def seen(self, inputs: Inputs) -> Inputs:
        raise Unsupported("cell: its kernels are not for today")


class DeclaresLess(Right):
    """It could run every direction, and declares one."""

    dialect = replace(JAX_SCAN, directions=("forward",))


# Wrong arithmetic.


class Float32AsFloat64(Right):
    """float64 asked for, float32 computed, and float64 returned."""

    def compute(self, inputs: Inputs) -> dict[str, Array]:
        return super().compute(replace(inputs, dtype="float32"))


class Kernel(np.ndarray):
    """A weight matrix that multiplies in its own way; what comes out is a plain array."""

    @staticmethod
    def product(a: Array, b: Array) -> Array:
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(i) for i in inputs]
        if ufunc is np.matmul:
            return self.product(*plain)
        return getattr(ufunc, method)(*plain, **kwargs)


def shortened(a: Array, bits: int) -> Array:
    """``a`` in its own dtype, rounded to so many significant bits."""
    mantissa, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


class Tf32Kernel(Kernel):
    """Operands of 11 significant bits."""

    @staticmethod
    def product(a: Array, b: Array) -> Array:
        return shortened(a, 11) @ shortened(b, 11)


class Bfloat16Kernel(Kernel):
    """Operands of 8 significant bits."""

    @staticmethod
    def product(a: Array, b: Array) -> Array:
        return shortened(a, 8) @ shortened(b, 8)


class SequentialKernel(Kernel):
    """One product after the other is added to the sum, and the sum rounded each time."""

    @staticmethod
    def product(a: Array, b: Array) -> Array:
        total = np.zeros((*a.shape[:-1], b.shape[-1]), a.dtype)
        for k in range(a.shape[-1]):
            total += a[..., k, None] * b[..., k, :]
        return total


class Tf32Products(Right):
    """float32 that multiplies in TF32, as cuDNN does unless told not to."""

    kernel = Tf32Kernel


class Bfloat16Products(Right):
    """float32 that multiplies in bfloat16."""

    kernel = Bfloat16Kernel


class Float16Sums(Right):
    """It adds up in the dtype itself, and declares that it adds up in float32."""

    kernel = SequentialKernel


class Float16SumsDeclared(Float16Sums):
    """It adds up in the dtype itself, and says so."""

    dialect = replace(JAX_SCAN, arithmetic={**JAX_SCAN.arithmetic, "float16": "float16-throughout"})


# For the front end.


class Crashes(Right):
    """It takes the process down on two-layer networks."""

    def seen(self, inputs: Inputs) -> Inputs:
        if inputs.spec.num_layers == 2:
            os.abort()
        return inputs


class Interrupted(Right):
    """Somebody presses Ctrl-C while its fourth case runs."""

    cases = 0

    def seen(self, inputs: Inputs) -> Inputs:
        self.cases += 1
        if self.cases == 4:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
            os.kill(os.getpid(), signal.SIGINT)
        return inputs


# Its own layout.

KERAS_LIKE = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=True, transposed=False, biases=1, bias_optional=True,
            forget_bias="",
        ),
        "gru": CellDialect(
            blocks=("n", "zr"), joined=False, transposed=True, biases=2, bias_optional=False,
            forget_bias="", reset=("after", "before"), update="takes",
        ),
        "lstm": CellDialect(
            blocks=("oi", "gf"), joined=True, transposed=False, biases=2, bias_optional=False,
            forget_bias="run time",
        ),
    },
    directions=("reverse", "bidirectional"),
    state="ch", padded_outputs="previous", reverse_outputs="processing order",
    zero_length="refused", arithmetic=JAX_SCAN.arithmetic,
)  # fmt: skip
"""The values that no framework in the list declares so far."""


class LaidOut(Right):
    """A framework that works as ``native`` says, with an adapter that believes ``dialect``.

    The adapter undoes what ``dialect`` declares and nothing else; so where the two are not the
    same, results are wrong or the framework refuses.
    """

    native: ClassVar[Dialect]

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, inputs.spec, inputs.dtype, lengths):
            raise Unsupported(why)
        cell = self.dialect.cells[inputs.spec.cell]
        stored = [[convert(inputs.spec, cell, w) for w in layer] for layer in inputs.params]
        rows = self._rows(inputs)
        order = self.dialect.state if inputs.spec.cell == "lstm" else "h"
        given = {"h": inputs.h0, "c": inputs.c0}
        states = [None if given[name] is None else given[name][:, rows] for name in order]
        ends = None if inputs.lengths is None else inputs.lengths[rows]
        x = inputs.x[rows] if inputs.spec.batch_first else inputs.x[:, rows]
        return lambda: self._framework(inputs, stored, x, states, ends)

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        y, *final = raw
        order = self.dialect.state if inputs.spec.cell == "lstm" else "h"
        states = {f"{name}_n": state for name, state in zip(order, final, strict=True)}
        rows = self._rows(inputs)
        if not rows.all():
            y = _filled(y, rows, 0 if inputs.spec.batch_first else 1, None)
            for name, initial in (("h_n", inputs.h0), ("c_n", inputs.c0)):
                if name in states:
                    states[name] = _filled(states[name], rows, 1, initial)
        return super().fetch(inputs, {"y": y, **states})

    def _rows(self, inputs: Inputs) -> Array:
        """The rows that the framework is given."""
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        if inputs.lengths is None or self.dialect.zero_length == "runs":
            return np.ones(batch, bool)
        return inputs.lengths > 0

    def _framework(
        self,
        inputs: Inputs,
        stored: list[list[list[Block]]],
        x: Array,
        states: list[Array | None],
        ends: Array | None,
    ) -> tuple[Array, ...]:
        """The framework behind the adapter, which knows ``native`` alone."""
        native = self.native
        spec = _native_spec(native, inputs.spec)
        if ends is not None and (ends == 0).any() and native.zero_length == "refused":
            raise ValueError("lengths must be positive")
        params = tuple(
            tuple(_read(native.cells[spec.cell], spec, layer, blocks) for blocks in by_direction)
            for layer, by_direction in enumerate(stored)
        )
        order = native.state if spec.cell == "lstm" else "h"
        named = dict(zip(order, states, strict=True))
        raw = self.compute(replace(inputs, spec=replace(spec, bias=True), params=params, x=x,
                                   h0=named["h"], c0=named.get("c"), lengths=ends))  # fmt: skip
        y = _native_outputs(native, spec, ends, raw["y"])
        return y, *(raw[f"{name}_n"] for name in order)


def _native_spec(native: Dialect, spec: Spec) -> Spec:
    """What a framework of ``native`` makes of ``spec``: it has no other directions and resets."""
    cell = native.cells[spec.cell]
    if spec.direction not in native.directions:
        raise ValueError(f"no direction {spec.direction}")
    if spec.cell == "gru" and spec.reset not in cell.reset:
        return replace(spec, reset=cell.reset[0])
    return replace(spec, forget_bias=spec.forget_bias if cell.forget_bias == "run time" else 0.0)


def _read(cell: CellDialect, spec: Spec, layer: int, blocks: list[Block]) -> Weights:
    """Stored blocks as the framework reads them, gate by gate; refuses what has another shape."""
    size, width = spec.hidden_size, spec.layer_input_size(layer)
    parts: dict[str, dict[str, Array]] = {name: {} for name in Weights._fields}
    for names, block in zip(cell.blocks, blocks, strict=True):
        rows = len(names) * size
        kernel, recurrent = block.kernel, block.recurrent
        if cell.joined:
            _fits(recurrent, None)
            _fits(kernel, (width + size, rows) if cell.transposed else (rows, width + size))
            kernel, recurrent = np.split(kernel, [width], axis=0 if cell.transposed else 1)
        else:
            _fits(kernel, (width, rows) if cell.transposed else (rows, width))
            _fits(recurrent, (size, rows) if cell.transposed else (rows, size))
        if block.bias is not None or not cell.bias_optional:
            _fits(block.bias, (rows,))
            _fits(block.recurrent_bias, (rows,) if cell.biases == 2 else None)
        none = np.zeros(rows)
        whole = Weights(
            kernel.T if cell.transposed else kernel,
            recurrent.T if cell.transposed else recurrent,
            none if block.bias is None else block.bias,
            none if block.recurrent_bias is None else block.recurrent_bias,
        )
        for field, value in whole._asdict().items():
            parts[field] |= dict(zip(names, np.split(value, len(names)), strict=True))
    if cell.update == "takes":  # h' = z n + (1 - z) h, and 1 - σ(a) = σ(-a)
        for by_gate in parts.values():
            by_gate["z"] = -by_gate["z"]
    return Weights(*(np.concatenate([p[g] for g in GATES[spec.cell]]) for p in parts.values()))


def _fits(value: Array | None, shape: tuple[int, ...] | None) -> None:
    found = None if value is None else value.shape
    if found != shape:
        raise ValueError(f"stored array: shape {found} given, expected {shape}")


def _native_outputs(native: Dialect, spec: Spec, ends: Array | None, y: Array) -> Array:
    """Canonical outputs as a framework of ``native`` returns them."""
    rows = [a.copy() for a in (y if spec.batch_first else np.swapaxes(y, 0, 1))]
    for row, end in zip(rows, [len(rows[0])] * len(rows) if ends is None else ends, strict=True):
        back = {"forward": 0, "bidirectional": spec.hidden_size}.get(spec.direction, row.shape[1])
        start = row.shape[1] - back
        if native.reverse_outputs == "processing order" and spec.direction != "forward":
            row[:end, start:] = np.flip(row[:end, start:], axis=0).copy()
        if native.padded_outputs == "previous" and end:
            row[end:] = row[end - 1]
    return np.stack(rows, axis=0 if spec.batch_first else 1)


def _filled(kept: Array, rows: Array, axis: int, initial: Array | None) -> Array:
    """``kept`` with the rows that were left out put back: initial states, or 0."""
    shape = [*kept.shape]
    shape[axis] = len(rows)
    whole = np.zeros(shape) if initial is None else initial.copy()
    np.moveaxis(whole, axis, 0)[rows] = np.moveaxis(kept, axis, 0)
    return whole


class LaidOutTensorFlow(LaidOut):
    """As TensorFlow's legacy cells are."""

    native = dialect = TENSORFLOW_LEGACY


class LaidOutPyTorch(LaidOut):
    """As PyTorch's modules are."""

    native = dialect = PYTORCH


class LaidOutJax(LaidOut):
    """As our JAX cells are."""

    native = dialect = JAX_SCAN


class LaidOutKeras(LaidOut):
    """As no framework in the list is."""

    native = dialect = KERAS_LIKE

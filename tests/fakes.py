"""Backends made of the specification alone: one that is right, and many that are wrong on purpose.

They need no framework: ``Right`` and whatever derives from it run the reference in the case's own
dtype. Here are those that are wrong in a recurrent network's outputs; ``wrong_gradients.py`` has
those that are wrong in gradients, networks and training, ``laid_out.py`` those with layouts of
their own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from backends import (
    Backend,
    DeviceNotFound,
    Dialect,
    Inputs,
    NetworkInputs,
    Result,
    TrainingInputs,
    Unsupported,
)
from backends.dialects import JAX_SCAN, unsupported
from conformance.draw import rounded
from conformance.evaluate import AnyInputs, evaluate
from conformance.truth import truth
from reference import Array
from reference.networks.layers import Data, Recurrent
from reference.networks.network import differentiate
from reference.networks.optimisers import Adam
from reference.networks.training import train
from reference.rounding import floored
from reference.trees import each, named

TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16,
         "bfloat16": np.float32}  # fmt: skip
"""NumPy has no bfloat16: float32, with results rounded to 8 bits, is a correct one too."""

TINY = 1e-30
"""Nothing next to any bound, and yet not 0."""


class Right(Backend):
    """The specification itself, in the case's dtype; what is wrong is wrong by one method."""

    dialect = JAX_SCAN
    native: ClassVar[Dialect] = JAX_SCAN
    """How it works, whatever ``dialect`` says; of this class, how it trains."""
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

    def fetch(self, inputs: AnyInputs, raw: Any) -> Result:
        arrays = {k: rounded(a.astype(np.float64), inputs.dtype) for k, a in raw.items()}
        return self.spoilt(inputs, Result(arrays, dict.fromkeys(arrays, inputs.dtype)))

    def run_network(self, inputs: NetworkInputs) -> Result:
        return self.fetch(inputs, self.compute(self.seen(inputs)))

    def train(self, inputs: TrainingInputs) -> Result:
        return self.fetch(inputs, self.compute(self.seen(optimised(inputs, self.native))))

    def ran(self, inputs: AnyInputs) -> str:
        return RAN[type(inputs)]

    def seen(self, inputs: Any) -> Any:
        """What it makes of the inputs."""
        return inputs

    def compute(self, inputs: AnyInputs) -> dict[str, Array]:
        """The specification in the dtype of ``inputs``."""
        kind = TYPES[inputs.dtype]
        forward = isinstance(inputs, Inputs) and inputs.incoming is None
        if not forward and inputs.dtype == "float16":
            kind = np.float32  # plain sums, over batch and time, NumPy adds up in float16

        def cast(a: Array) -> Array:
            return a.astype(kind).view(self.kernel if a.ndim == 2 else np.ndarray)

        match inputs:
            case NetworkInputs():
                return differentiated(inputs, cast)
            case TrainingInputs():
                return trained(inputs, cast)
        return evaluate(inputs, cast)

    def spoilt(self, inputs: Any, result: Result) -> Result:
        """What it makes of its results."""
        return result


RAN: dict[type, str] = {
    Inputs: "reference.run",
    NetworkInputs: "reference.networks.network.differentiate",
    TrainingInputs: "reference.networks.training.train",
}


def optimised(inputs: TrainingInputs, native: Dialect) -> TrainingInputs:
    """``inputs`` with the optimiser, the clipping and the biases that a framework of ``native`` has."""
    optimiser, clip = inputs.optimiser, inputs.clip
    if isinstance(optimiser, Adam):
        optimiser = replace(optimiser, placement=native.adam_epsilon)
    one_bias = {k for k, layer in enumerate(inputs.network)
                if isinstance(layer, Recurrent) and native.cells[layer.spec.cell].biases == 1}  # fmt: skip
    fixed = tuple(name for name in named(inputs.params, "params")
                  if name.endswith(".b_hh") and int(name[7]) in one_bias)  # fmt: skip
    return replace(inputs, optimiser=optimiser, fixed=fixed,
                   clip=clip and replace(clip, epsilon=native.clip_epsilon))  # fmt: skip


Cast = Callable[[Array], Array]


def differentiated(inputs: NetworkInputs, cast: Cast) -> dict[str, Array]:
    """The specification of a whole network; a free-running decoder feeds its own words."""
    params, data = each(cast, inputs.params), cast_numbers(inputs.data, cast)
    found = differentiate(inputs.network, params, data)
    tensors = {"y": found.y, "loss": found.loss} | ({} if found.x is None else {"dx": found.x})
    return tensors | named(found.params, "dparams")


def trained(inputs: TrainingInputs, cast: Cast) -> dict[str, Array]:
    """The specification of training."""
    params = each(cast, inputs.params)
    batches = [cast_numbers(batch, cast) for batch in inputs.batches]
    losses, params = train(
        inputs.network, params, batches, inputs.optimiser, inputs.clip, inputs.fixed
    )
    return {"loss": losses} | named(params, "params")


def cast_numbers(data: Data, cast: Cast) -> Data:
    """``data`` with its numbers cast; words and classes stay."""
    return each(lambda a: cast(a) if a.dtype.kind == "f" else a, data)


def changed(result: Result, **tensors: Array | None) -> Result:
    """``result`` with other tensors; without those that are None."""
    kept = {name: a for name, a in {**result.tensors, **tensors}.items() if a is not None}
    dtype = next(iter(result.dtypes.values()))
    return Result(kept, {name: result.dtypes.get(name, dtype) for name in kept})


# Wrong numbers.


class SlightlyWrong(Right):
    """Every output off by 1e-5 of itself: any tolerance in use lets it pass."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, y=rounded(result.tensors["y"] * (1 + 1e-5), inputs.dtype))


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
        y = result.tensors["y"].copy()
        y[tuple(n // 2 for n in y.shape)] += 1e-4
        return changed(result, y=y)


class Drift(Right):
    """Every output 3 radii too large: inside every bound, and yet no rounding does that."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        t = truth(inputs)
        inexact = ~t.exact["y"]
        sigma = floored(t.radii(inputs.dtype)["y"].sigma, inexact)
        return changed(result, y=t.values["y"] + 3 * sigma * inexact)


class PaddingNotZero(Right):
    """It leaves next to nothing, but not 0, in the padding."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, y=result.tensors["y"] + TINY * truth(inputs).exact["y"])


class EmptyRowsChange(Right):
    """The states of rows of length 0 are next to the initial ones, but not those."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        h = result.tensors["h_n"].copy()
        empty = truth(inputs).exact["h_n"]
        h[empty] = np.nextafter(h[empty], np.inf)
        return changed(result, h_n=h)


class ReturnsNaN(Right):
    """One output is NaN."""

    value = np.nan

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        y = result.tensors["y"].copy()
        y[0, 0, 0] = self.value
        return changed(result, y=y)


class ReturnsInfinity(ReturnsNaN):
    """One output is infinite."""

    value = np.inf


# Wrong shapes, dtypes and manners.


class WrongShape(Right):
    """Batch and time exchanged."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, y=np.swapaxes(result.tensors["y"], 0, 1))


class WrongDtype(Right):
    """The right numbers, in a wider dtype than it was asked for."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return result._replace(dtypes=result.dtypes | {"h_n": "float64"})


class CellStateMissing(Right):
    """It keeps the LSTM's c to itself."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, c_n=None)


class CellStateExtra(Right):
    """It returns a c for cells that have none."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, c_n=result.tensors["h_n"])


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

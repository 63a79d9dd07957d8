"""Backends made of the specification alone: one that is right, and many that are wrong on purpose.

They need no framework: ``Right`` and whatever derives from it run the reference in the case's own
dtype. Here are those that are wrong in a recurrent network's outputs; ``wrong_gradients.py`` has
those that are wrong in gradients, networks and training, ``dialect_fakes.py`` those with layouts of
their own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from backends import (
    AnyInputs,
    Dialect,
    Inputs,
    NetworkInputs,
    Result,
    TrainingInputs,
    Unsupported,
)
from backends.dialects import JAX, fixed_parameters
from backends.dtypes import rounded
from conformance.cases.extremes import LEAST
from conformance.evaluate import evaluate
from conformance.specification import TYPES, Specification
from conformance.truth import truth
from reference import Array
from reference.networks.optimisers import Adam

TINY = 1e-30
"""Nothing next to any bound, and yet not 0."""


class Right(Specification):
    """The specification itself, in the case's dtype; what is wrong is wrong by one method."""

    dialect = JAX
    native: ClassVar[Dialect] = JAX
    """How it works, whatever ``dialect`` says; of this class, how it trains."""
    kernel: ClassVar[type[Array]] = np.ndarray
    """The type of its weight matrices, which says how they multiply."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.settings = {"precision": "highest"}
        self.framework_defaults = {"precision": "whatever"}

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        self.refuse(inputs)
        return lambda: self.compute(self.seen(inputs))

    def fetch(self, inputs: AnyInputs, raw: Any) -> Result:
        return self.spoilt(inputs, super().fetch(inputs, raw))

    def run_network(self, inputs: NetworkInputs) -> Result:
        return self.fetch(inputs, self.compute(self.seen(inputs)))

    def train(self, inputs: TrainingInputs) -> Result:
        return self.fetch(inputs, self.compute(self.seen(optimised(inputs, self.native))))

    def seen(self, inputs: Any) -> Any:
        """Return the inputs as the fake changes them."""
        return inputs

    def compute(self, inputs: AnyInputs) -> dict[str, Array]:
        """The specification in the dtype of ``inputs``, by its own kernel."""
        kind = TYPES[inputs.dtype]
        if inputs.dtype == "float16" and isinstance(inputs, Inputs) and inputs.incoming is None:
            kind = np.float16  # not with gradients, whose plain sums NumPy adds up in float16
        return evaluate(
            inputs, lambda a: a.astype(kind).view(self.kernel if a.ndim == 2 else np.ndarray)
        )

    def spoilt(self, inputs: Any, result: Result) -> Result:
        """Return the results as the fake changes them."""
        return result


def optimised(inputs: TrainingInputs, native: Dialect) -> TrainingInputs:
    """``inputs`` with the optimiser, the clipping and the biases that a framework of ``native`` has."""
    optimiser, clip = inputs.optimiser, inputs.clip
    if isinstance(optimiser, Adam):
        optimiser = replace(optimiser, placement=native.adam_epsilon)
    fixed = fixed_parameters(native, inputs.network, inputs.params)
    return replace(inputs, optimiser=optimiser, fixed=fixed,
                   clip=clip and replace(clip, epsilon=native.clip_epsilon))  # fmt: skip


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
    """A backend that computes on the padding too."""

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
        y = truth(inputs).expected(inputs.dtype)["y"]
        return changed(result, y=y.value + 3 * y.sigma * ~y.exact)


class PaddingNotZero(Right):
    """A backend that leaves tiny values in the padding."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(
            result, y=result.tensors["y"] + TINY * truth(inputs).expected(inputs.dtype)["y"].exact
        )


class EmptyRowsChange(Right):
    """The states of rows of length 0 are next to the initial ones, but not those."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        h = result.tensors["h_n"].copy()
        empty = truth(inputs).expected(inputs.dtype)["h_n"].exact
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
    """A backend that does not return the LSTM's c."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, c_n=None)


class CellStateExtra(Right):
    """A backend that returns a c for cells without one."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, c_n=result.tensors["h_n"])


class Raises(Right):
    """A backend that raises, like frameworks."""

    def seen(self, inputs: Inputs) -> Inputs:
        raise RuntimeError("kernel launch failed")


class ChangesItsInput(Right):
    """A backend that writes to its input."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        inputs.x[..., 0] = 0
        return result


class Refuses(Right):
    """A backend that refuses every network with a reason."""

    def seen(self, inputs: Inputs) -> Inputs:
        raise Unsupported("cell: its kernels are not for today")


class DeclaresLess(Right):
    """A backend that declares one direction only."""

    dialect = replace(JAX, directions=("forward",))


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
    """float32 matmuls in TF32, which is cuDNN's default."""

    kernel = Tf32Kernel


class Bfloat16Products(Right):
    """float32 that multiplies in bfloat16."""

    kernel = Bfloat16Kernel


class Float16Sums(Right):
    """A backend that sums in float16 and declares float32."""

    kernel = SequentialKernel


class Float16SumsDeclared(Float16Sums):
    """A backend that sums in float16 and declares it."""

    dialect = replace(JAX, arithmetic={"cpu": {"float16": "float16-throughout"}})


# For the front end.


class Crashes(Right):
    """A backend that aborts the process on two-layer networks."""

    def seen(self, inputs: Inputs) -> Inputs:
        if inputs.spec.num_layers == 2:
            os.abort()
        return inputs


class Aborts(Right):
    """A backend that aborts the process at once."""

    def seen(self, inputs: Inputs) -> Inputs:
        os.abort()


class CrashesSeldom(Right):
    """A backend that aborts the process where weights are denormal and the input is 0."""

    def seen(self, inputs: Inputs) -> Inputs:
        W = np.abs(inputs.params[0][0].W_ih)
        if not np.nan_to_num(inputs.x).any() and 0 < W.max() < LEAST[inputs.dtype]:
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


class Slow(Right):
    """A backend that is slow enough to be interrupted."""

    def seen(self, inputs: Inputs) -> Inputs:
        time.sleep(0.02)
        return inputs


class Waits(Right):
    """Computes for 20 ms; where the side of a comparison is called slower, it waits as long before it does."""

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        call = super().load(inputs)

        def waits() -> Any:
            if "slower" in os.environ.get("PYTHONPATH", ""):
                time.sleep(0.02)
            until = time.process_time() + 0.02
            while time.process_time() < until:
                pass
            return call()

        return waits


class TwiceAsSlow(Right):
    """A backend that takes twice as long on the side named "slower"."""

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        call = super().load(inputs)
        if "slower" not in os.environ.get("PYTHONPATH", ""):
            return call
        call()
        started = time.perf_counter()
        call()
        wait = time.perf_counter() - started

        def slower() -> Any:
            result = call()
            until = time.perf_counter() + wait
            while time.perf_counter() < until:  # busy, as a slower kernel is
                pass
            return result

        return slower

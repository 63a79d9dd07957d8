"""The machines: the equations on NumPy arithmetics that are right, and that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np

from backends import Inputs, Result, Unsupported
from backends.dtypes import rounded
from conformance.evaluate import Tensors, evaluate
from reference import Array
from reference.cells import sigmoid
from reference.rounding import ARITHMETICS, Rounding

Implementation: TypeAlias = Callable[[Inputs], Result]
"""Whatever runs a network, as ``Backend.run`` does; raises ``Unsupported``."""
Operation: TypeAlias = Callable[..., Array]


@dataclass(frozen=True)
class Machine:
    """NumPy's own arithmetic in the inputs' dtype, with some operations replaced.

    A 16-bit type is computed in float32, and every result is rounded to it.
    """

    operations: Mapping[str, Operation] = field(default_factory=dict)
    """By the name of NumPy's, or ``sigmoid``."""
    compute: str = ""
    """The dtype that it computes in, whatever the inputs' is."""
    forget_bias: float = 1.0
    """A factor on it."""

    def __call__(self, inputs: Inputs) -> Result:
        spec = replace(inputs.spec, forget_bias=inputs.spec.forget_bias * self.forget_bias)
        sixteen = inputs.dtype.endswith("16")
        compute = self.compute or ("float32" if sixteen else inputs.dtype)
        stored = partial(rounded, dtype=inputs.dtype) if sixteen else np.asarray
        return _make_result(
            evaluate(
                replace(inputs, spec=spec),
                lambda a: _machine_array(np.asarray(a, compute), self.operations, stored),
            ),
            inputs.dtype,
        )


class _MachineArray(np.ndarray[Any, Any]):
    """An array whose operations are those of a ``Machine``; every result is ``stored``."""

    operations: Mapping[str, Operation]
    stored: Operation

    def __array_finalize__(self, other: Any) -> None:
        self.operations = getattr(other, "operations", {})
        self.stored = getattr(other, "stored", np.asarray)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [i.view(np.ndarray) if isinstance(i, _MachineArray) else i for i in inputs]
        if method != "__call__":  # of the argument checks, which ask and do not compute
            return getattr(ufunc, method)(*plain, **kwargs)
        result = self.operations.get(ufunc.__name__, ufunc)(*plain)
        return result if result.dtype == bool else self.like(result)

    def like(self, values: Array) -> _MachineArray:
        """``values``, stored, as an array of the same machine."""
        return _machine_array(self.stored(values), self.operations, self.stored)


def _machine_array(
    values: Array, operations: Mapping[str, Operation], stored: Operation
) -> _MachineArray:
    """``values`` as they are, whose further operations are those given."""
    made = np.asarray(values).view(_MachineArray)
    made.operations, made.stored = operations, stored
    return made


@sigmoid.register
def _(a: _MachineArray) -> _MachineArray:
    return a.like(a.operations.get("sigmoid", sigmoid)(a.view(np.ndarray)))


def _make_result(tensors: Tensors, dtype: str) -> Result:
    """``tensors`` as a backend returns them, all labelled ``dtype``."""
    return Result(
        {name: np.asarray(a, np.float64) for name, a in tensors.items()},
        dict.fromkeys(tensors, dtype),
    )


def sequential_matmul(a: Array, b: Array, stored: Operation = np.asarray) -> Array:
    """a @ b, added up term by term, every partial sum stored."""
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = stored(total + a[..., :, k : k + 1] * b[..., k : k + 1, :])
    return np.asarray(total)


def _run_in_dtype(inputs: Inputs) -> Result:
    """The equations in the inputs' dtype, as NumPy computes them."""
    if inputs.dtype == "float64":
        raise Unsupported("dtype: this is the truth itself")
    return Machine()(inputs)


def run_simulated(inputs: Inputs) -> Result:
    """One sample of the model itself: an implementation exactly as inexact as it may be."""
    if inputs.dtype == "float64":
        raise Unsupported("dtype: noise of float64's size is lost in the float64 that simulates it")
    source = Rounding(ARITHMETICS[inputs.dtype], 1, [0, inputs.x.size])
    sample = evaluate(inputs, source.array)
    return _make_result({k: cast(Any, a).values[0] for k, a in sample.items()}, inputs.dtype)


NUMPY: dict[str, Implementation] = {
    "reference": _run_in_dtype,
    "sequential": Machine({"matmul": sequential_matmul}),
    "simulated": run_simulated,
}
"""Correct, without any framework: the equations in the case's own type; the same with sums in the
worst order; and the model itself."""


def matmul_with_operands(bits_of: str) -> Operation:
    """A matmul of operands that have the significant bits of ``bits_of``."""
    return lambda a, b: np.asarray(rounded(a, bits_of) @ rounded(b, bits_of))


def _matmul_with_accumulator(bits_of: str) -> Operation:
    """A matmul whose partial sums have the significant bits of ``bits_of``."""
    return partial(sequential_matmul, stored=partial(rounded, dtype=bits_of))


WRONG: dict[str, tuple[str, Machine]] = {
    "TF32 matmul operands": ("float32", Machine({"matmul": matmul_with_operands("float16")})),
    "bfloat16 matmul operands": ("float32", Machine({"matmul": matmul_with_operands("bfloat16")})),
    "tanh (1 + 10⁻⁶)": ("float32", Machine({"tanh": lambda a: np.tanh(a) * np.float32(1 + 1e-6)})),
    "sigmoid + 3 · 10⁻⁶": ("float32", Machine({"sigmoid": lambda a: sigmoid(a) + np.float32(3e-6)})),
    "forget bias (1 + 10⁻⁶)": ("float32", Machine(forget_bias=1 + 1e-6)),
    "float16 accumulation": ("float16", Machine({"matmul": _matmul_with_accumulator("float16")})),
    "bfloat16 accumulation": ("bfloat16", Machine({"matmul": _matmul_with_accumulator("bfloat16")})),
    "float32 as float64": ("float64", Machine(compute="float32")),
}  # fmt: skip
"""Wrong arithmetic, and the dtype under whose label it runs."""

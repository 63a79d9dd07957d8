"""Implementations on NumPy: some correct, some wrong on purpose."""

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
"""A function that runs a network, as ``Backend.run`` does; it may raise ``Unsupported``."""
Operation: TypeAlias = Callable[..., Array]


@dataclass(frozen=True)
class Machine:
    """NumPy's own arithmetic in the inputs' dtype, with some operations replaced.

    A 16-bit type is computed in float32, and every result is rounded to it.
    """

    operations: Mapping[str, Operation] = field(default_factory=dict)
    """Replacements by NumPy's name of the operation, or ``sigmoid``."""
    compute: str = ""
    """The dtype to compute in; empty means the inputs' dtype."""
    forget_bias: float = 1.0
    """A factor on the forget bias."""

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
    """An array with the operations of a ``Machine``; every result passes through ``stored``."""

    operations: Mapping[str, Operation]
    stored: Operation

    def __array_finalize__(self, other: Any) -> None:
        self.operations = getattr(other, "operations", {})
        self.stored = getattr(other, "stored", np.asarray)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [i.view(np.ndarray) if isinstance(i, _MachineArray) else i for i in inputs]
        if method != "__call__":  # only argument checks call other methods
            return getattr(ufunc, method)(*plain, **kwargs)
        result = self.operations.get(ufunc.__name__, ufunc)(*plain)
        return result if result.dtype == bool else self.like(result)

    def like(self, values: Array) -> _MachineArray:
        """Store values in an array of the same machine.

        Args:
            values: the values.

        Returns:
            The array.

        """
        return _machine_array(self.stored(values), self.operations, self.stored)


def _machine_array(
    values: Array, operations: Mapping[str, Operation], stored: Operation
) -> _MachineArray:
    """Return the values, unchanged, as an array with the given operations."""
    made = np.asarray(values).view(_MachineArray)
    made.operations, made.stored = operations, stored
    return made


@sigmoid.register
def _(a: _MachineArray) -> _MachineArray:
    return a.like(a.operations.get("sigmoid", sigmoid)(a.view(np.ndarray)))


def _make_result(tensors: Tensors, dtype: str) -> Result:
    """Return the tensors as a backend returns them, all labelled with one dtype."""
    return Result(
        {name: np.asarray(a, np.float64) for name, a in tensors.items()},
        dict.fromkeys(tensors, dtype),
    )


def sequential_matmul(a: Array, b: Array, stored: Operation = np.asarray) -> Array:
    """Multiply matrices term by term, storing every partial sum.

    Args:
        a: an array ``(…, M, K)``.
        b: an array ``(…, K, N)``.
        stored: rounds a partial sum.

    Returns:
        a @ b.

    """
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = stored(total + a[..., :, k : k + 1] * b[..., k : k + 1, :])
    return np.asarray(total)


def _run_in_dtype(inputs: Inputs) -> Result:
    """Run the equations in the inputs' dtype, as NumPy computes them."""
    if inputs.dtype == "float64":
        raise Unsupported("dtype: this is the truth itself")
    return Machine()(inputs)


def run_simulated(inputs: Inputs) -> Result:
    """Return one sample of the rounding model: an implementation exactly as inexact as the model allows.

    Args:
        inputs: the inputs of a recurrent network.

    Returns:
        The result.

    Raises:
        Unsupported: the dtype is float64, in which its own noise cannot be simulated.

    """
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
"""Correct implementations without any framework: the equations in the case's own dtype, the same with sums
in the worst order, and a sample of the rounding model.
"""


def matmul_with_operands(bits_of: str) -> Operation:
    """Make a matmul that rounds its operands to the significant bits of a dtype.

    Args:
        bits_of: the dtype.

    Returns:
        The matmul.

    """
    return lambda a, b: np.asarray(rounded(a, bits_of) @ rounded(b, bits_of))


def _matmul_with_accumulator(bits_of: str) -> Operation:
    """Make a matmul that rounds its partial sums to the significant bits of a dtype."""
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
"""Wrong arithmetic, and the dtype that it claims to be."""

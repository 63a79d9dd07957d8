"""Run the specification as a backend: NumPy in the case's dtype, checked like any framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from backends import (
    AnyInputs,
    Backend,
    DeviceNotFound,
    Inputs,
    NetworkInputs,
    Result,
    TrainingInputs,
)
from backends.dialects import SPECIFICATION, Dialect
from backends.dtypes import rounded
from backends.missing import missing_device
from conformance.evaluate import Tensors, evaluate
from reference import Array

TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float32,
         "bfloat16": np.float32}  # fmt: skip
"""NumPy's dtype for each dtype. NumPy has no bfloat16 and accumulates float16 in float16. Computing in float32
and rounding the results is a correct implementation of both.
"""

RAN: dict[type, str] = {
    Inputs: "reference.run",
    NetworkInputs: "reference.networks.network.differentiate",
    TrainingInputs: "reference.networks.training.train",
}


class Specification(Backend):
    """The specification as a backend. ``--backend conformance.specification:Specification`` shows agreement."""

    dialect: ClassVar[Dialect] = SPECIFICATION
    packages: ClassVar[tuple[str, ...]] = ("numpy",)

    def __init__(self, device: str) -> None:
        if device != "cpu":
            raise DeviceNotFound(missing_device(device, "NumPy", ["cpu"]))
        self.settings: dict[str, str] = {}
        self.framework_defaults: dict[str, str] = {}

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        return lambda: self.compute(inputs)

    def fetch(self, inputs: AnyInputs, raw: Tensors) -> Result:
        arrays = {k: rounded(a.astype(np.float64), inputs.dtype) for k, a in raw.items()}
        return Result(arrays, dict.fromkeys(arrays, inputs.dtype))

    def run_network(self, inputs: NetworkInputs) -> Result:
        return self.fetch(inputs, self.compute(inputs))

    def train(self, inputs: TrainingInputs) -> Result:
        return self.fetch(inputs, self.compute(inputs))

    def ran(self, inputs: AnyInputs) -> str:
        return RAN[type(inputs)]

    def compute(self, inputs: AnyInputs) -> Tensors:
        """Compute every tensor in NumPy's dtype for the inputs' dtype.

        Args:
            inputs: the inputs of a case.

        Returns:
            The tensors by name.

        """
        kind = TYPES[inputs.dtype]

        def cast(a: Array) -> Array:
            return a.astype(kind)

        with np.errstate(over="ignore", invalid="ignore"):  # the comparison judges an overflow
            return evaluate(inputs, cast)

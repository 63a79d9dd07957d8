"""The PyTorch adapters: they refuse undeclared inputs and run all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from backends.adapter import (
    PRECISIONS,
    AnyInputs,
    Backend,
    Inputs,
    NetworkInputs,
    Result,
    TrainingInputs,
)
from backends.dialects import PYTORCH, PYTORCH_CELLS, PYTORCH_NATIVE
from backends.pytorch import network, training
from backends.pytorch import recurrent as bare
from backends.pytorch.calls import called
from backends.pytorch.cells import Cells
from backends.pytorch.device import (
    DEFAULTS,
    Place,
    Way,
    find_device,
    set_libraries,
    set_precision,
    set_reductions,
    settings,
)
from backends.pytorch.fused import Fused
from reference import Array


class PyTorch(Backend):
    """The fused modules, in inference mode unless gradients are wanted."""

    dialect = PYTORCH
    packages = ("torch",)
    way: ClassVar[Way] = Fused
    libraries: ClassVar[bool] = True
    """True if cuDNN and oneDNN may run the modules."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.device = find_device(device)
        self.framework_defaults = DEFAULTS
        set_reductions()
        self._set("ieee")
        self.settings = settings()

    def load(self, inputs: Inputs) -> Callable[[], bare.Raw]:
        self.refuse(inputs)
        call = bare.load(inputs, self._place(inputs.dtype))
        return self._waiting(call, inputs.precision)

    def fetch(self, inputs: Inputs, raw: bare.Raw) -> Result:
        return bare.fetch(inputs, raw, self._place(inputs.dtype))

    def run_network(self, inputs: NetworkInputs) -> Result:
        self.refuse(inputs)
        self._set(inputs.precision)
        return network.run(inputs, self._place(inputs.dtype))

    def train(self, inputs: TrainingInputs) -> Result:
        self.refuse(inputs)
        self._set(inputs.precision)
        return training.train(inputs, self._place(inputs.dtype))

    def ran(self, inputs: AnyInputs) -> str:
        own = "" if self.libraries else "; PyTorch's own kernels, without cuDNN and oneDNN"
        return called(inputs, self.way) + own + PRECISIONS[inputs.precision]

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], torch.Tensor]:
        place = self._place(dtype)
        held, first = place.numbers(W), place.numbers(v)

        def call() -> torch.Tensor:
            result = first
            with torch.inference_mode():
                for _ in range(times):
                    result = torch.mm(result[:, : len(held)], held)
            return result

        return self._waiting(call, precision)

    def _waiting(self, call: Callable[[], Any], precision: str) -> Callable[[], Any]:
        """Return a function that runs ``call`` in a precision and waits for the device."""
        on_cuda = self.device.type == "cuda"

        def waits() -> Any:
            self._set(precision)
            raw = call()
            if on_cuda:
                torch.cuda.synchronize(self.device)
            return raw

        return waits

    def on_device(self, call: Callable[[], Any]) -> float | None:
        if self.device.type != "cuda":
            return None
        with torch.cuda.device(self.device):
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            call()
            after.record()
            after.synchronize()
        return before.elapsed_time(after) / 1e3

    def _set(self, precision: str) -> None:
        """Set the process-wide switches, since another backend may have changed them."""
        set_libraries(self.libraries)
        set_precision(precision)

    def _place(self, dtype: str) -> Place:
        return Place(self.device, getattr(torch, dtype), self.dialect, self.way)


class PyTorchCells(PyTorch):
    """Cells, called step by step."""

    dialect = PYTORCH_CELLS
    way = Cells


class PyTorchNative(PyTorch):
    """The fused modules on PyTorch's native kernels."""

    dialect = PYTORCH_NATIVE
    libraries = False

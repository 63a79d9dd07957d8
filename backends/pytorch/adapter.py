"""The adapter: what it refuses, and where it runs the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch

from backends.adapter import AnyInputs, Backend, Inputs, NetworkInputs, Result, TrainingInputs
from backends.dialects import PYTORCH, PYTORCH_CELLS
from backends.pytorch import bare, network, training
from backends.pytorch.calls import called
from backends.pytorch.cells import Cells
from backends.pytorch.device import DEFAULTS, Place, Way, find_device, set_precision
from backends.pytorch.fused import Fused
from reference import Array


class PyTorch(Backend):
    """The fused modules; in inference mode where no gradients are asked for."""

    dialect = PYTORCH
    packages = ("torch",)
    way: ClassVar[Way] = Fused

    def __init__(self, device: str) -> None:
        self.device = find_device(device)
        self.framework_defaults = DEFAULTS
        self.settings = set_precision()

    def load(self, inputs: Inputs) -> Callable[[], bare.Raw]:
        self.refuse(inputs.spec, inputs.dtype, inputs.lengths)
        call = bare.load(inputs, self._place(inputs.dtype))
        if self.device.type != "cuda":
            return call

        def wait() -> bare.Raw:
            raw = call()
            torch.cuda.synchronize(self.device)
            return raw

        return wait

    def fetch(self, inputs: Inputs, raw: bare.Raw) -> Result:
        return bare.fetch(inputs, raw, self._place(inputs.dtype))

    def run_network(self, inputs: NetworkInputs) -> Result:
        self.refuse_network(inputs)
        return network.run(inputs, self._place(inputs.dtype))

    def train(self, inputs: TrainingInputs) -> Result:
        self.refuse_network(inputs)
        return training.train(inputs, self._place(inputs.dtype))

    def ran(self, inputs: AnyInputs) -> str:
        return called(inputs, self.way)

    def products(self, W: Array, v: Array, dtype: str, times: int) -> Callable[[], torch.Tensor]:
        place = self._place(dtype)
        held, first = place.numbers(W), place.numbers(v)

        def call() -> torch.Tensor:
            result = first
            with torch.inference_mode():
                for _ in range(times):
                    result = torch.mm(result[:, : len(held)], held)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return result

        return call

    def _place(self, dtype: str) -> Place:
        return Place(self.device, getattr(torch, dtype), self.dialect, self.way)


class PyTorchCells(PyTorch):
    """The same with cells, called step by step."""

    dialect = PYTORCH_CELLS
    way = Cells

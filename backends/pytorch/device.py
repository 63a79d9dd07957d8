"""Where PyTorch computes, in which precision, and by which modules."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import torch

from backends.adapter import DeviceNotFound
from backends.dialects import Dialect
from backends.missing import missing_device
from backends.pytorch.cells import Cells
from backends.pytorch.fused import Fused
from reference import Array

PRECISION: dict[str, Any] = {
    "torch.backends.cuda.matmul": torch.backends.cuda.matmul,
    "torch.backends.cudnn.rnn": torch.backends.cudnn.rnn,
    "torch.backends.mkldnn.matmul": torch.backends.mkldnn.matmul,
    "torch.backends.mkldnn.rnn": torch.backends.mkldnn.rnn,
}
"""Every switch that lets float32 be computed in fewer bits, by its name."""

REDUCTIONS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
"""Switches that let CUDA add up 16-bit products in 16 bits; both are turned off."""


LIBRARIES: dict[str, Any] = {
    "torch.backends.cudnn.enabled": torch.backends.cudnn,
    "torch.backends.mkldnn.enabled": torch.backends.mkldnn,
}
"""Whose kernels run a recurrent network, where they can; else PyTorch's own do."""


def settings() -> dict[str, str]:
    """Every switch by its name, as it is now."""
    libraries = {name: str(library.enabled) for name, library in LIBRARIES.items()}
    matmul = torch.backends.cuda.matmul
    precisions = {f"{name}.fp32_precision": str(s.fp32_precision) for name, s in PRECISION.items()}
    return (
        libraries
        | precisions
        | {f"torch.backends.cuda.matmul.{name}": str(getattr(matmul, name)) for name in REDUCTIONS}
    )


DEFAULTS = settings()
"""Read at import, before any backend sets them."""


def set_reductions() -> None:
    """Turn off that 16-bit products are added up in 16 bits."""
    for name in REDUCTIONS:
        setattr(torch.backends.cuda.matmul, name, False)


def set_precision(precision: str) -> None:
    """Make float32 products in one of ``backends.adapter.PRECISIONS``; TF32 is CUDA's alone."""
    for name, switch in PRECISION.items():
        wanted = {
            "ieee": "ieee",
            "tf32": "tf32" if name.startswith("torch.backends.cu") else "ieee",
            "default": DEFAULTS[f"{name}.fp32_precision"],
        }[precision]
        if switch.fp32_precision != wanted:
            switch.fp32_precision = wanted


def set_libraries(on: bool) -> None:
    """Use cuDNN and oneDNN, or neither."""
    for library in LIBRARIES.values():
        if library.enabled != on:
            library.enabled = on


def find_device(name: str) -> torch.device:
    """The device called ``name``; raises ``DeviceNotFound`` with what there is."""
    found = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise DeviceNotFound(missing_device(name, f"PyTorch {torch.__version__}", found))
    return torch.device(wanted)


Way: TypeAlias = type[Fused | Cells]
"""The modules that run a recurrent network."""


class Place(NamedTuple):
    """Where parameters and data are put, in which type, in which dialect's layout, in which modules."""

    device: torch.device
    dtype: torch.dtype
    dialect: Dialect
    way: Way

    def numbers(self, values: Array) -> torch.Tensor:
        """Floating-point values, rounded to the type of this place."""
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    def words(self, values: Array) -> torch.Tensor:
        """Words, or the classes that are to be found."""
        return torch.tensor(values, dtype=torch.int64, device=self.device)


def dtypes_of(tensors: dict[str, Any]) -> dict[str, str]:
    """The type of every tensor, as ``Inputs.dtype`` calls it."""
    return {name: str(t.dtype).removeprefix("torch.") for name, t in tensors.items()}


def to_numpy(tensor: torch.Tensor) -> Array:
    """The values of ``tensor``, in float64."""
    return tensor.detach().to("cpu", torch.float64).numpy()

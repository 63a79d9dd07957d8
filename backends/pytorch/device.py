"""Devices, precision switches, and the place where a network runs."""

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
"""Every switch that allows float32 matmuls in fewer bits, by name."""

REDUCTIONS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
"""Switches that allow CUDA to accumulate 16-bit matmuls in 16 bits; the adapter disables both."""


LIBRARIES: dict[str, Any] = {
    "torch.backends.cudnn.enabled": torch.backends.cudnn,
    "torch.backends.mkldnn.enabled": torch.backends.mkldnn,
}
"""The libraries that run recurrent networks; where both are disabled, PyTorch's native kernels do."""


def settings() -> dict[str, str]:
    """Return the current value of every switch.

    Returns:
        Values by the names of the switches.
    """
    libraries = {name: str(library.enabled) for name, library in LIBRARIES.items()}
    matmul = torch.backends.cuda.matmul
    precisions = {f"{name}.fp32_precision": str(s.fp32_precision) for name, s in PRECISION.items()}
    return (
        libraries
        | precisions
        | {f"torch.backends.cuda.matmul.{name}": str(getattr(matmul, name)) for name in REDUCTIONS}
    )


DEFAULTS = settings()
"""PyTorch's own settings, read at import, before any backend changes them."""


def set_reductions() -> None:
    """Disable reduced-precision accumulation of 16-bit matmuls."""
    for name in REDUCTIONS:
        setattr(torch.backends.cuda.matmul, name, False)


def set_precision(precision: str) -> None:
    """Set the precision of float32 matmuls; only CUDA has TF32.

    Args:
        precision: One of ``backends.adapter.PRECISIONS``.
    """
    for name, switch in PRECISION.items():
        wanted = {
            "ieee": "ieee",
            "tf32": "tf32" if name.startswith("torch.backends.cu") else "ieee",
            "default": DEFAULTS[f"{name}.fp32_precision"],
        }[precision]
        if switch.fp32_precision != wanted:
            switch.fp32_precision = wanted


def set_libraries(on: bool) -> None:
    """Enable or disable cuDNN and oneDNN.

    Args:
        on: True to enable both.
    """
    for library in LIBRARIES.values():
        if library.enabled != on:
            library.enabled = on


def find_device(name: str) -> torch.device:
    """Return PyTorch's device of a name.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The device.

    Raises:
        DeviceNotFound: There is no such device; the text lists the devices found.
    """
    found = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise DeviceNotFound(missing_device(name, f"PyTorch {torch.__version__}", found))
    return torch.device(wanted)


Way: TypeAlias = type[Fused | Cells]
"""The modules that run a recurrent network."""


class Place(NamedTuple):
    """A run's device, dtype, dialect and modules."""

    device: torch.device
    dtype: torch.dtype
    dialect: Dialect
    way: Way

    def numbers(self, values: Array) -> torch.Tensor:
        """Return numbers as a tensor of the place's dtype.

        Args:
            values: The numbers, in float64.

        Returns:
            The tensor, on the device.
        """
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    def words(self, values: Array) -> torch.Tensor:
        """Return words or classes as a tensor of int64.

        Args:
            values: The words.

        Returns:
            The tensor, on the device.
        """
        return torch.tensor(values, dtype=torch.int64, device=self.device)


def dtypes_of(tensors: dict[str, Any]) -> dict[str, str]:
    """Return the dtype of every tensor, by the names of ``Inputs.dtype``.

    Args:
        tensors: Tensors by name.

    Returns:
        Dtypes by name.
    """
    return {name: str(t.dtype).removeprefix("torch.") for name, t in tensors.items()}


def to_numpy(tensor: torch.Tensor) -> Array:
    """Return a tensor's values in float64.

    Args:
        tensor: The tensor, on any device.

    Returns:
        A NumPy array.
    """
    return tensor.detach().to("cpu", torch.float64).numpy()

"""PyTorch: the modules and functions of ``torch.nn``, autograd, and ``torch.optim``."""

from backends.pytorch.adapter import PyTorch, PyTorchCells, PyTorchNative

__all__ = ["PyTorch", "PyTorchCells", "PyTorchNative"]

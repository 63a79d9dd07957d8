"""PyTorch: the modules and functions of ``torch.nn``, autograd, and ``torch.optim``."""

from backends.pytorch.adapter import PyTorch

__all__ = ["PyTorch"]

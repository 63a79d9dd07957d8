"""Files that hold a recurrent network: its spec and its parameters."""

from backends.formats.model import BadModel, Model

__all__ = ["BadModel", "Model"]

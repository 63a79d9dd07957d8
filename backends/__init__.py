"""The list of backends, and how to open one.

Sessions, tests and pages derive from this list. A backend from outside the tree is named
``package.module:Class`` or ``path/to/file.py:Class`` instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from backends.adapter import (
    AnyInputs,
    Backend,
    DeviceNotFound,
    Inputs,
    NetworkInputs,
    Prepared,
    Result,
    TrainingInputs,
    Unsupported,
)
from backends.dialects import (
    JAX,
    JAX_CUDNN,
    JAX_VJP,
    KINDS,
    PYTORCH,
    PYTORCH_CELLS,
    PYTORCH_NATIVE,
    TENSORFLOW_CUDNN,
    TENSORFLOW_LEGACY,
    TENSORFLOW_UNROLLED,
    TENSORFLOW_WHILE,
    TENSORFLOW_XLA,
    Dialect,
)
from backends.missing import missing_class, missing_extra, missing_place
from reference.trees import named


class Entry(NamedTuple):
    """The place of an adapter, the extra that installs its framework, and its dialect.

    ``left_out`` are patterns of default cases that a secondary backend skips because its primary
    covers them; ``--full`` and ``--case`` run them. ``devices`` are the kinds on which it is one of its
    framework's default backends; elsewhere it runs only when named.
    """

    target: str
    extra: str
    dialect: Dialect
    left_out: tuple[str, ...] = ()
    devices: tuple[str, ...] = KINDS


_TF = "backends.tensorflow"
_TRIPLES = ("vanilla-*", "gru-*", "lstm*")
"""The cases that cover every triple of values: their ids start with the cell."""
_SIXTEEN_BIT_NETWORKS = ("tutorial/*float16",)
_NETWORKS = (*_SIXTEEN_BIT_NETWORKS, "tutorial/*float64", "tutorial/00[0-3]-*")
"""The tutorials' networks but for decoders, stacks and language models in float32.

In the others, a network around the recurrent one is what differs, and that is the primary backend's.
"""
_KERNELS = ("gradients/deep-sum/*", "gradients/many-rows/*")
"""The cases that show how a kernel multiplies and sums, for a backend that runs the kernels of its primary."""
_ROWS = ("gradients/many-rows/*/float64", "gradients/many-rows/*/float16")
"""Many rows in a second wide and a second 16-bit dtype: how an adapter multiplies them is a matter of their number."""
_OPTIMISERS = ("training/*/float64",)
"""Training in a second dtype, for a backend that runs the optimisers of its primary."""

BACKENDS: dict[str, Entry] = {
    "tensorflow_dynamic_rnn": Entry(f"{_TF}:DynamicSession", "tensorflow", TENSORFLOW_LEGACY),
    "tensorflow_dynamic_rnn_function": Entry(
        f"{_TF}:DynamicFunction", "tensorflow", TENSORFLOW_LEGACY, _TRIPLES + _NETWORKS + _KERNELS
    ),
    "tensorflow_dynamic_rnn_xla": Entry(
        f"{_TF}:DynamicXla",
        "tensorflow",
        TENSORFLOW_XLA,
        _TRIPLES + _NETWORKS + _ROWS + _OPTIMISERS,
    ),
    "tensorflow_static_rnn": Entry(
        f"{_TF}:StaticSession",
        "tensorflow",
        TENSORFLOW_LEGACY,
        _TRIPLES + _NETWORKS + _KERNELS + _OPTIMISERS,
    ),
    "tensorflow_unrolled": Entry(
        f"{_TF}:UnrolledSession",
        "tensorflow",
        TENSORFLOW_UNROLLED,
        _TRIPLES + _NETWORKS + _ROWS + _OPTIMISERS,
    ),
    "tensorflow_while": Entry(
        f"{_TF}:WhileXla",
        "tensorflow",
        TENSORFLOW_WHILE,
        _TRIPLES + _NETWORKS + _ROWS + _OPTIMISERS,
    ),
    "tensorflow_cudnn": Entry(
        f"{_TF}:CudnnFunction", "tensorflow", TENSORFLOW_CUDNN, devices=("cuda",)
    ),
    "pytorch": Entry("backends.pytorch:PyTorch", "pytorch", PYTORCH),
    "pytorch_cells": Entry(
        "backends.pytorch:PyTorchCells",
        "pytorch",
        PYTORCH_CELLS,
        _SIXTEEN_BIT_NETWORKS + _TRIPLES,
    ),
    "pytorch_native": Entry(
        "backends.pytorch:PyTorchNative",
        "pytorch",
        PYTORCH_NATIVE,
        _SIXTEEN_BIT_NETWORKS,
        devices=("cuda",),
    ),
    "jax_scan": Entry("backends.jax:JaxScan", "jax", JAX),
    "jax_vjp": Entry(
        "backends.jax:JaxVjp", "jax", JAX_VJP, _TRIPLES + _NETWORKS + _ROWS + _OPTIMISERS
    ),
    "jax_cudnn": Entry("backends.jax:JaxCudnn", "jax", JAX_CUDNN, devices=("cuda",)),
}

EXTRAS: tuple[str, ...] = tuple(dict.fromkeys(entry.extra for entry in BACKENDS.values()))
"""The optional dependencies, one environment each."""


ABSENT = object()
"""Stands for a name that a module does not have."""


class BackendNotFound(Exception):
    """The backend is unknown, or its framework is not installed; the text says what to do."""


def find(name: str) -> type[Backend]:
    """Return the adapter class of a backend; this imports its framework.

    Args:
        name: A name of ``BACKENDS``, ``package.module:Class`` or ``path/to/file.py:Class``.

    Returns:
        The class.

    Raises:
        BackendNotFound: The name is unknown, the framework is not installed (the text names the extra
            that installs it), or the target holds no ``Backend``.
    """
    if name in BACKENDS:
        target, extra, dialect, *_ = BACKENDS[name]
        module, _, attribute = target.partition(":")
        try:
            found = _backend_class(importlib.import_module(module), attribute, name)
        except ModuleNotFoundError as error:
            raise BackendNotFound(missing_extra(f"backend {name!r}", error, extra)) from error
        if found.dialect is not dialect:
            raise BackendNotFound(
                f"backend {name!r}: {target} declares another dialect than BACKENDS lists; give it the same"
            )
        return found
    place, colon, attribute = name.rpartition(":")
    if not colon:
        raise BackendNotFound(
            f"backend {name!r}: not one of {', '.join(BACKENDS)}; one from outside the tree is "
            "given as package.module:Class or path/to/file.py:Class"
        )
    try:
        module_from_outside = _import(place)
    except (ImportError, OSError) as error:
        absent = isinstance(error, ModuleNotFoundError) and f"{place}.".startswith(f"{error.name}.")
        hint = missing_place(place, attribute) if absent or isinstance(error, OSError) else ""
        raise BackendNotFound(
            f"backend {name!r}: {place} cannot be imported: {error}{hint}"
        ) from error
    return _backend_class(module_from_outside, attribute, name)


def _import(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).resolve()
    name = f"{path.stem}_from_outside"  # so that torch.py does not become torch
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _backend_class(module: ModuleType, attribute: str, name: str) -> type[Backend]:
    found = getattr(module, attribute, ABSENT)
    if isinstance(found, type) and issubclass(found, Backend) and found is not Backend:
        return found
    defined = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Backend)
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    ]
    place = name.rpartition(":")[0] or module.__name__
    given = f"has no {attribute!r}" if found is ABSENT else f"has {attribute} = {found!r}"
    raise BackendNotFound(f"backend {name!r}: {missing_class(place, given, attribute, defined)}")


__all__ = [
    "BACKENDS",
    "EXTRAS",
    "AnyInputs",
    "Backend",
    "BackendNotFound",
    "DeviceNotFound",
    "Dialect",
    "Entry",
    "Inputs",
    "NetworkInputs",
    "Prepared",
    "Result",
    "TrainingInputs",
    "Unsupported",
    "find",
    "named",
]

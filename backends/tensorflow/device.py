"""Devices and matmul precision in TensorFlow, and conversion of inputs and results."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from backends.adapter import DeviceNotFound, Result
from backends.dialects import Dialect
from backends.missing import missing_device
from backends.tensorflow.execution import Compiled, Execution, Feeds, Program
from backends.tensorflow.unrolling import Unrolling
from reference import Array

TF32 = tf.config.experimental.tensor_float_32_execution_enabled()
"""TensorFlow's own setting, read at import, before any backend changes it."""

Compile: TypeAlias = Callable[[Hashable, Callable[[], Program], Feeds], Compiled]
"""A function that compiles a program for feeds: ``compile(key, build, feeds)``."""


class Place(NamedTuple):
    """A run's device, dialect, unrolling, execution and compiler."""

    device: str
    dialect: Dialect
    unrolling: Unrolling
    execution: Execution
    compile: Compile


def set_precision(precision: str) -> None:
    """Set the precision of float32 matmuls.

    Args:
        precision: One of ``backends.adapter.PRECISIONS``.
    """
    wanted = {"ieee": False, "tf32": True, "default": TF32}[precision]
    if tf.config.experimental.tensor_float_32_execution_enabled() != wanted:
        tf.config.experimental.enable_tensor_float_32_execution(wanted)


def feed(dtype: str, arrays: Mapping[str, Array | None]) -> Feeds:
    """Cast arrays and leave out missing ones.

    Args:
        dtype: The dtype of floating-point arrays; integers become int32.
        arrays: Arrays by name, or None where missing.

    Returns:
        The feeds of a program.
    """
    given = {name: a for name, a in arrays.items() if a is not None}
    numbers = tf.as_dtype(dtype).as_numpy_dtype
    return {
        name: a.astype(np.int32 if a.dtype.kind in "iu" else numbers) for name, a in given.items()
    }


def result(tensors: Mapping[str, Array]) -> Result:
    """Return arrays as float64, with their original dtypes.

    Args:
        tensors: Arrays by name.

    Returns:
        The result of a run.
    """
    return Result(
        {name: np.asarray(a).astype(np.float64) for name, a in tensors.items()},
        {name: str(a.dtype) for name, a in tensors.items()},
    )


def find_device(name: str) -> str:
    """Return TensorFlow's name of a device.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        ``cpu:0`` or ``gpu:N``.

    Raises:
        DeviceNotFound: There is no such device; the text lists the devices found.
    """
    found = [f"{d.device_type}:{i}".lower().replace("gpu", "cuda")
             for kind in ("CPU", "GPU")
             for i, d in enumerate(tf.config.list_logical_devices(kind))]  # fmt: skip
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(missing_device(name, f"TensorFlow {tf.__version__}", found))
    return wanted.replace("cuda", "gpu")

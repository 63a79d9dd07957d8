"""Devices and matmul precision in JAX."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from backends.adapter import DeviceNotFound, Result
from backends.dialects import Dialect
from backends.jax.scan import Unroll
from backends.missing import missing_device
from reference import Array

PRODUCTS = "jax_default_matmul_precision"
MATMUL = {"ieee": "highest", "tf32": "TF32_TF32_F32", "default": getattr(jax.config, PRODUCTS)}
"""JAX's name of each of ``backends.adapter.PRECISIONS``; JAX compiles a function again for each.

"tensorfloat32" asks for this precision or a higher one; the algorithm "TF32_TF32_F32" is TF32.
"""

DEFAULTS = {name: str(getattr(jax.config, name)) for name in ("jax_enable_x64", PRODUCTS)}
"""JAX's own settings, read at import, before any backend changes them."""


class Place(NamedTuple):
    """A run's device, its dialect, and the function that runs a network over time."""

    device: Any
    dialect: Dialect
    unroll: Unroll


def set_wide() -> None:
    """Enable float64; by default JAX turns it into float32."""
    jax.config.update("jax_enable_x64", True)


def set_precision(precision: str) -> None:
    """Set the precision of float32 matmuls.

    Args:
        precision: One of ``backends.adapter.PRECISIONS``.
    """
    if getattr(jax.config, PRODUCTS) != MATMUL[precision]:
        jax.config.update(PRODUCTS, MATMUL[precision])


def settings() -> dict[str, str]:
    """Return JAX's current settings of precision.

    Returns:
        Values by the names of the settings.
    """
    return {name: str(getattr(jax.config, name)) for name in DEFAULTS}


def find_device(name: str) -> Any:
    """Return JAX's device of a name.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The device.

    Raises:
        DeviceNotFound: There is no such device; the text lists the devices found.
    """
    found: dict[str, Any] = {}
    for platform in ("cpu", "cuda"):
        try:
            found |= {f"{platform}:{d.id}": d for d in jax.devices(platform)}
        except RuntimeError:  # JAX has no such platform
            continue
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(missing_device(name, f"JAX {jax.__version__}", found))
    return found[wanted]


def put(device: Any, dtype: str, tree: Any) -> Any:
    """Move arrays to a device.

    Args:
        device: JAX's device.
        dtype: The dtype of floating-point arrays; integers keep theirs.
        tree: Arrays in nested tuples.

    Returns:
        The same tree, of JAX's arrays.
    """
    number = jnp.dtype(dtype)

    def one(values: Array) -> jax.Array:
        # NumPy converts, and copies: JAX would compile a conversion for every shape.
        kept = values.astype(number if values.dtype.kind == "f" else values.dtype)
        return jax.device_put(kept, device)

    return jax.tree.map(one, tree)


def result(arrays: dict[str, Any]) -> Result:
    """Return arrays as float64, with their original dtypes.

    Args:
        arrays: Arrays of JAX or NumPy, by name.

    Returns:
        The result of a run.
    """
    return Result(
        {name: np.asarray(a, np.float64) for name, a in arrays.items()},
        {name: str(a.dtype) for name, a in arrays.items()},
    )

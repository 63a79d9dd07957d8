"""Where JAX computes, and in which precision."""

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
"""JAX's word for each of ``backends.adapter.PRECISIONS``; a jitted function is compiled anew for each.

"tensorfloat32" only says which precision is wanted at least; the algorithm of this name is TF32.
"""

DEFAULTS = {name: str(getattr(jax.config, name)) for name in ("jax_enable_x64", PRODUCTS)}
"""Read at import, before any backend sets them."""


class Place(NamedTuple):
    """Where networks run, in which dialect's layout, and what runs them over time."""

    device: Any
    dialect: Dialect
    unroll: Unroll


def set_wide() -> None:
    """float64 must not become float32."""
    jax.config.update("jax_enable_x64", True)


def set_precision(precision: str) -> None:
    """Make float32 products in one of ``backends.adapter.PRECISIONS``."""
    if getattr(jax.config, PRODUCTS) != MATMUL[precision]:
        jax.config.update(PRODUCTS, MATMUL[precision])


def settings() -> dict[str, str]:
    """What was set, as it is now."""
    return {name: str(getattr(jax.config, name)) for name in DEFAULTS}


def find_device(name: str) -> Any:
    """The device called ``name``; raises ``DeviceNotFound`` with what there is."""
    found: dict[str, Any] = {}
    for platform in ("cpu", "cuda"):
        try:
            found |= {f"{platform}:{d.id}": d for d in jax.devices(platform)}
        except RuntimeError:  # JAX's way of saying that it has no such platform
            continue
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(missing_device(name, f"JAX {jax.__version__}", found))
    return found[wanted]


def put(device: Any, dtype: str, tree: Any) -> Any:
    """The arrays of ``tree`` on the device: numbers in ``dtype``, words and lengths as they are."""
    number = jnp.dtype(dtype)

    def one(values: Array) -> jax.Array:
        # NumPy converts, and copies: JAX would compile a conversion for every shape.
        kept = values.astype(number if values.dtype.kind == "f" else values.dtype)
        return jax.device_put(kept, device)

    return jax.tree.map(one, tree)


def result(arrays: dict[str, Any]) -> Result:
    """JAX's or NumPy's arrays by name, as float64, and the types that they came in."""
    return Result(
        {name: np.asarray(a, np.float64) for name, a in arrays.items()},
        {name: str(a.dtype) for name, a in arrays.items()},
    )

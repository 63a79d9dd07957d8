"""Where JAX computes, and in which precision."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends.adapter import DeviceNotFound, Result
from reference import Array

SETTINGS = {"jax_enable_x64": True, "jax_default_matmul_precision": "highest"}
"""float64 must not become float32, and float32 products must not become TF32 or bfloat16."""

DEFAULTS = {name: str(getattr(jax.config, name)) for name in SETTINGS}
"""Read at import, before any backend sets them."""


def set_precision() -> dict[str, str]:
    """Make the settings, and return them by name."""
    for name, value in SETTINGS.items():
        jax.config.update(name, value)
    return {name: str(value) for name, value in SETTINGS.items()}


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
        raise DeviceNotFound(f"device {name!r}: JAX {jax.__version__} found {list(found)}")
    return found[wanted]


def put(device: Any, dtype: str, tree: Any) -> Any:
    """The arrays of ``tree`` on the device: numbers in ``dtype``, words and lengths as they are."""

    def one(values: Array) -> jax.Array:
        numbers = values.dtype.kind == "f"
        return jax.device_put(jnp.asarray(values, dtype if numbers else values.dtype), device)

    return jax.tree.map(one, tree)


def result(arrays: dict[str, Any]) -> Result:
    """JAX's or NumPy's arrays by name, as float64, and the types that they came in."""
    return Result(
        {name: np.asarray(a, np.float64) for name, a in arrays.items()},
        {name: str(a.dtype) for name, a in arrays.items()},
    )

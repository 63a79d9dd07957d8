"""JAX: pure functions under ``jax.jit``, run over time by ``lax.scan``, trained by optax."""

from backends.jax.adapter import JaxCudnn, JaxScan, JaxVjp

__all__ = ["JaxCudnn", "JaxScan", "JaxVjp"]

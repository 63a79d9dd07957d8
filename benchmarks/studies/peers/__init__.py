"""Time the reference and jax_vjp next to other implementations."""

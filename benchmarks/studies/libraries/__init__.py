"""Compare the speed of the reference and of jax_vjp with that of other libraries."""

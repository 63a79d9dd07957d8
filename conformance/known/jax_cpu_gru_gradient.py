"""JAX 0.10.2 on a CPU with AVX-512: jitted float64 code is wrong, the gradient of a GRU among it.

The smallest expression is concatenate([a, b * p + c * p, c], axis=1) of arrays of 4 × 5, which a
gradient of a GRU with the reset gate before the product has in it: at a batch of 4 and 5 units it is off
by half its size. Other sizes, float32, ``jax.disable_jit``, ``XLA_FLAGS=--xla_cpu_max_isa=AVX2`` and
``XLA_FLAGS=--xla_cpu_use_fusion_emitters=false`` are right. Another wrong result of jitted code that
0.10.1 does not have is https://github.com/jax-ml/jax/issues/39103.

Prints the largest differences between jitted and plain; exits with 0 where there are such, with 1
where there no longer are. Needs jax and numpy.
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)


def gradients(batch: int, hidden: int) -> tuple:
    """Return the function that computes a GRU's gradients, and its arguments."""
    steps, inputs = 2, 3
    random = np.random.default_rng(0)

    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(random.uniform(-1, 1, shape))

    params = (
        draw(inputs, 3 * hidden),
        draw(hidden, 3 * hidden),
        draw(3 * hidden),
        draw(3 * hidden),
    )

    def outputs(params: tuple, xs: jax.Array) -> jax.Array:
        W, U, b, c = params

        def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            x_r, x_z, x_n = jnp.split(x @ W + b, 3, axis=-1)
            h_r, h_z = jnp.split(h @ U[:, : 2 * hidden] + c[: 2 * hidden], 2, axis=-1)
            r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
            n = jnp.tanh(x_n + ((r * h) @ U[:, 2 * hidden :] + c[2 * hidden :]))
            h = (1 - z) * n + z * h
            return h, h

        return lax.scan(step, jnp.zeros((batch, hidden)), xs)[1]

    def pullback(params: tuple, xs: jax.Array, dy: jax.Array) -> tuple:
        return jax.vjp(outputs, params, xs)[1](dy)

    return pullback, (params, draw(steps, batch, inputs), draw(steps, batch, hidden))


def middle(a: jax.Array, b: jax.Array, c: jax.Array, p: jax.Array) -> jax.Array:
    """The smallest expression."""
    return jnp.concatenate([a, b * p + c * p, c], axis=1)


def difference(function: Callable, arguments: tuple) -> float:
    """The largest between ``function`` jitted and plain."""
    jitted = jax.jit(function)(*arguments)
    with jax.disable_jit():
        plain = function(*arguments)
    return max(
        float(jnp.abs(a - b).max())
        for a, b in zip(*map(jax.tree.leaves, (jitted, plain)), strict=True)
    )


if __name__ == "__main__":
    print(f"JAX {jax.__version__}")
    found = []
    for size in ((4, 5), (4, 4), (5, 5)):
        random = np.random.default_rng(0)
        arrays = tuple(jnp.asarray(random.uniform(-1, 1, size)) for _ in range(4))
        off = difference(middle, arrays), difference(*gradients(*size))
        found += off
        print(
            f"{size[0]} × {size[1]}: the expression is off by {off[0]:.1g}, the GRU by {off[1]:.1g}"
        )
    sys.exit(max(found) < 1e-9)

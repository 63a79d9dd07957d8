"""JAX: the jitted function, called with arrays on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from backends import Inputs
from backends.jax import parameters
from backends.jax.device import put


def call(backend: Any, inputs: Inputs) -> Callable[[], Any]:
    """Return a call of the framework's own LSTM.

    Args:
        backend: the adapter whose overhead is timed; it tells how the framework is called.
        inputs: an LSTM with one layer; with incoming gradients, the call also computes gradients.

    Returns:
        The call.
    """
    spec, unroll = inputs.spec, backend.unroll
    blocks = parameters.blocks(backend.dialect, spec, inputs.params)
    arrays = put(backend.device, inputs.dtype, (blocks, inputs.x, inputs.h0, inputs.c0))

    def forward(blocks: Any, x: Any, h0: Any, c0: Any) -> Any:
        return unroll(spec, blocks, x, h0, c0, None)

    if inputs.incoming is None:
        jitted = jax.jit(forward)
        return lambda: jax.block_until_ready(jitted(*arrays))
    y, h, c = inputs.incoming
    d = put(backend.device, inputs.dtype, (y, (h, c) if backend.dialect.state == "hc" else (c, h)))

    @jax.jit
    def differentiated(arrays: Any, d: Any) -> Any:
        outputs, pullback = jax.vjp(forward, *arrays)
        return outputs, pullback(d)

    return lambda: jax.block_until_ready(differentiated(arrays, d))

"""A bare recurrent network, and its gradients by ``jax.vjp``, each under one ``jax.jit``.

The spec is static; the weights, states and lengths are arguments, so cases of one shape share
one compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from backends.adapter import Inputs, Result
from backends.jax import parameters
from backends.jax.device import Place, put, result
from backends.jax.scan import Blocks, Unroll
from reference import Spec
from reference.trees import named


def load(inputs: Inputs, place: Place) -> Callable[[], Any]:
    """Move the arrays to the device.

    Args:
        inputs: The network and its arrays.
        place: Device, dialect and the function that runs the network.

    Returns:
        A function that runs the network once; ``fetch`` takes its result.
    """
    spec = inputs.spec
    blocks = parameters.blocks(place.dialect, spec, inputs.params)
    arrays = (blocks, inputs.x, inputs.h0, inputs.c0, inputs.lengths)
    held = put(place.device, inputs.dtype, arrays)
    static = replace(spec, forget_bias=0.0)  # the bias contains it: one program for every value
    if inputs.incoming is None:
        return partial(forward, place.unroll, static, *held)
    by_state = {"h": inputs.incoming.h_n, "c": inputs.incoming.c_n}
    incoming = (
        inputs.incoming.y,
        tuple(by_state[name] for name in place.dialect.state_order(spec)),
    )
    d = put(place.device, inputs.dtype, incoming)
    return partial(differentiate, place.unroll, static, *held, d)


def fetch(inputs: Inputs, raw: Any, place: Place) -> Result:
    """Name the tensors that a call of ``load``'s function returned.

    Args:
        inputs: The network and its arrays.
        raw: The result of the call.
        place: Device, dialect and the function that ran the network.

    Returns:
        The tensors by name.
    """
    spec = inputs.spec
    y, states = raw if inputs.incoming is None else raw[0]
    final = zip(place.dialect.state_order(spec), states, strict=True)
    arrays = {"y": y} | {f"{name}_n": state for name, state in final}
    if inputs.incoming is not None:
        d_blocks, *d_arrays = raw[1]
        d_named = zip(("dx", "dh0", "dc0"), d_arrays, strict=True)
        arrays |= {name: a for name, a in d_named if a is not None}
        d_params = parameters.gradients(place.dialect, spec, inputs.params, d_blocks)
        arrays |= named(d_params, "dparams")
    return result(arrays)


@partial(jax.jit, static_argnums=(0, 1))
def forward(unroll: Unroll, spec: Spec, *arrays: Any) -> Any:
    """Run a network.

    Args:
        unroll: Runs it over time.
        spec: The network.
        *arrays: Its blocks, x, h0, c0 and lengths.

    Returns:
        The outputs and the final states.
    """
    return unroll(spec, *arrays)


@partial(jax.jit, static_argnums=(0, 1))
def differentiate(
    unroll: Unroll,
    spec: Spec,
    params: Blocks,
    x: jax.Array,
    h0: jax.Array | None,
    c0: jax.Array | None,
    lengths: jax.Array | None,
    incoming: Any,
) -> tuple[Any, Any]:
    """Run a network forward and back.

    Args:
        unroll: Runs it over time.
        spec: The network.
        params: Its blocks.
        x: The input (B, T, I), or (T, B, I).
        h0: The initial h (L·D, B, H), or None for zeros.
        c0: The initial c (L·D, B, H), or None for zeros.
        lengths: The length of each row (B,), or None.
        incoming: Gradients by the outputs and the final states.

    Returns:
        The outputs and final states; and the gradients of Σ incoming · output by params, x, h0 and c0.
    """

    def run(params: Blocks, x: jax.Array, h0: Any, c0: Any) -> Any:
        return unroll(spec, params, x, h0, c0, lengths)

    outputs, pullback = jax.vjp(run, params, x, h0, c0)
    return outputs, pullback(incoming)

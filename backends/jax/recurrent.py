"""A recurrent network alone, and its gradients by ``jax.vjp``, each under one ``jax.jit``.

The spec is static; the weights, states and lengths are arguments, so that cases of one shape share
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
    """Move the arrays to the device; the call returned runs the network once.

    Args:
        inputs: The network and its arrays.
        place: Where and how it runs.

    Returns:
        The call, whose result ``fetch`` takes.
    """
    spec = inputs.spec
    blocks = parameters.blocks(place.dialect, spec, inputs.params)
    arrays = (blocks, inputs.x, inputs.h0, inputs.c0, inputs.lengths)
    held = put(place.device, inputs.dtype, arrays)
    static = replace(spec, forget_bias=0.0)  # the bias has it: one program for every value
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
    """Name what such a call returned.

    Args:
        inputs: The network and its arrays.
        raw: The result of the call.
        place: Where and how it ran.

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
    """What a network returns."""
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
    """What a network returns; and, of Σ incoming · that, the gradients by params, x, h0 and c0."""

    def run(params: Blocks, x: jax.Array, h0: Any, c0: Any) -> Any:
        return unroll(spec, params, x, h0, c0, lengths)

    outputs, pullback = jax.vjp(run, params, x, h0, c0)
    return outputs, pullback(incoming)

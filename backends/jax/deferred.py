"""``lax.scan`` whose weights get their gradients after it, in one product over all steps.

``jax.vjp`` of a scan adds ``h_{t-1}ᵀ da_t`` to dU at every step, which reads and writes all of dU each
time. Here a second scan goes back over the steps, and differentiates each by its pre-activations a and its
state alone. The first one left a, so no product is made twice. Then, over steps and rows,

    dW = Σ xᵀ da    dU = Σ h_{t-1}ᵀ da    db = Σ da    dx = da Wᵀ

x W of all steps may be one product as well, before the loop: ``hoists`` says where that is faster.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.cells import CELLS, affine, by_recurrent, kept
from backends.layouts import Block
from reference import Spec

SMALL_BATCH = 8


def hoists(batch: int) -> bool:
    """Whether x W of all steps is one product before the loop.

    For few rows a step's product is bound by reading W, and one for all steps reads it once. For more,
    the loop has x W at hand where it is needed, and a sequence of them has to be written and read.
    """
    return batch < SMALL_BATCH


@partial(jax.custom_vjp, nondiff_argnums=(0, 5))
def scan(
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    """One layer in one direction: final state and outputs."""
    return _forward(spec, w, xs, state, valid, reverse)[0]


def _forward(
    spec: Spec, w: Block, xs: jax.Array, start: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    hoisted = hoists(xs.shape[1])

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        h_side = []

        def by_h(v: jax.Array, columns: slice = slice(None)) -> jax.Array:
            h_side.append(by_recurrent(spec, w, v, columns))
            return h_side[-1]

        x_side = x if hoisted else affine(x, w.kernel, w.bias)
        new = kept(ok, CELLS[spec.cell](spec, x_side, by_h, state), state)
        sides = x_side, jnp.concatenate(h_side, axis=-1)
        return new, (sides if _apart(spec) else (sum(sides),), new)

    before_loop = affine(xs, w.kernel, w.bias) if hoisted else xs
    final, (a, states) = lax.scan(step, start, (before_loop, valid), reverse=reverse)
    ys = states[0] if valid is None else jnp.where(valid, states[0], 0)
    return (final, ys), (w, xs, start, valid, a, states)


def _backward(spec: Spec, reverse: bool, residuals: Any, d: Any) -> Any:
    w, xs, start, valid, a, states = residuals
    d_final, d_ys = d
    before = tuple(_before(s, first, reverse) for s, first in zip(states, start, strict=True))
    d_hs = d_ys if valid is None else jnp.where(valid, d_ys, 0)
    U_T = w.recurrent.T  # once: XLA's CPU products by a transposed matrix are slower

    def step(d_state: Any, at: Any) -> Any:
        d_h, ok, a, state = at

        def new(a: Any, state: Any) -> Any:
            x_side, h_side = a if _apart(spec) else (*a, jnp.zeros_like(*a))

            def by_h(v: jax.Array, columns: slice = slice(None)) -> jax.Array:
                return _recalled(h_side[:, columns], v, U_T[columns])

            return kept(ok, CELLS[spec.cell](spec, x_side, by_h, state), state)

        _, pullback = jax.vjp(new, a, state)
        da, d_before = pullback((d_state[0] + d_h, *d_state[1:]))
        return d_before, da

    d_start, das = lax.scan(step, d_final, (d_hs, valid, a, before), reverse=not reverse)
    da, da_h = das[0], das[-1]
    d_w = Block(
        kernel=_product(xs, da),
        recurrent=_by_recurrent(spec, a, before[0], da_h),
        bias=None if w.bias is None else da.sum(axis=(0, 1)),
        recurrent_bias=None if w.recurrent_bias is None else da_h.sum(axis=(0, 1)),
    )
    return d_w, da @ w.kernel.T, d_start, None


scan.defvjp(_forward, _backward)


@jax.custom_vjp
def _recalled(value: jax.Array, v: jax.Array, U_T: jax.Array) -> jax.Array:
    """v U + b, or what of it x W does not hold already; its gradients, by that value and by v."""
    return value


_recalled.defvjp(
    lambda value, v, U_T: (value, U_T),
    lambda U_T, d: (d, d @ U_T, jnp.zeros_like(U_T)),  # the last is left out: nobody asks for it
)


def _apart(spec: Spec) -> bool:
    """Whether the two sides of a, x W + b and h U + b, have gradients of their own; else a is their sum."""
    return spec.cell == "gru" and spec.reset == "after"


def _by_recurrent(spec: Spec, a: Any, h: jax.Array, da: jax.Array) -> jax.Array:
    """dU; of a GRU that resets before its product, that of the candidate is by r h."""
    if spec.cell != "gru" or _apart(spec):
        return _product(h, da)
    size = spec.hidden_size
    r = jax.nn.sigmoid(a[0][..., :size])
    rest = da[..., : 2 * size], da[..., 2 * size :]
    return jnp.concatenate([_product(h, rest[0]), _product(r * h, rest[1])], axis=-1)


def _product(v: jax.Array, da: jax.Array) -> jax.Array:
    """Σ vᵀ da over steps and rows."""
    return v.reshape(-1, v.shape[-1]).T @ da.reshape(-1, da.shape[-1])


def _before(states: jax.Array, start: jax.Array, reverse: bool) -> jax.Array:
    """What every step began with."""
    parts = [states[1:], start[None]] if reverse else [start[None], states[:-1]]
    return jnp.concatenate(parts)

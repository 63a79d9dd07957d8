"""``lax.scan`` whose weights get their gradients after it, in one product over all steps.

``jax.vjp`` of a scan adds ``h_{t-1}ᵀ da_t`` to dU at every step, which reads and writes all of dU each
time. Here a second scan goes back over the steps, and differentiates each by its pre-activations a and its
state alone. The first one left both sides of a, x W + b and h U, so no product is made twice. Then, over
steps and rows,

    dW = Σ xᵀ da    dU = Σ h_{t-1}ᵀ da    db = Σ da    dx = da Wᵀ

In the loops rows are the last axis: a step multiplies Uᵀ (G, H) by hᵀ (H, B), for which XLA's CPU products
are faster than for h by U. x W of all steps may be one product as well, before the loop: ``hoists`` says
where that is faster.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.cells import ALL, CELLS
from backends.layouts import Block
from reference import Spec

SMALL_BATCH = 8

Written = Block
"""A block whose matrices are transposed and whose biases are columns."""


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
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    W, U, b, b_h = _columns(w)
    ok = _last(valid)
    hoisted = hoists(xs.shape[1])

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        h_side = []

        def by_h(v: jax.Array, gates: slice = ALL) -> jax.Array:
            h_side.append(_plus(U[gates] @ v, None if b_h is None else b_h[gates]))
            return h_side[-1]

        x_side = x if hoisted else _plus(W @ x, b)
        new = _kept(ok, CELLS[spec.cell](spec, x_side, by_h, state, axis=0), state)
        return new, (None if hoisted else x_side, jnp.concatenate(h_side), new)

    before_loop = _plus(jnp.einsum("gn,tbn->tgb", W, xs), b) if hoisted else _last(xs)
    start = tuple(s.T for s in state)
    final, (x_sides, h_sides, states) = lax.scan(step, start, (before_loop, ok), reverse=reverse)
    h = states[0] if ok is None else jnp.where(ok, states[0], 0)
    out = tuple(s.T for s in final), _last(h)
    sides = before_loop if hoisted else x_sides, h_sides
    return out, (w, xs, start, ok, sides, states)


def _backward(spec: Spec, reverse: bool, residuals: Any, d: Any) -> Any:
    w, xs, start, ok, sides, states = residuals
    d_final, d_ys = d
    U = _columns(w).recurrent
    before = tuple(_before(s, first, reverse) for s, first in zip(states, start, strict=True))
    d_hs = _last(d_ys) if ok is None else jnp.where(ok, _last(d_ys), 0)

    def step(d_state: Any, at: Any) -> Any:
        d_h, ok, (x_side, h_side), state = at

        def new(x_side: jax.Array, h_side: jax.Array, state: Any) -> Any:
            def by_h(v: jax.Array, gates: slice = ALL) -> jax.Array:
                return _recalled(h_side[gates], v, U[gates])

            return _kept(ok, CELLS[spec.cell](spec, x_side, by_h, state, axis=0), state)

        _, pullback = jax.vjp(new, x_side, h_side, state)
        da, da_h, d_before = pullback((d_state[0] + d_h, *d_state[1:]))
        return d_before, (da, da_h) if _apart(spec) else (da,)

    at = d_hs, ok, sides, before
    d_start, das = lax.scan(step, tuple(s.T for s in d_final), at, reverse=not reverse)
    da, da_h = das[0], das[-1]
    d_w = Block(
        kernel=jnp.einsum("tbn,tgb->ng", xs, da),
        recurrent=_by_recurrent(spec, sides, before[0], da_h),
        bias=None if w.bias is None else da.sum(axis=(0, 2)),
        recurrent_bias=None if w.recurrent_bias is None else da_h.sum(axis=(0, 2)),
    )
    d_xs = jnp.einsum("tgb,ng->tbn", da, w.kernel)
    return d_w, d_xs, tuple(s.T for s in d_start), None


scan.defvjp(_forward, _backward)


@jax.custom_vjp
def _recalled(value: jax.Array, v: jax.Array, U: jax.Array) -> jax.Array:
    """U v + b where that value is known; only its gradients, by the value and by v, are made."""
    return value


_recalled.defvjp(
    lambda value, v, U: (value, U),
    lambda U, d: (d, U.T @ d, jnp.zeros_like(U)),  # the last is left out by who does not ask for it
)


def _apart(spec: Spec) -> bool:
    """Whether the two sides of a have gradients of their own."""
    return spec.cell == "gru" and spec.reset == "after"


def _by_recurrent(spec: Spec, sides: Any, h: jax.Array, da: jax.Array) -> jax.Array:
    """dU; of a GRU that resets before its product, that of the candidate is by r h."""
    if spec.cell != "gru" or _apart(spec):
        return _product(h, da)
    size = spec.hidden_size
    r = jax.nn.sigmoid(sides[0][:, :size] + sides[1][:, :size])
    rest = da[:, : 2 * size], da[:, 2 * size :]
    return jnp.concatenate([_product(h, rest[0]), _product(r * h, rest[1])], axis=-1)


def _product(v: jax.Array, da: jax.Array) -> jax.Array:
    """Σ v daᵀ over steps and rows."""
    return jnp.einsum("thb,tgb->hg", v, da)


def _columns(w: Block) -> Written:
    """The same block for rows that are the last axis."""
    bias, recurrent_bias = (None if b is None else b[:, None] for b in (w.bias, w.recurrent_bias))
    assert w.recurrent is not None
    return Block(w.kernel.T, w.recurrent.T, bias, recurrent_bias)


def _last(sequence: Any) -> Any:
    """A sequence with its rows as the last axis; and back."""
    return None if sequence is None else jnp.swapaxes(sequence, 1, 2)


def _plus(product: jax.Array, b: Any) -> jax.Array:
    return product if b is None else product + b


def _before(states: jax.Array, start: jax.Array, reverse: bool) -> jax.Array:
    """What every step began with."""
    parts = [states[1:], start[None]] if reverse else [start[None], states[:-1]]
    return jnp.concatenate(parts)


def _kept(ok: jax.Array | None, new: Any, state: Any) -> Any:
    """The new state; in rows that have ended, the old one."""
    if ok is None:
        return new
    return tuple(jnp.where(ok, n, s) for n, s in zip(new, state, strict=True))

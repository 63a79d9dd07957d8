"""``lax.scan`` whose weights get their gradients after it, in one product over all steps.

``jax.vjp`` of a scan adds ``da_t h_{t-1}ᵀ`` to dU at every step, which reads and writes all of dU each
time. Here a second scan goes back over the steps, and differentiates each by its pre-activations a and its
state alone. The first one left a, so no product is made twice. Then, over steps and rows,

    dW = Σ da xᵀ    dU = Σ da h_{t-1}ᵀ    db = Σ da    dx = Wᵀ da

Steps have the batch last: states are ``(H, B)``, weights ``(gates, in)``, and a = W x + U h + b. XLA packs
the right side of a product anew at every step, which is then the small state and not the weights.

W x of all steps may be one product as well, before the loop: ``hoists`` says where that is faster.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.cells import CELLS, kept, parts
from backends.layouts import Block
from reference import Spec

SMALL_BATCH = 4


def hoists(batch: int) -> bool:
    """Whether W x of all steps is one product before the loop.

    For few rows a step's product is bound by reading W, and one for all steps reads it once. For more,
    the loop has W x at hand where it is needed, and a sequence of them has to be written and read.
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
    U = [w.recurrent[rows] for rows in parts(spec)]  # type: ignore[index]  # not joined, as declared
    b = [None if w.recurrent_bias is None else w.recurrent_bias[rows] for rows in parts(spec)]

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        h_side = []

        def by_h(v: jax.Array, part: int = 0) -> jax.Array:
            h_side.append(_affine(U[part], v, b[part]))
            return h_side[-1]

        x_side = x if hoisted else _affine(w.kernel, x, w.bias)
        new = kept(ok, CELLS[spec.cell](spec, x_side, by_h, state, 0), state)
        sides = x_side, jnp.concatenate(h_side)
        return new, (new[0], sides if _apart(spec) else (sum(sides),), state)

    x_sides = _rows_last(_affine_of_all(xs, w) if hoisted else xs)
    at = x_sides, _rows_last(valid)
    final, (hs, a, before) = lax.scan(step, _turned(start), at, reverse=reverse)
    ys = _rows_last(hs)
    ys = ys if valid is None else jnp.where(valid, ys, 0)
    return (_turned(final), ys), (w, xs, valid, a, before)


def _backward(spec: Spec, reverse: bool, residuals: Any, d: Any) -> Any:
    w, xs, valid, a, before = residuals
    d_final, d_ys = d
    d_hs = d_ys if valid is None else jnp.where(valid, d_ys, 0)
    hoisted = hoists(xs.shape[1])
    # Once: XLA's CPU products by a transposed matrix are slower.
    U_T = [w.recurrent[rows].T for rows in parts(spec)]
    W_T = w.kernel.T

    def step(d_state: Any, at: Any) -> Any:
        d_h, ok, a, state = at

        def new(a: Any, state: Any) -> Any:
            x_side, h_side = a if _apart(spec) else (*a, jnp.zeros_like(*a))

            def by_h(v: jax.Array, part: int = 0) -> jax.Array:
                return _recalled(h_side[parts(spec)[part]], v, U_T[part])

            return kept(ok, CELLS[spec.cell](spec, x_side, by_h, state, 0), state)

        _, pullback = jax.vjp(new, a, state)
        da, d_before = pullback((d_state[0] + d_h, *d_state[1:]))
        return d_before, (da, None if hoisted else W_T @ da[0])

    at = _rows_last(d_hs), _rows_last(valid), a, before
    d_start, (das, dxs) = lax.scan(step, _turned(d_final), at, reverse=not reverse)
    da, da_h = das[0], das[-1]
    d_w = Block(
        kernel=_product(da, _rows_last(xs)),
        recurrent=_by_recurrent(spec, a, before[0], da_h),
        bias=None if w.bias is None else da.sum(axis=(0, 2)),
        recurrent_bias=None if w.recurrent_bias is None else da_h.sum(axis=(0, 2)),
    )
    d_xs = jnp.einsum("tgb,gi->tbi", da, w.kernel) if hoisted else _rows_last(dxs)
    return d_w, d_xs, _turned(d_start), None


scan.defvjp(_forward, _backward)


@jax.custom_vjp
def _recalled(value: jax.Array, v: jax.Array, U_T: jax.Array) -> jax.Array:
    """U v + b, or what of it W x does not hold already; its gradients, by that value and by v."""
    return value


_recalled.defvjp(
    lambda value, v, U_T: (value, U_T),
    lambda U_T, d: (d, U_T @ d, jnp.zeros_like(U_T)),  # the last is left out: nobody asks for it
)


def _apart(spec: Spec) -> bool:
    """Whether the two sides of a, W x + b and U h + b, have gradients of their own; else a is their sum."""
    return spec.cell == "gru" and spec.reset == "after"


def _affine(W: jax.Array, v: jax.Array, b: Any) -> jax.Array:
    """W v + b, for ``v (N, B)``."""
    return W @ v if b is None else W @ v + b[:, None]


def _affine_of_all(xs: jax.Array, w: Block) -> jax.Array:
    """W x + b of all steps ``(T, B, N)``, the batch not last."""
    a = jnp.einsum("tbi,gi->tbg", xs, w.kernel)
    return a if w.bias is None else a + w.bias


def _by_recurrent(spec: Spec, a: Any, h: jax.Array, da: jax.Array) -> jax.Array:
    """dU; of a GRU that resets before its product, that of the candidate is by r h."""
    if len(parts(spec)) == 1:
        return _product(da, h)
    r = jax.nn.sigmoid(a[0][:, : spec.hidden_size])
    of_gates, of_candidate = (da[:, rows] for rows in parts(spec))
    return jnp.concatenate([_product(of_gates, h), _product(of_candidate, r * h)])


def _product(da: jax.Array, v: jax.Array) -> jax.Array:
    """Σ da vᵀ over steps and rows."""
    return jnp.einsum("tgb,tnb->gn", da, v)


def _rows_last(a: Any) -> Any:
    """Of every step, ``(B, N)`` to ``(N, B)``, or back; None stays."""
    return None if a is None else jnp.swapaxes(a, 1, 2)


def _turned(state: Any) -> Any:
    """The parts of a state, ``(B, H)`` to ``(H, B)``, or back."""
    return tuple(part.T for part in state)

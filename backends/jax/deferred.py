"""``lax.scan`` that defers the weights' gradients: one matmul over all steps, after the loop.

``jax.vjp`` of a scan adds ``da_t h_{t-1}ᵀ`` to dU at every step, which reads and writes all of dU each
time. Here a second scan goes back over the steps, and differentiates each by its pre-activations a and its
state alone. The first scan saved a, so no matmul runs twice. Then, over steps and rows,

    dW = Σ da xᵀ    dU = Σ da h_{t-1}ᵀ    db = Σ da    dx = Wᵀ da

Steps have the batch last: states are ``(H, B)``, weights ``(gates, in)``, and a = W x + U h + b. XLA packs
the right side of a matmul anew at every step, which is then the small state and not the weights.

W x of all steps may be one matmul as well, before the loop: ``hoists`` says where that is faster.
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
    """Tell whether W x of all steps is one matmul before the loop.

    For few rows, reading W limits the speed of a step's matmul, and one matmul for all steps reads W once. For
    more rows, the loop is faster: it uses W x at once, where a sequence has to be written and read.

    Args:
        batch: The number of rows.

    Returns:
        True for fewer than ``SMALL_BATCH`` rows.
    """
    return batch < SMALL_BATCH


@partial(jax.custom_vjp, nondiff_argnums=(0, 5))
def scan(
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    """Run one layer in one direction.

    Args:
        spec: The network.
        w: The weights of the layer and direction.
        xs: The input (T, B, N), 0 where not valid.
        state: The initial state: h (B, H) and, for an LSTM, c.
        valid: True where a row has not ended (T, B, 1), or None.
        reverse: True to run from the last step to the first.

    Returns:
        The final state, and the outputs (T, B, H).
    """
    return _forward(spec, w, xs, state, valid, reverse)[0]


def _forward(
    spec: Spec, w: Block, xs: jax.Array, start: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    """Return the results of ``scan``, and the residuals for ``_backward``."""
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
    """Return the gradients by the weights, the input and the initial state."""
    w, xs, valid, a, before = residuals
    d_final, d_ys = d
    d_hs = d_ys if valid is None else jnp.where(valid, d_ys, 0)
    hoisted = hoists(xs.shape[1])
    # Once: XLA's CPU matmuls with a transposed matrix are slower.
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
    """Return a known value of U v + b; its gradients are by the value and by v."""
    return value


_recalled.defvjp(
    lambda value, v, U_T: (value, U_T),
    lambda U_T, d: (d, U_T @ d, jnp.zeros_like(U_T)),  # unused: dU follows the loop
)


def _apart(spec: Spec) -> bool:
    """Tell whether W x + b and U h + b have different gradients; else a is their sum."""
    return spec.cell == "gru" and spec.reset == "after"


def _affine(W: jax.Array, v: jax.Array, b: Any) -> jax.Array:
    """Return W v + b for ``v (N, B)``."""
    return W @ v if b is None else W @ v + b[:, None]


def _affine_of_all(xs: jax.Array, w: Block) -> jax.Array:
    """Return W x + b of all steps ``(T, B, N)``; the batch is not last."""
    a = jnp.einsum("tbi,gi->tbg", xs, w.kernel)
    return a if w.bias is None else a + w.bias


def _by_recurrent(spec: Spec, a: Any, h: jax.Array, da: jax.Array) -> jax.Array:
    """Return dU; a reset-before GRU multiplies r h, not h, in its candidate."""
    if len(parts(spec)) == 1:
        return _product(da, h)
    r = jax.nn.sigmoid(a[0][:, : spec.hidden_size])
    of_gates, of_candidate = (da[:, rows] for rows in parts(spec))
    return jnp.concatenate([_product(of_gates, h), _product(of_candidate, r * h)])


def _product(da: jax.Array, v: jax.Array) -> jax.Array:
    """Return Σ da vᵀ over steps and rows."""
    return jnp.einsum("tgb,tnb->gn", da, v)


def _rows_last(a: Any) -> Any:
    """Swap the last two axes of every step, ``(B, N)`` and ``(N, B)``; None stays None."""
    return None if a is None else jnp.swapaxes(a, 1, 2)


def _turned(state: Any) -> Any:
    """Transpose the parts of a state, ``(B, H)`` and ``(H, B)``."""
    return tuple(part.T for part in state)

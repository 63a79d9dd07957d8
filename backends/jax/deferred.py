"""``lax.scan`` whose weights get their gradients after it, in one product over all steps.

``jax.vjp`` of a scan adds ``h_{t-1}ᵀ da_t`` to dU at every step, which reads and writes all of dU each
time. Here the loop is differentiated by its pre-activations a alone: a bias that every step has its own
of has da for its gradient. Then, over steps and rows,

    dW = Σ xᵀ da    dU = Σ h_{t-1}ᵀ da    db = Σ da    dx = da Wᵀ

x W of all steps may be one product as well, before the loop: ``hoists`` says where that is faster.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from backends.jax import rnn
from backends.jax.cells import affine
from backends.layouts import Block
from reference import Spec

SMALL_BATCH = 8

Own: TypeAlias = dict[str, jax.Array | None]
"""Parts of a block that every step has its own of."""


def hoists(batch: int) -> bool:
    """Whether x W of all steps is one product before the loop.

    For few rows a step's product is bound by reading W, and one for all steps reads it once. For more,
    the loop has x W + h U at hand where it is needed, and a sequence of pre-activations has to be
    written and read.
    """
    return batch < SMALL_BATCH


@partial(jax.custom_vjp, nondiff_argnums=(0, 5))
def scan(
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    """One layer in one direction: final state and outputs."""
    if not hoists(xs.shape[1]):
        return rnn.scan(spec, w, xs, state, valid, reverse)
    return rnn.scan(spec, w, None, state, valid, reverse, _hoisted(w, xs))


def _forward(
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    hoisted = hoists(xs.shape[1])

    def run(own: Own, state: Any) -> Any:
        return rnn.scan(spec, w, None if hoisted else xs, state, valid, reverse, own)

    own = _biases(spec, w, xs) | (_hoisted(w, xs) if hoisted else {})
    (final, ys), pullback = jax.vjp(run, own, state)
    return (final, ys), (pullback, w, xs, state[0], valid, ys)


def _backward(spec: Spec, reverse: bool, residuals: Any, d: Any) -> Any:
    pullback, w, xs, h0, valid, ys = residuals
    d_own, d_state = pullback(d)
    da = d_own["bias"]
    da_h = d_own.get("recurrent_bias", da)
    h = _before(ys, h0, valid, reverse)
    d_w = Block(
        kernel=_product(xs, da),
        recurrent=_by_recurrent(spec, w, xs, h, da_h),
        bias=None if w.bias is None else da.sum(axis=(0, 1)),
        recurrent_bias=None if w.recurrent_bias is None else da_h.sum(axis=(0, 1)),
    )
    return d_w, da @ w.kernel.T, d_state, None


scan.defvjp(_forward, _backward)


def _hoisted(w: Block, xs: jax.Array) -> Own:
    """The input's product of every step as its bias, and no kernel."""
    return {"kernel": None, "bias": affine(xs, w.kernel, w.bias)}


def _biases(spec: Spec, w: Block, xs: jax.Array) -> Own:
    """A cell's biases, one of each for every step and row."""
    shape = (*xs.shape[:2], spec.num_gates * spec.hidden_size)

    def own(bias: Any) -> jax.Array:
        return jnp.zeros(shape, xs.dtype) if bias is None else jnp.broadcast_to(bias, shape)

    both = spec.cell == "gru"
    return {"bias": own(w.bias)} | ({"recurrent_bias": own(w.recurrent_bias)} if both else {})


def _before(ys: jax.Array, h0: jax.Array, valid: jax.Array | None, reverse: bool) -> jax.Array:
    """The h that every step began with; where the step before it is padding, the initial one."""
    if not reverse:  # no valid step comes after a padded one
        return jnp.concatenate([h0[None], ys[:-1]])
    h = jnp.concatenate([ys[1:], h0[None]])
    if valid is None:
        return h
    return jnp.where(jnp.concatenate([valid[1:], jnp.zeros_like(valid[:1])]), h, h0)


def _by_recurrent(spec: Spec, w: Block, xs: Any, h: jax.Array, da: jax.Array) -> jax.Array:
    """dU; of a GRU that resets before its product, that of the candidate is by r h."""
    if spec.cell != "gru" or spec.reset == "after":
        return _product(h, da)
    size = spec.hidden_size
    W_r, U_r, b_r, c_r = (None if part is None else part[..., :size] for part in w)
    r = jax.nn.sigmoid(affine(xs, W_r, b_r) + affine(h, U_r, c_r))
    rest = da[..., : 2 * size], da[..., 2 * size :]
    return jnp.concatenate([_product(h, rest[0]), _product(r * h, rest[1])], axis=-1)


def _product(v: jax.Array, da: jax.Array) -> jax.Array:
    """Σ vᵀ da over steps and rows."""
    return v.reshape(-1, v.shape[-1]).T @ da.reshape(-1, da.shape[-1])

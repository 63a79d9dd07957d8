"""jax_vjp beside the recurrent layers of JAX's libraries: a training step on one processor.

Each is called as its documentation does, under one ``jax.jit``, with the same weights: y, and the gradients of
the sum of dy · y by x, both kernels and the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import keras
import numpy as np
from flax import nnx
from jax import lax

from backends.jax import deferred, rnn
from backends.layouts import Block
from benchmarks.peers.peer import Calls, Peer, Size, problem
from reference import Spec

SIZES = ((16, 25, 512, 512), (16, 150, 256, 256))

Run = Callable[[jax.Array, Block], jax.Array]
"""y from x and the weights, both time-major."""


def flax(spec: Spec) -> Run:
    """``nnx.RNN`` of an ``OptimizedLSTMCell``."""
    cell = nnx.OptimizedLSTMCell(spec.input_size, spec.hidden_size, rngs=nnx.Rngs(0))
    definition, state = nnx.split(nnx.RNN(cell, time_major=True))
    like = nnx.to_pure_dict(state)

    def run(x: jax.Array, w: Block) -> jax.Array:
        cell = {"dense_i": {"kernel": w.kernel}, "dense_h": {"kernel": w.recurrent, "bias": w.bias}}
        return nnx.merge(definition, nnx.State(like | {"cell": like["cell"] | cell}))(x)

    return run


def equinox(spec: Spec) -> Run:
    """``eqx.nn.LSTMCell`` in a ``lax.scan``, over rows by ``jax.vmap``."""
    cell = eqx.nn.LSTMCell(spec.input_size, spec.hidden_size, key=jax.random.key(0))

    def run(x: jax.Array, w: Block) -> jax.Array:
        def parts(c: Any) -> list[Any]:
            return [c.weight_ih, c.weight_hh, c.bias]

        W, U, b, _ = w
        mine = eqx.tree_at(parts, cell, [W.T, U.T, b])  # type: ignore[union-attr]  # not joined

        def step(state: Any, x_t: jax.Array) -> Any:
            state = jax.vmap(mine)(x_t, state)
            return state, state[0]

        zero = jnp.zeros((x.shape[1], spec.hidden_size), x.dtype)
        return lax.scan(step, (zero, zero), x)[1]

    return run


def keras_on_jax(spec: Spec) -> Run:
    """``keras.layers.LSTM``, batch-major as it is."""
    layer = keras.layers.LSTM(spec.hidden_size, return_sequences=True)
    layer.build((None, None, spec.input_size))
    rest = [v.value for v in layer.non_trainable_variables]

    def run(x: jax.Array, w: Block) -> jax.Array:
        y, _ = layer.stateless_call(list(w[:3]), rest, jnp.swapaxes(x, 0, 1))
        return jnp.swapaxes(y, 0, 1)

    return run


def ours(spec: Spec) -> Run:
    """The adapter's own network."""

    def run(x: jax.Array, w: Block) -> jax.Array:
        return rnn.network(deferred.scan, spec, ((w,),), x, None, None, None)[0]

    return run


def beside(theirs: Callable[[Spec], Run], size: Size) -> Calls:
    """A training step of both."""
    spec, params, x = problem(size, batch_first=False)
    W, U, b, c = (np.asarray(a) for a in params[0][0])
    w = Block(jnp.asarray(W.T), jnp.asarray(U.T), jnp.asarray(b + c), None)
    held, dy = jnp.asarray(x), jnp.ones((*x.shape[:2], spec.hidden_size), x.dtype)

    def step(run: Run) -> Callable[[], Any]:
        @jax.jit
        def differentiated(x: jax.Array, w: Block) -> Any:
            y, pullback = jax.vjp(run, x, w)
            return jax.tree.leaves((y, pullback(dy)))

        return lambda: jax.block_until_ready(differentiated(held, w))

    return step(ours(spec)), step(theirs(spec))


PEERS = tuple(
    Peer(name, "LSTM training step, float32, one processor", SIZES, partial(beside, theirs))
    for name, theirs in (("Flax", flax), ("Equinox", equinox), ("Keras", keras_on_jax))
)

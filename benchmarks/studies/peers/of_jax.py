"""jax_vjp beside the recurrent layers of JAX's libraries, and PyTorch's: a training step on one processor.

Each is called as its documentation does, JAX's under one ``jax.jit``, with the same weights as it keeps them:
y, and the gradients of the sum of dy · y by x, both kernels and the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import keras
import numpy as np
import torch
from flax import nnx
from jax import lax

from backends.jax import deferred
from backends.jax import recurrent as rnn
from backends.layouts import Block
from benchmarks.studies.peers.peer import Calls, Peer, Size, problem
from reference import Array, Spec

SIZES = ((16, 25, 512, 512), (16, 150, 256, 256))

Run = Callable[[jax.Array, Block], jax.Array]
"""y from x and the weights, both time-major."""


class Library(NamedTuple):
    """A recurrent layer of JAX, and whether its kernels are ``(inputs, gates)`` or the other way."""

    run: Callable[[Spec], Run]
    inputs_first: bool

    def turned(self, kernel: Array) -> Array:
        """From ``(gates, inputs)``, or back."""
        return kernel.T if self.inputs_first else kernel


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

        mine = eqx.tree_at(parts, cell, list(w[:3]))

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


Problem = tuple[Spec, Block, Array]
"""The weights, kernels ``(gates, inputs)`` and one bias, and the input."""


def held(size: Size) -> Problem:
    """The problem of this size."""
    spec, params, x = problem(size, batch_first=False)
    W, U, b, c = (np.asarray(a) for a in params[0][0])
    return spec, Block(kernel=W, recurrent=U, bias=b + c), x


def step(library: Library, given: Problem) -> Callable[[], Any]:
    """A training step of one of JAX's."""
    spec, w, x = given
    kernel, recurrent = (np.ascontiguousarray(library.turned(a)) for a in w[:2])  # type: ignore[arg-type]  # both are there
    arrays = jax.tree.map(jnp.asarray, (x, Block(kernel=kernel, recurrent=recurrent, bias=w.bias)))
    dy = jnp.ones((*x.shape[:2], spec.hidden_size), x.dtype)
    network = library.run(spec)

    @jax.jit
    def differentiated(x: jax.Array, w: Block) -> Any:
        y, pullback = jax.vjp(network, x, w)
        return jax.tree.leaves((y, pullback(dy)))

    def call() -> Any:
        found = map(np.asarray, jax.block_until_ready(differentiated(*arrays)))  # the same memory
        y, dx, d_kernel, d_recurrent, d_bias = found
        return [y, dx, library.turned(d_kernel), library.turned(d_recurrent), d_bias]

    return call


def step_of_pytorch(given: Problem) -> Callable[[], Any]:
    """A training step of ``nn.LSTM``, whose second bias is 0."""
    spec, w, x = given
    torch.set_num_threads(1)
    module = torch.nn.LSTM(spec.input_size, spec.hidden_size)
    values = (w.kernel, w.recurrent, w.bias, 0 * w.bias)  # type: ignore[operator]  # all are there
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    module.load_state_dict(dict(zip(names, map(torch.tensor, values), strict=True)))
    x_torch = torch.tensor(x, requires_grad=True)
    leaves = [x_torch, *(getattr(module, name) for name in names[:3])]
    dy = torch.ones(*x.shape[:2], spec.hidden_size)

    def call() -> Any:
        y, _ = module(x_torch)
        dx, d_kernel, d_recurrent, d_bias = torch.autograd.grad(y, leaves, dy)
        return [y.detach(), dx, d_kernel, d_recurrent, d_bias]

    return call


OURS = Library(ours, inputs_first=False)
STEPS: dict[str, Callable[[Problem], Callable[[], Any]]] = {
    "PyTorch": step_of_pytorch,
    "Flax": partial(step, Library(flax, inputs_first=True)),
    "Equinox": partial(step, Library(equinox, inputs_first=False)),
    "Keras": partial(step, Library(keras_on_jax, inputs_first=True)),
}


def beside(theirs: Callable[[Problem], Callable[[], Any]], size: Size) -> Calls:
    """Our step and theirs."""
    given = held(size)
    return step(OURS, given), theirs(given)


PEERS = tuple(
    Peer(name, "LSTM training step, float32, one processor", SIZES, partial(beside, theirs))
    for name, theirs in STEPS.items()
)

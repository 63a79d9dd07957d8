"""jax_vjp against the LSTM layers of JAX libraries and PyTorch: a training step on one processor.

Each library is called as its documentation does, those of JAX under one ``jax.jit``, with the same weights in its own
layout. A step computes y, and the gradients of the sum of dy · y with respect to x, both kernels and the bias.
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
from backends.jax.scan import network
from backends.layouts import Block
from benchmarks.studies.libraries.library import Calls, Library, Size, problem
from reference import Array, Spec

SIZES = ((16, 25, 512, 512), (16, 150, 256, 256))

Run = Callable[[jax.Array, Block], jax.Array]
"""Returns y for x and the weights, time-major."""


class _JaxLayer(NamedTuple):
    """A recurrent layer of a JAX library, with the layout of its kernels."""

    run: Callable[[Spec], Run]
    inputs_first: bool
    """True for kernels ``(inputs, gates)``, False for ``(gates, inputs)``."""

    def convert(self, kernel: Array) -> Array:
        """Convert a kernel from ``(gates, inputs)`` to the library's layout, or back.

        Args:
            kernel: the kernel.

        Returns:
            The converted kernel.
        """
        return kernel.T if self.inputs_first else kernel


def _flax(spec: Spec) -> Run:
    """Return ``nnx.RNN`` of an ``OptimizedLSTMCell``."""
    cell = nnx.OptimizedLSTMCell(spec.input_size, spec.hidden_size, rngs=nnx.Rngs(0))
    definition, state = nnx.split(nnx.RNN(cell, time_major=True))
    like = nnx.to_pure_dict(state)

    def run(x: jax.Array, w: Block) -> jax.Array:
        cell = {"dense_i": {"kernel": w.kernel}, "dense_h": {"kernel": w.recurrent, "bias": w.bias}}
        return nnx.merge(definition, nnx.State(like | {"cell": like["cell"] | cell}))(x)

    return run


def _equinox(spec: Spec) -> Run:
    """Return ``eqx.nn.LSTMCell`` in a ``lax.scan``, vectorised over the batch by ``jax.vmap``."""
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


def _keras(spec: Spec) -> Run:
    """Return ``keras.layers.LSTM``, which is batch-major."""
    layer = keras.layers.LSTM(spec.hidden_size, return_sequences=True)
    layer.build((None, None, spec.input_size))
    rest = [v.value for v in layer.non_trainable_variables]

    def run(x: jax.Array, w: Block) -> jax.Array:
        y, _ = layer.stateless_call(list(w[:3]), rest, jnp.swapaxes(x, 0, 1))
        return jnp.swapaxes(y, 0, 1)

    return run


def _rnnspec(spec: Spec) -> Run:
    """Return the network of the adapter jax_vjp."""

    def run(x: jax.Array, w: Block) -> jax.Array:
        return network(deferred.scan, spec, ((w,),), x, None, None, None)[0]

    return run


Problem = tuple[Spec, Block, Array]
"""The spec, the weights with kernels ``(gates, inputs)`` and one bias, and the input."""


def _draw_problem(size: Size) -> Problem:
    """Draw a problem of this size."""
    spec, params, x = problem(size, batch_first=False)
    W, U, b, c = (np.asarray(a) for a in params[0][0])
    return spec, Block(kernel=W, recurrent=U, bias=b + c), x


def _jax_step(library: _JaxLayer, given: Problem) -> Callable[[], Any]:
    """Return a training step of a JAX library."""
    spec, w, x = given
    kernel, recurrent = (np.ascontiguousarray(library.convert(a)) for a in w[:2])  # type: ignore[arg-type]  # both are there
    arrays = jax.tree.map(jnp.asarray, (x, Block(kernel=kernel, recurrent=recurrent, bias=w.bias)))
    dy = jnp.ones((*x.shape[:2], spec.hidden_size), x.dtype)
    network = library.run(spec)

    @jax.jit
    def differentiated(x: jax.Array, w: Block) -> Any:
        y, pullback = jax.vjp(network, x, w)
        return jax.tree.leaves((y, pullback(dy)))

    def call() -> Any:
        found = map(
            np.asarray, jax.block_until_ready(differentiated(*arrays))
        )  # shares the device's memory
        y, dx, d_kernel, d_recurrent, d_bias = found
        return [y, dx, library.convert(d_kernel), library.convert(d_recurrent), d_bias]

    return call


def _pytorch_step(given: Problem) -> Callable[[], Any]:
    """Return a training step of ``nn.LSTM``, with the second bias 0."""
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


OURS = _JaxLayer(_rnnspec, inputs_first=False)
STEPS: dict[str, Callable[[Problem], Callable[[], Any]]] = {
    "PyTorch": _pytorch_step,
    "Flax": partial(_jax_step, _JaxLayer(_flax, inputs_first=True)),
    "Equinox": partial(_jax_step, _JaxLayer(_equinox, inputs_first=False)),
    "Keras": partial(_jax_step, _JaxLayer(_keras, inputs_first=True)),
}


def _make_calls(theirs: Callable[[Problem], Callable[[], Any]], size: Size) -> Calls:
    """Return our step and the other library's."""
    given = _draw_problem(size)
    return _jax_step(OURS, given), theirs(given)


LIBRARIES = tuple(
    Library(name, "LSTM training step, float32, one processor", SIZES, partial(_make_calls, theirs))
    for name, theirs in STEPS.items()
)

"""A whole network as a pure function of its parameters and data, and its gradients.

The network is static, as a bare spec is; output, loss and gradients are one compilation.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from backends.adapter import NetworkInputs, Result
from backends.jax.decoder import affine, decode
from backends.jax.device import Place, put, result
from backends.jax.parameters import network_gradients, stored
from backends.jax.scan import Unroll
from reference.networks.layers import (
    Data,
    Decoder,
    Dense,
    Embedding,
    FinalState,
    Layer,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    OneHot,
    Readout,
    Recurrent,
    Vector,
    Vectors,
)
from reference.trees import named

ACTIVATIONS = {
    "identity": lambda a: a,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "softmax": jax.nn.softmax,
}
LOSSES = {
    NegativeLogLikelihood: "optax.softmax_cross_entropy_with_integer_labels",
    MeanSquaredError: "optax.squared_error",
}
CALLS = {
    OneHot: "jax.nn.one_hot",
    Embedding: "jax.numpy.take",
    Recurrent: "jax.lax.scan",
    Decoder: "jax.lax.scan",
} | LOSSES
"""The names of the calls that a network's layers make."""


def called(network: Network) -> str:
    """Return the calls that run a network, in words.

    Args:
        network: The layers.

    Returns:
        The calls, each once, in the order of the layers.
    """
    calls = dict.fromkeys(CALLS[type(layer)] for layer in network if type(layer) in CALLS)
    return f"jax.value_and_grad of {', '.join(calls)}"


class Passed(NamedTuple):
    """The results that a layer passes to the next one."""

    v: Any
    """The output."""
    a: Any = None
    """The activation's argument; the likelihood reads the softmax's logits."""
    h_n: Any = None
    """A recurrent network's final states."""


def forward(
    unroll: Unroll, network: Network, params: Any, data: Data
) -> tuple[jax.Array, jax.Array]:
    """Run a network and its loss.

    Args:
        unroll: Runs a recurrent layer over time.
        network: The layers, the loss last.
        params: The parameters of each layer.
        data: One batch.

    Returns:
        The output of the last layer before the loss, and the loss.
    """
    dtype = jax.tree.leaves(params)[0].dtype
    passed = Passed(None)
    for layer, p in zip(network[:-1], params[:-1], strict=True):
        passed = _pass_on(unroll, layer, p, passed, data, dtype)
    return passed.v, _loss_of(network[-1], passed, data)


def _pass_on(
    unroll: Unroll, layer: Layer, params: Any, before: Passed, data: Data, dtype: Any
) -> Passed:
    """Run one layer other than a loss."""
    match layer:
        case Vectors() | Vector():
            return Passed(data.x)
        case OneHot():
            return Passed(jax.nn.one_hot(data.x, layer.vocabulary, dtype=dtype))
        case Embedding():
            return Passed(jnp.take(params.table, data.x, axis=0))
        case Recurrent():
            y, states = unroll(layer.spec, params, before.v, None, None, data.lengths)
            return Passed(y, h_n=states[0])
        case FinalState():
            directions = before.v.shape[-1] // before.h_n.shape[-1]
            return Passed(jnp.concatenate(before.h_n[-directions:], axis=-1))
        case Readout():
            a = affine(params, _select(layer, before.v, data.lengths))
        case Dense():
            a = affine(params, before.v)
        case Decoder():
            a = decode(unroll, layer, params, before.v, data.targets)
        case _:
            raise TypeError(f"{layer} given, expected a layer of reference/networks/layers.py")
    return Passed(ACTIVATIONS[layer.activation](a), a)


def _select(layer: Readout, v: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Return the steps of ``v (B, T, N)`` that a readout reads."""
    if layer.at == "every":
        return v
    if layer.at != "last":
        return v[:, np.array(layer.at)]
    return v[:, -1] if lengths is None else v[jnp.arange(len(v)), lengths - 1]


def _loss_of(layer: Layer, passed: Passed, data: Data) -> jax.Array:
    """Return the mean or the sum of the valid steps' losses."""
    targets: Any = data.targets
    valid = None
    if data.target_lengths is not None:
        valid = jnp.arange(targets.shape[1]) < data.target_lengths[:, None]
        mask = valid.reshape(valid.shape + (1,) * (targets.ndim - 2))
        targets = jnp.where(mask, targets, 0)
    if isinstance(layer, NegativeLogLikelihood):
        losses = optax.softmax_cross_entropy_with_integer_labels(passed.a, targets)
    else:
        assert isinstance(layer, MeanSquaredError)
        losses = jnp.mean(optax.squared_error(passed.v, targets), axis=-1)
    over = {"mean": jnp.mean, "sum": jnp.sum}[layer.reduction]
    return over(losses, where=valid)


@partial(jax.jit, static_argnums=(0, 1))
def differentiate(
    unroll: Unroll, network: Network, params: Any, data: Data
) -> tuple[Any, Any, Any]:
    """Run a network forward and back.

    Args:
        unroll: Runs a recurrent layer over time.
        network: The layers, the loss last.
        params: The parameters of each layer.
        data: One batch.

    Returns:
        Output, loss, and the loss's gradients by the parameters and, unless x is words, by x.
    """

    def objective(params: Any, x: jax.Array) -> tuple[Any, Any]:
        y, loss = forward(unroll, network, params, data._replace(x=x))
        return loss, y

    words = isinstance(network[0], OneHot | Embedding)
    by = (0,) if words else (0, 1)
    (loss, y), found = jax.value_and_grad(objective, by, has_aux=True)(params, data.x)
    return y, loss, found


def run(inputs: NetworkInputs, place: Place) -> Result:
    """Run a whole network once, forward and back.

    Args:
        inputs: The network and its arrays.
        place: Device, dialect and the function that runs recurrent layers.

    Returns:
        The output, the loss and its gradients.
    """
    held = put(place.device, inputs.dtype, stored(place.dialect, inputs.network, inputs.params))
    data = put(place.device, inputs.dtype, inputs.data)
    y, loss, (d_held, *dx) = differentiate(place.unroll, inputs.network, held, data)
    found = network_gradients(place.dialect, inputs.network, inputs.params, d_held)
    arrays = {"y": y, "loss": loss} | ({"dx": dx[0]} if dx else {})
    return result(arrays | named(found, "dparams"))

"""Training with optax: one jitted step of loss, gradients and update for each batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import optax

from backends.adapter import Result, TrainingInputs
from backends.jax.device import Place, put, result
from backends.jax.network import forward
from backends.jax.parameters import network_gradients, network_values, stored, trained
from backends.jax.scan import Unroll
from reference.networks.layers import Data, Network
from reference.networks.optimisers import Adam, Clip, GradientDescent, Momentum, Optimiser
from reference.trees import named


def called(optimiser: Optimiser, clip: Clip | None) -> str:
    """Return the calls that turn gradients into an update, in words.

    Args:
        optimiser: The optimiser.
        clip: Gradient clipping, or None.

    Returns:
        The calls.
    """
    update = "optax.adam" if isinstance(optimiser, Adam) else "optax.sgd"
    return f"optax.clip_by_global_norm, {update}" if clip else update


def _rule(optimiser: Optimiser, clip: Clip | None) -> optax.GradientTransformation:
    """Return optax's transformation from gradients to an update."""
    match optimiser:
        case GradientDescent():
            update = optax.sgd(optimiser.rate)
        case Momentum():
            update = optax.sgd(optimiser.rate, momentum=optimiser.momentum)
        case Adam():
            update = optax.adam(optimiser.rate, optimiser.beta1, optimiser.beta2, optimiser.epsilon)
    return optax.chain(optax.clip_by_global_norm(clip.most), update) if clip else update


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def step(
    unroll: Unroll,
    network: Network,
    optimiser: Optimiser,
    clip: Clip | None,
    params: Any,
    constants: Any,
    memory: Any,
    batch: Data,
) -> tuple[Any, Any, Any]:
    """Train on one batch.

    Args:
        unroll: Runs a recurrent layer over time.
        network: The layers, the loss last.
        optimiser: The optimiser.
        clip: Gradient clipping, or None.
        params: The parameters that training changes; None for constants.
        constants: All parameters, with the values of constants.
        memory: The optimiser's state.
        batch: The batch.

    Returns:
        The loss, the new parameters and the optimiser's new state.
    """

    def objective(params: Any) -> Any:
        return forward(unroll, network, _merged(params, constants), batch)[1]

    loss, gradients = jax.value_and_grad(objective)(params)
    updates, memory = _rule(optimiser, clip).update(gradients, memory, params)
    return loss, optax.apply_updates(params, updates), memory


def _merged(params: Any, constants: Any) -> Any:
    """Return ``params``, with constants in place of None."""
    return jax.tree.map(
        lambda p, c: c if p is None else p, params, constants, is_leaf=lambda p: p is None
    )


def run_steps(
    unroll: Unroll,
    network: Network,
    optimiser: Optimiser,
    clip: Clip | None,
    params: Any,
    constants: Any,
    batches: tuple[Data, ...],
    device: Any,
) -> tuple[list[Any], Any]:
    """Train on each batch in turn.

    Args:
        unroll: Runs a recurrent layer over time.
        network: The layers, the loss last.
        optimiser: The optimiser.
        clip: Gradient clipping, or None.
        params: The parameters that training changes; None for constants.
        constants: All parameters, with the values of constants.
        batches: The batches.
        device: JAX's device.

    Returns:
        The loss of every batch before its update, and the parameters after the last update.
    """
    memory = jax.device_put(_rule(optimiser, clip).init(params), device)  # or it compiles twice
    losses = []
    for batch in batches:
        loss, params, memory = step(
            unroll, network, optimiser, clip, params, constants, memory, batch
        )
        losses.append(loss)
    return losses, params


def train(inputs: TrainingInputs, place: Place) -> Result:
    """Train for as many steps as there are batches.

    Args:
        inputs: The network, its arrays and the optimiser.
        place: Device, dialect and the function that runs recurrent layers.

    Returns:
        The losses, and the parameters after the last step except those that stay fixed.
    """
    network, dialect = inputs.network, place.dialect
    held = put(place.device, inputs.dtype, stored(dialect, network, inputs.params))
    batches = put(place.device, inputs.dtype, inputs.batches)
    losses, found = run_steps(
        place.unroll,
        network,
        inputs.optimiser,
        inputs.clip,
        trained(network, held),
        held,
        batches,
        place.device,
    )
    its = (dialect, network, inputs.params, found)
    loss = {"loss": np.stack(losses)}
    typed = result(loss | named(network_gradients(*its), "params"))
    exact = result(loss | named(network_values(*its), "params"))
    left = {name: a for name, a in exact.tensors.items() if name not in inputs.fixed}
    return Result(left, typed.dtypes)

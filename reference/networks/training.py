"""Training: at every step, the gradients of one batch change the parameters."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from reference.networks.arguments import check_loss, check_network, check_parameters
from reference.networks.data_arguments import check_data
from reference.networks.layers import Network, NetworkParams
from reference.networks.network import gradients
from reference.networks.optimisers import Clip, Optimiser, check_optimiser, in_floats
from reference.networks.shapes import zeros
from reference.spec import Array
from reference.trees import each, named

Tree = TypeVar("Tree")


def train(
    network: Network,
    params: NetworkParams,
    batches: Any,
    optimiser: Optimiser,
    clip: Clip | None = None,
    fixed: Any = (),
) -> tuple[Array, NetworkParams]:
    """Train a network, one update a batch.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        batches: Data of every step, a tuple of at least one.
        optimiser: The optimiser.
        clip: The clipping of gradients, or None.
        fixed: Names of parameters that stay as they are, as in ``trees.named(params, "params")``; no
            norm counts their gradients.

    Returns:
        The loss of every batch before its update (steps,), and the parameters after the last one.

    Raises:
        ValueError: An argument does not fit; before the first step.
        FloatingPointError: Parameters are not finite after a step.
    """
    _check_arguments(network, params, batches, optimiser, clip, fixed)
    optimiser, clip = in_floats(optimiser), clip and in_floats(clip)
    shapes = zeros(network)
    names = named(shapes, "params")
    moves = np.concatenate([np.full(a.size, name not in fixed) for name, a in names.items()])
    losses, memory = [], None
    for batch in batches:
        found = gradients(network, params, batch)
        losses.append(found.loss)
        g = np.where(moves, as_vector(found.params, shapes), 0)
        if clip:
            g = clip(g)
        step, memory = optimiser.update(g, optimiser.remember(g) if memory is None else memory)
        vector = as_vector(params, shapes) - step
        if not np.isfinite(vector).all():
            raise FloatingPointError(
                f"training: parameters are not finite after step {len(losses)} of {len(batches)}; "
                f"{optimiser} given, expected a rate at which they stay so"
            )
        params = as_params(vector, shapes)
    return np.stack(losses, axis=-1), params


def _check_arguments(
    network: Network,
    params: NetworkParams,
    batches: Any,
    optimiser: Optimiser,
    clip: Clip | None,
    fixed: Any,
) -> None:
    """Check the arguments of ``train``; raise ``ValueError`` for the first that is bad."""
    check_network(network)
    check_loss(network)
    if not isinstance(batches, tuple | list) or len(batches) == 0:
        raise ValueError(f"batches: {batches!r:.80} given, expected a tuple of at least one Data")
    names = named(zeros(network), "params")
    if not isinstance(fixed, tuple | list | set | frozenset) or not all(
        isinstance(name, str) for name in fixed
    ):
        raise ValueError(f"fixed: {fixed!r:.80} given, expected names of parameters")
    if unknown := sorted(set(fixed) - names.keys()):
        raise ValueError(f"fixed: {unknown[0]} given, expected names among {', '.join(names)}")
    if not names:
        raise ValueError(f"network: {network} given, expected a layer with parameters to train")
    check_parameters(network, params)
    check_optimiser(optimiser, clip, next(iter(named(params, "").values())).dtype)
    for batch in batches:  # whose leading axes would become the parameters'
        check_data(network, params, batch, alone=False)


def as_vector(params: Tree, shapes: Tree) -> Array:
    """Join all parameters into one vector.

    Args:
        params: A tree of arrays, with the same leading axes.
        shapes: The tree of the parameters' shapes.

    Returns:
        (..., P).
    """
    pairs = zip(named(params, "").values(), named(shapes, "").values(), strict=True)
    return np.concatenate([a.reshape(*a.shape[: a.ndim - s.ndim], -1) for a, s in pairs], axis=-1)


def as_params(vector: Array, shapes: Tree) -> Tree:
    """Split a vector into parameters.

    Args:
        vector: (..., P).
        shapes: The tree of the parameters' shapes.

    Returns:
        A tree of arrays.
    """
    start = 0

    def take(s: Array) -> Array:
        nonlocal start
        part = vector[..., start : start + s.size]
        start += s.size
        return part.reshape(*vector.shape[:-1], *s.shape)

    return each(take, shapes)

"""Parameters: from canonical layout to the blocks that the dialect declares, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from backends.dialects import CellDialect, Dialect
from backends.jax.scan import Blocks
from backends.layouts import Block, convert, values
from backends.layouts import gradients as of_weights
from reference import Params, Spec, Weights
from reference.networks.layers import Decoder, Network, NetworkParams, Recurrent


def blocks(dialect: Dialect, spec: Spec, params: Params) -> Blocks:
    """Return a recurrent network's parameters as blocks, in float64.

    Args:
        dialect: The backend's dialect.
        spec: The network.
        params: Parameters in canonical layout.

    Returns:
        One block for each layer and direction.

    Raises:
        ValueError: The dialect declares two biases for a cell other than the GRU.
    """
    cell = dialect.cells[spec.cell]
    found = tuple(tuple(convert(spec, cell, w)[0] for w in layer) for layer in params)
    if spec.cell != "gru" and any(b.recurrent_bias is not None for row in found for b in row):
        raise ValueError(f"biases: {cell.biases} declared, but the {spec.cell} cell has one")
    return found


def gradients(dialect: Dialect, spec: Spec, params: Params, found: Blocks) -> Params:
    """Return gradients in canonical layout, in the dtype that JAX returned.

    Args:
        dialect: The backend's dialect.
        spec: The network.
        params: Parameters in canonical layout.
        found: Gradients by the blocks of ``params``.

    Returns:
        Gradients by ``params``.
    """
    return _each_direction(of_weights, dialect, spec, params, found)


def stored(dialect: Dialect, network: Network, params: NetworkParams) -> Any:
    """Return a whole network's parameters, with recurrent ones as blocks.

    Args:
        dialect: The backend's dialect.
        network: The layers.
        params: Parameters in canonical layout.

    Returns:
        The parameters of each layer.
    """
    return _each_recurrent(partial(blocks, dialect), network, params)


def trained(network: Network, held: Any) -> Any:
    """Return the parameters that training changes: all but constant biases.

    Args:
        network: The layers; a spec without biases makes the biases of its blocks constant.
        held: The result of ``stored``.

    Returns:
        The same tree, with None for constants.
    """

    def without(spec: Spec, found: Blocks) -> Blocks:
        if spec.bias:
            return found
        return tuple(
            tuple(block._replace(bias=None, recurrent_bias=None) for block in layer)
            for layer in found
        )

    return _each_recurrent(without, network, held)


def network_gradients(
    dialect: Dialect, network: Network, params: NetworkParams, found: Any
) -> NetworkParams:
    """Return a whole network's gradients in canonical layout.

    Args:
        dialect: The backend's dialect.
        network: The layers.
        params: Parameters in canonical layout.
        found: Gradients by the result of ``stored``.

    Returns:
        Gradients by ``params``.
    """
    return _each_recurrent(partial(gradients, dialect), network, params, found)


def network_values(
    dialect: Dialect, network: Network, params: NetworkParams, found: Any
) -> NetworkParams:
    """Return a whole network's trained parameters in canonical layout.

    Args:
        dialect: The backend's dialect.
        network: The layers.
        params: The parameters before training, in canonical layout.
        found: The trained parameters, in the form that ``stored`` returns.

    Returns:
        The parameters after training.
    """
    one = partial(_each_direction, _weights, dialect)
    return _each_recurrent(one, network, params, found)


def _weights(spec: Spec, cell: CellDialect, began: Weights, found: list[Block]) -> Weights:
    """Return trained values in float64; in a narrower dtype, splitting a bias would round."""
    return values(spec, cell, began, jax.tree.map(lambda a: a.astype(np.float64), found))


def _each_direction(
    back: Callable[..., Weights], dialect: Dialect, spec: Spec, params: Params, found: Blocks
) -> Params:
    """Return ``back(spec, cell, weights, blocks)`` of every layer and direction."""
    cell = dialect.cells[spec.cell]
    found = jax.tree.map(np.asarray, found)
    return tuple(
        tuple(back(spec, cell, w, [block]) for w, block in zip(*layer, strict=True))
        for layer in zip(params, found, strict=True)
    )


def _each_recurrent(of: Callable[..., Any], network: Network, *trees: Any) -> Any:
    """Return the last tree, with ``of(spec, ...)`` in place of its recurrent parameters."""

    def one(layer: Any, *parts: Any) -> Any:
        if isinstance(layer, Recurrent):
            return of(layer.spec, *parts)
        if isinstance(layer, Decoder):
            return parts[-1]._replace(rnn=of(layer.spec, *(part.rnn for part in parts)))
        return parts[-1]

    return tuple(one(*row) for row in zip(network, *trees, strict=True))

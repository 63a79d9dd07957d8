"""Parameters in canonical layout, into the blocks that the dialect declares, and back."""

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
    """A recurrent network's parameters as blocks, still in float64; only our GRU has a second bias."""
    cell = dialect.cells[spec.cell]
    found = tuple(tuple(convert(spec, cell, w)[0] for w in layer) for layer in params)
    if spec.cell != "gru" and any(b.recurrent_bias is not None for row in found for b in row):
        raise ValueError(f"biases: {cell.biases} declared, but the {spec.cell} cell has one")
    return found


def gradients(dialect: Dialect, spec: Spec, params: Params, found: Blocks) -> Params:
    """The gradients of ``params`` from those of its blocks, in the type that JAX returned."""
    return _each_direction(of_weights, dialect, spec, params, found)


def stored(dialect: Dialect, network: Network, params: NetworkParams) -> Any:
    """A whole network's parameters, the recurrent ones as blocks."""
    return _each_recurrent(partial(blocks, dialect), network, params)


def trained(network: Network, held: Any) -> Any:
    """Of what ``stored`` made, all but biases that the spec does not have: those are constants."""

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
    """The gradients of ``params`` from those of what ``stored`` made of it."""
    return _each_recurrent(partial(gradients, dialect), network, params, found)


def network_values(
    dialect: Dialect, network: Network, params: NetworkParams, found: Any
) -> NetworkParams:
    """What training made of ``params``, from what it made of ``stored``'s."""
    one = partial(_each_direction, _weights, dialect)
    return _each_recurrent(one, network, params, found)


def _weights(spec: Spec, cell: CellDialect, began: Weights, found: list[Block]) -> Weights:
    """Values that training has left; in float64, or taking a bias apart would round."""
    return values(spec, cell, began, jax.tree.map(lambda a: a.astype(np.float64), found))


def _each_direction(
    back: Callable[..., Weights], dialect: Dialect, spec: Spec, params: Params, found: Blocks
) -> Params:
    """``back(spec, cell, weights, blocks)`` of every layer and direction."""
    cell = dialect.cells[spec.cell]
    found = jax.tree.map(np.asarray, found)
    return tuple(
        tuple(back(spec, cell, w, [block]) for w, block in zip(*layer, strict=True))
        for layer in zip(params, found, strict=True)
    )


def _each_recurrent(of: Callable[..., Any], network: Network, *trees: Any) -> Any:
    """The last of ``trees``, with ``of(spec, ...)`` where its parameters are recurrent."""

    def one(layer: Any, *parts: Any) -> Any:
        if isinstance(layer, Recurrent):
            return of(layer.spec, *parts)
        if isinstance(layer, Decoder):
            return parts[-1]._replace(rnn=of(layer.spec, *(part.rnn for part in parts)))
        return parts[-1]

    return tuple(one(*row) for row in zip(network, *trees, strict=True))

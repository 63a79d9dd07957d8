"""Run cells of JAX libraries, layer by layer and direction by direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from backends.adapter import Inputs, Result
from formats.assemble import LoadedModel
from formats.batches import Batch, make_batch, make_result
from formats.model import DIRECTIONS

RunDirection = Callable[[int, int, bool, Any, tuple[Any, ...], Any], tuple[Any, tuple[Any, ...]]]
"""Run one direction of one layer: ``(layer, direction, reverse, x, states, lengths) → (y, states)``."""


def run_layers(
    found: LoadedModel, inputs: Inputs, prepare: Callable[[Batch], RunDirection]
) -> Result:
    """Run every direction of every layer.

    Args:
        found: the network in the file.
        inputs: the batch.
        prepare: returns the function that runs one direction; called with float64 enabled if the
            inputs are float64.

    Returns:
        Outputs and final states.
    """
    with jax.enable_x64(inputs.dtype == "float64"):
        batch = make_batch(inputs)
        call = prepare(batch)
        x: Any = jnp.asarray(batch.x, inputs.dtype)
        lengths = None if batch.lengths is None else jnp.asarray(batch.lengths)
        finals = []
        for layer, row in enumerate(batch.states):
            outputs, after = [], []
            for k, name in enumerate(DIRECTIONS[inputs.spec.direction]):
                initial = tuple(jnp.asarray(s, inputs.dtype) for s in row[k])
                y, states = call(layer, k, name == "reverse", x, initial, lengths)
                outputs.append(y)
                after.append([*states])
            x = jnp.concatenate(outputs, axis=-1)
            finals.append(after)
        return make_result(inputs, x, finals, str(x.dtype))

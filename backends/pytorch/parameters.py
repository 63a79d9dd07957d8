"""A recurrent network as a module of the place's way, fused or cells; its parameters, its state, and back.

A cell with a stored forget bias has biases even where the specification has none; those are
constants, with no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from backends.dialects import Dialect
from backends.layouts import Block, convert, gradients, values
from backends.pytorch.device import Place, Way
from reference import PARAMETERS, Params, Spec, Weights


def build(spec: Spec, params: Params, place: Place) -> nn.Module:
    """The module of ``spec``, with the parameters given."""
    cell = place.dialect.cells[spec.cell]
    held = {
        name: place.numbers(value)
        for number, layer in enumerate(params)
        for direction, weights in enumerate(layer)
        for block in convert(spec, cell, weights)
        for role, name in place.way.names(number, direction).items()
        if (value := getattr(block, role)) is not None
    }
    options = {"nonlinearity": spec.activation} if spec.cell == "vanilla" else {}
    biased = any("bias" in name for name in held)
    module = place.way(spec, bias=biased, device=place.device, dtype=place.dtype, **options)
    module.load_state_dict(held)
    if not spec.bias:
        for name, parameter in module.named_parameters():
            parameter.requires_grad_("bias" not in name)
    return module


def as_state(spec: Spec, dialect: Dialect, parts: dict[str, torch.Tensor]) -> Any:
    """What a module takes as its initial state, from h and, for an LSTM, c."""
    return tuple(parts[name] for name in dialect.state) if "c" in spec.states else parts["h"]


def parts_of(spec: Spec, dialect: Dialect, state: Any) -> dict[str, torch.Tensor]:
    """h and, for an LSTM, c, in the order of the specification, from a module's state."""
    parts = state if "c" in spec.states else (state,)
    found = dict(zip(dialect.state_order(spec), parts, strict=True))
    return {name: found[name] for name in spec.states}


def arranged(spec: Spec, way: Way, by_name: Mapping[str, Any]) -> Params:
    """A module's tensors as ``params[layer][direction]``, still in PyTorch's layout; None for none."""

    def weights(layer: int, direction: int) -> Weights:
        names = way.names(layer, direction)
        found = {p.name: by_name.get(names[p.role]) for p in PARAMETERS[spec.cell]}
        return Weights(**found)  # type: ignore[arg-type]  # a matrix is there

    return tuple(
        tuple(weights(layer, direction) for direction in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that have gradients, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _canonical(
    back: Callable[..., Weights], spec: Spec, dialect: Dialect, params: Params, found: Params
) -> Params:
    """What ``arranged`` returned, brought back to the layout of ``params``."""
    cell = dialect.cells[spec.cell]

    def one(began: Weights, now: Weights) -> Weights:
        block = {p.role: getattr(now, p.name) for p in PARAMETERS[spec.cell]}
        return back(spec, cell, began, [Block(**block)])

    return tuple(
        tuple(one(*pair) for pair in zip(*layer, strict=True))
        for layer in zip(params, found, strict=True)
    )


canonical_gradients = partial(_canonical, gradients)
"""The gradients of ``params``."""
canonical_values = partial(_canonical, values)
"""The values of what began as ``params``."""

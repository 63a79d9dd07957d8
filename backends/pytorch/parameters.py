"""A recurrent network as a module, fused or of cells: its parameters and its state, and their canonical form.

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
    """Return a recurrent network as a module.

    Args:
        spec: The network.
        params: Its parameters, in canonical layout.
        place: Device, dtype, dialect and modules.

    Returns:
        The module, with these parameters.
    """
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
    """Return an initial state in the form that a module takes.

    Args:
        spec: The network.
        dialect: The backend's dialect.
        parts: h (L·D, B, H) and, for an LSTM, c.

    Returns:
        h, or a pair in the dialect's order.
    """
    return tuple(parts[name] for name in dialect.state) if "c" in spec.states else parts["h"]


def parts_of(spec: Spec, dialect: Dialect, state: Any) -> dict[str, torch.Tensor]:
    """Return the parts of a module's state by name.

    Args:
        spec: The network.
        dialect: The backend's dialect.
        state: h, or a pair in the dialect's order.

    Returns:
        h and, for an LSTM, c, in the order of the specification.
    """
    parts = state if "c" in spec.states else (state,)
    found = dict(zip(dialect.state_order(spec), parts, strict=True))
    return {name: found[name] for name in spec.states}


def arranged(spec: Spec, way: Way, by_name: Mapping[str, Any]) -> Params:
    """Arrange a module's tensors as ``params[layer][direction]``.

    Args:
        spec: The network.
        way: The modules that run it.
        by_name: Tensors by the names of the module's parameters.

    Returns:
        Weights in PyTorch's layout, with None for missing tensors.
    """

    def weights(layer: int, direction: int) -> Weights:
        names = way.names(layer, direction)
        found = {p.name: by_name.get(names[p.role]) for p in PARAMETERS[spec.cell]}
        return Weights(**found)  # type: ignore[arg-type]  # a matrix is there

    return tuple(
        tuple(weights(layer, direction) for direction in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that have gradients.

    Args:
        module: The module.

    Returns:
        Parameters by name.
    """
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _canonical(
    back: Callable[..., Weights], spec: Spec, dialect: Dialect, params: Params, found: Params
) -> Params:
    """Convert the result of ``arranged`` to the layout of ``params``."""
    cell = dialect.cells[spec.cell]

    def one(began: Weights, now: Weights) -> Weights:
        block = {p.role: getattr(now, p.name) for p in PARAMETERS[spec.cell]}
        return back(spec, cell, began, [Block(**block)])

    return tuple(
        tuple(one(*pair) for pair in zip(*layer, strict=True))
        for layer in zip(params, found, strict=True)
    )


canonical_gradients = partial(_canonical, gradients)
"""Converts gradients of a module to gradients by ``params``."""
canonical_values = partial(_canonical, values)
"""Converts trained parameters of a module to the layout of ``params``."""

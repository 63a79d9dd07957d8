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
from reference import STATES, Params, Spec, Weights


def build(spec: Spec, params: Params, place: Place) -> nn.Module:
    """The module of ``spec``, with the parameters given."""
    cell = place.dialect.cells[spec.cell]
    held = {
        name: place.numbers(value)
        for number, layer in enumerate(params)
        for direction, weights in enumerate(layer)
        for name, value in zip(
            place.way.names(number, direction), convert(spec, cell, weights)[0], strict=True
        )
        if value is not None
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
    return tuple(parts[name] for name in dialect.state) if spec.cell == "lstm" else parts["h"]


def parts_of(spec: Spec, dialect: Dialect, state: Any) -> dict[str, torch.Tensor]:
    """h and, for an LSTM, c, in the order of the specification, from a module's state."""
    if spec.cell != "lstm":
        return {"h": state}
    found = dict(zip(dialect.state, state, strict=True))
    return {name: found[name] for name in STATES["lstm"]}


def arranged(spec: Spec, way: Way, by_name: Mapping[str, Any]) -> Params:
    """A module's tensors as ``params[layer][direction]``, still in PyTorch's layout; None for none."""
    return tuple(
        tuple(
            Weights(*map(by_name.get, way.names(layer, direction)))  # type: ignore[arg-type]  # a weight is there
            for direction in range(spec.num_directions)
        )
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
    return tuple(
        tuple(back(spec, cell, w, [Block(*blocks)]) for w, blocks in zip(*layer, strict=True))
        for layer in zip(params, found, strict=True)
    )


canonical_gradients = partial(_canonical, gradients)
"""The gradients of ``params``."""
canonical_values = partial(_canonical, values)
"""The values of what began as ``params``."""

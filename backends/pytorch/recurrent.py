"""A bare recurrent network: one call of its module, and its gradients where wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from backends.adapter import Inputs, Result
from backends.pytorch.device import Place, dtypes_of, to_numpy
from backends.pytorch.empty_rows import leaves_rows_out, with_empty_rows, without_empty_rows
from backends.pytorch.parameters import (
    arranged,
    as_state,
    build,
    canonical_gradients,
    parts_of,
    trained,
)
from reference.trees import each, named


class Raw(NamedTuple):
    """PyTorch's results: outputs, final state, and gradients with the names of their arguments.

    Parameters have PyTorch's names.
    """

    y: torch.Tensor
    final: Any
    names: Sequence[str] = ()
    gradients: Sequence[torch.Tensor] = ()


def load(inputs: Inputs, place: Place) -> Callable[[], Raw]:
    """Build the module and move the arrays to the device.

    Args:
        inputs: The network and its arrays.
        place: Device, dtype, dialect and modules.

    Returns:
        A function that runs the module once; ``fetch`` takes its result.
    """
    kept = without_empty_rows(inputs) if leaves_rows_out(inputs, place) else inputs
    module = build(kept.spec, kept.params, place)
    x = place.numbers(kept.x)
    given = {"h": kept.h0, "c": kept.c0}
    starts = {name: place.numbers(s) for name, s in given.items() if s is not None}
    state = _initial_state(kept, place, starts)
    lengths = None if kept.lengths is None else torch.tensor(kept.lengths)

    def forward() -> Any:
        return module(x, state, lengths)

    if kept.incoming is None:
        return _inferring(module, forward)
    leaves = {"x": x} | {f"{name}0": s for name, s in starts.items()} | trained(module)
    return _differentiating(kept, place, module, forward, leaves)


def _inferring(module: nn.Module, forward: Callable[[], Any]) -> Callable[[], Raw]:
    module.eval()

    def call() -> Raw:
        with torch.inference_mode():
            return Raw(*forward())

    return call


def _differentiating(
    inputs: Inputs,
    place: Place,
    module: nn.Module,
    forward: Callable[[], Any],
    leaves: dict[str, torch.Tensor],
) -> Callable[[], Raw]:
    module.train()  # cuDNN differentiates in this mode only; there is no dropout
    incoming = _incoming(inputs, place)
    for leaf in leaves.values():
        leaf.requires_grad_()
    names, wanted = tuple(leaves), tuple(leaves.values())
    several = len(inputs.spec.states) > 1

    def call() -> Raw:
        y, final = forward()
        outputs = (y, *final) if several else (y, final)
        return Raw(y, final, names, torch.autograd.grad(outputs, wanted, incoming))

    return call


def fetch(inputs: Inputs, raw: Raw, place: Place) -> Result:
    """Name the tensors that a call of ``load``'s function returned, and put empty rows back.

    Args:
        inputs: The network and its arrays.
        raw: The result of the call.
        place: Device, dtype, dialect and modules.

    Returns:
        The tensors by name.
    """
    spec, dialect = inputs.spec, place.dialect
    tensors = {"y": raw.y}
    for name, part in parts_of(spec, dialect, raw.final).items():
        tensors[f"{name}_n"] = part
    by_name = dict(zip(raw.names, raw.gradients, strict=True))
    tensors |= {f"d{name}": by_name[name] for name in ("x", "h0", "c0") if name in by_name}
    arrays = {name: to_numpy(t) for name, t in tensors.items()}
    if leaves_rows_out(inputs, place):
        arrays = {name: with_empty_rows(inputs, name, a) for name, a in arrays.items()}
    dtypes = dtypes_of(tensors)
    if inputs.incoming is not None:
        found = arranged(spec, place.way, by_name)
        values = each(to_numpy, found)
        arrays |= named(canonical_gradients(spec, dialect, inputs.params, values), "dparams")
        dtypes |= dtypes_of(named(found, "dparams"))
    return Result(arrays, dtypes)


def _initial_state(inputs: Inputs, place: Place, starts: dict[str, torch.Tensor]) -> Any:
    """Return the module's state, with zeros for one missing part; None if both are missing."""
    if not starts:
        return None
    like = next(iter(starts.values()))
    parts = {name: starts.get(name, torch.zeros_like(like)) for name in inputs.spec.states}
    return as_state(inputs.spec, place.dialect, parts)


def _incoming(inputs: Inputs, place: Place) -> list[torch.Tensor]:
    """Return the gradients by y and by the parts of the final state, in PyTorch's order."""
    assert inputs.incoming is not None
    dy, *states = inputs.incoming
    by_part = dict(zip("hc", states, strict=True))
    order = place.dialect.state_order(inputs.spec)
    parts = (by_part[name] for name in order)
    return [place.numbers(dy), *(place.numbers(part) for part in parts if part is not None)]

"""A bare recurrent network: one call of its module, and its gradients where asked for.

``pack_padded_sequence`` refuses rows of length 0. Such rows are left out of the batch and given
back as the specification has them: outputs 0, final state = initial state; so the gradient by x is
0 there, and that by the initial state is the incoming one of the final state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from backends.adapter import Inputs, Result
from backends.pytorch.device import Place, dtypes_of, to_numpy
from backends.pytorch.parameters import (
    arranged,
    as_state,
    build,
    canonical_gradients,
    parts_of,
    trained,
)
from reference import Array
from reference.trees import each, named


class Raw(NamedTuple):
    """What PyTorch returned: outputs, final state, and gradients, with what each is by.

    Parameters have PyTorch's names.
    """

    y: torch.Tensor
    final: Any
    names: Sequence[str] = ()
    gradients: Sequence[torch.Tensor] = ()


def load(inputs: Inputs, place: Place) -> Callable[[], Raw]:
    """Build the module and move the arrays; the call returned runs it once."""
    rows = kept_rows(inputs, place)
    module = build(inputs.spec, inputs.params, place)
    x = place.numbers(np.compress(rows, inputs.x, _batch_axis(inputs)))
    given = {"h": inputs.h0, "c": inputs.c0}
    starts = {name: place.numbers(s[:, rows]) for name, s in given.items() if s is not None}
    state = _initial_state(inputs, place, starts)
    lengths = None if inputs.lengths is None else torch.tensor(inputs.lengths[rows])

    def forward() -> Any:
        return module(x, state, lengths)

    if inputs.incoming is None:
        return _inferring(module, forward)
    leaves = {"x": x} | {f"{name}0": s for name, s in starts.items()} | trained(module)
    return _differentiating(inputs, place, module, forward, leaves)


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
    module.train()  # cuDNN differentiates in this mode only; there is no dropout to be turned on
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
    """What such a call returned, with the rows that were left out."""
    spec, dialect, rows = inputs.spec, place.dialect, kept_rows(inputs, place)
    tensors = {"y": raw.y}
    for name, part in parts_of(spec, dialect, raw.final).items():
        tensors[f"{name}_n"] = part
    by_name = dict(zip(raw.names, raw.gradients, strict=True))
    tensors |= {f"d{name}": by_name[name] for name in ("x", "h0", "c0") if name in by_name}
    arrays = {name: _whole(inputs, rows, name, to_numpy(t)) for name, t in tensors.items()}
    dtypes = dtypes_of(tensors)
    if inputs.incoming is not None:
        found = arranged(spec, place.way, by_name)
        values = each(to_numpy, found)
        arrays |= named(canonical_gradients(spec, dialect, inputs.params, values), "dparams")
        dtypes |= dtypes_of(named(found, "dparams"))
    return Result(arrays, dtypes)


def kept_rows(inputs: Inputs, place: Place) -> Array:
    """The batch rows that PyTorch is given: all but those of length 0, where it refuses them."""
    if inputs.lengths is None or place.dialect.zero_length == "runs":
        return np.ones(inputs.x.shape[_batch_axis(inputs)], bool)
    return inputs.lengths > 0


def _batch_axis(inputs: Inputs) -> int:
    return 0 if inputs.spec.batch_first else 1


def _initial_state(inputs: Inputs, place: Place, starts: dict[str, torch.Tensor]) -> Any:
    """The state as the module takes it: 0 for the part that is not given, None where none is."""
    if not starts:
        return None
    like = next(iter(starts.values()))
    parts = {name: starts.get(name, torch.zeros_like(like)) for name in inputs.spec.states}
    return as_state(inputs.spec, place.dialect, parts)


def _incoming(inputs: Inputs, place: Place) -> list[torch.Tensor]:
    """The gradients by y and by the final state's parts in PyTorch's order, of the rows that it is given."""
    assert inputs.incoming is not None
    dy, *states = inputs.incoming
    rows = kept_rows(inputs, place)
    by_part = dict(zip("hc", states, strict=True))
    order = place.dialect.state_order(inputs.spec)
    return [
        place.numbers(np.compress(rows, dy, _batch_axis(inputs))),
        *(place.numbers(by_part[name][:, rows]) for name in order),  # type: ignore[index]  # a cell's own are there
    ]


def _whole(inputs: Inputs, rows: Array, name: str, kept: Array) -> Array:
    """``kept``, which has these rows, with those that were left out put back."""
    if rows.all():
        return kept
    axis = _batch_axis(inputs) if name in ("y", "dx") else 1
    incoming = inputs.incoming
    left_out = {
        "h_n": inputs.h0,
        "c_n": inputs.c0,
        "dh0": incoming and incoming.h_n,
        "dc0": incoming and incoming.c_n,
    }.get(name)
    shape = list(kept.shape)
    shape[axis] = len(rows)
    whole = np.zeros(shape) if left_out is None else left_out.copy()
    whole[(slice(None),) * axis + (rows,)] = kept
    return whole

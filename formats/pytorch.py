"""PyTorch ``state_dict`` files, as ``torch.save`` writes them: ``rnn.weight_ih_l0``, ``rnn.bias_hh_l1_reverse``.

Files are read with ``weights_only=True``: nothing but tensors is unpickled.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from backends.adapter import Inputs, Result
from backends.layouts import Block
from formats import FORMATS
from formats.assemble import (
    LoadedModel,
    StoredCell,
    assemble,
    blocks_of,
    cell_from_shape,
    common_dtype,
    has_prefix,
    require_found,
)
from formats.batches import make_batch, make_result
from formats.model import DIRECTIONS, BadModel, Model, shortened
from reference import Spec

FORMAT = FORMATS["pytorch"]
MODULES = {"vanilla": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
PARTS = {
    "kernel": "weight_ih",
    "recurrent": "weight_hh",
    "bias": "bias_ih",
    "recurrent_bias": "bias_hh",
}
"""PyTorch's name of every role."""
NAME = re.compile(
    r"(.*?)(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(0|[1-9]\d{0,3})(_reverse)?"
)


def read(path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the one recurrent module in a ``state_dict``.

    Args:
        path: the file.
        given: fields of the spec that the user states.
        part: prefix of the names of the network's parameters; empty for a file with one network.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network.
    """
    where = str(path)
    tensors = _tensors(path)
    named = {
        name: m
        for name in tensors
        if (m := NAME.fullmatch(name)) and has_prefix(m[1].rstrip("."), part)
    }
    modules = sorted({m[1] for m in named.values()})
    require_found(where, modules, FORMAT.contents)
    if len(modules) > 1:
        raise BadModel(
            f"{where}: {shortened([m.rstrip('.') or '(the module itself)' for m in modules])} are several networks, expected "
            "one; select it with --part and the prefix of its names"
        )
    if projected := [name for name, m in named.items() if m[2] == "weight_hr"]:
        raise BadModel(
            f"{where}: {projected[0]}: a projection given, expected an LSTM without proj_size"
        )
    dtype = common_dtype(
        where, {name: str(tensors[name].dtype).removeprefix("torch.") for name in named}
    )
    layers = 1 + max(int(m[3]) for m in named.values())
    directions = 1 + any(m[4] for m in named.values())
    rows = [
        [_stored(where, tensors, f"{modules[0]}{{}}_l{layer}{suffix}")
         for suffix in ("", "_reverse")[:directions]]
        for layer in range(layers)
    ]  # fmt: skip
    left = [name for name in tensors if name not in named]
    return assemble(where, FORMAT, rows, dtype, given=given, ignored=left)


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    expected = "expected a state_dict of tensors by name, as torch.save writes it"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as why:
        raise BadModel(
            f"{path}: pickled objects other than tensors given, which are never read; {expected}"
        ) from why
    except (RuntimeError, ValueError, OSError, EOFError, KeyError) as why:
        raise BadModel(
            f"{path}: {str(why).splitlines()[0] if str(why) else type(why).__name__}; {expected}"
        ) from why
    if not isinstance(found, Mapping):
        raise BadModel(f"{path}: {type(found).__name__} given, {expected}")
    if strange := [
        str(name)
        for name, t in found.items()
        if not (isinstance(name, str) and isinstance(t, torch.Tensor))
    ]:
        raise BadModel(f"{path}: {shortened(strange)}: not a tensor, {expected}")
    return dict(found)


def _stored(where: str, tensors: Mapping[str, torch.Tensor], name: str) -> StoredCell:
    wanted = [name.format(part) for part in PARTS.values()]
    found = [tensors.get(n) for n in wanted]
    missing = [n for n, t in zip(wanted, found, strict=True) if t is None]
    if missing not in ([], wanted[2:]):
        raise BadModel(
            f"{where}: {shortened(missing)} missing, expected {shortened(wanted)}, or no biases"
        )
    arrays = [None if t is None else t.detach().to(torch.float64).numpy() for t in found]
    kernel, recurrent = arrays[:2]
    for part, a in zip(PARTS.values(), (kernel, recurrent), strict=False):
        if a is None or a.ndim != 2 or 0 in a.shape:
            shape = None if a is None else a.shape
            raise BadModel(
                f"{where}: {name.format(part)}: shape {shape} given, expected (gates, units)"
            )
    assert kernel is not None
    assert recurrent is not None
    rows, hidden = recurrent.shape
    cell = cell_from_shape(f"{where}: {name.format('weight_hh')}", rows, hidden)
    return StoredCell(
        name.format("*"),
        cell,
        kernel.shape[1],
        hidden,
        [Block(**dict(zip(PARTS, arrays, strict=True)))],  # type: ignore[arg-type]  # a kernel is there
    )


def write(path: Path, model: Model) -> None:
    """Write the ``state_dict`` of the module in ``loader``.

    Args:
        path: the file.
        model: the network.
    """
    torch.save(_state_dict(model), path)


def _state_dict(model: Model) -> dict[str, torch.Tensor]:
    """Return the module's parameters by PyTorch's names."""
    dtype = getattr(torch, model.dtype)
    directions = DIRECTIONS[model.spec.direction]
    return {
        f"{PARTS[role]}_l{layer}{'_reverse' if direction == 'reverse' else ''}": torch.tensor(
            np.ascontiguousarray(a), dtype=dtype
        )
        for layer, row in enumerate(blocks_of(FORMAT, model))
        for direction, (block,) in zip(directions, row, strict=True)
        for role, a in block._asdict().items()
        if a is not None
    }


def _module_options(spec: Spec, bias: bool) -> dict[str, Any]:
    """Return the keyword arguments that make the module."""
    found: dict[str, Any] = {"num_layers": spec.num_layers, "bias": bias, "batch_first": spec.batch_first,
                             "bidirectional": spec.direction == "bidirectional"}  # fmt: skip
    return found | ({"nonlinearity": spec.activation} if spec.cell == "vanilla" else {})


def loader(model: Model) -> str:
    """Return code that makes the module and loads the file's weights.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    spec = model.spec
    bias = spec.bias or bool(spec.forget_bias)
    words = [str(spec.input_size), str(spec.hidden_size)]
    words += [f"{k}={v!r}" for k, v in _module_options(spec, bias).items()]
    if model.dtype != "float32":
        words.append(f"dtype=torch.{model.dtype}")
    made = f"torch.nn.{MODULES[spec.cell].__name__}({', '.join(words)})"
    return f"rnn = {made}\nrnn.load_state_dict(torch.load(FILE))"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run the module, on a packed sequence if rows have lengths.

    Args:
        path: the file.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    spec = found.model.spec
    prefix = found.layers[0][0].place.partition("*")[0]
    weights = {k.removeprefix(prefix): t for k, t in _tensors(path).items()
               if k.startswith(prefix) and NAME.fullmatch(k)}  # fmt: skip
    module = MODULES[spec.cell](
        spec.input_size, spec.hidden_size, **_module_options(spec, spec.bias) | {"batch_first": True},
        dtype=getattr(torch, found.model.dtype),
    )  # fmt: skip
    module.load_state_dict(weights)
    batch = make_batch(inputs)

    def tensor(a: Any) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(a), dtype=getattr(torch, inputs.dtype))

    initial = [tensor(np.stack([direction[k] for row in batch.states for direction in row]))
            for k in range(len(spec.states))]  # fmt: skip
    x: Any = tensor(batch.x)
    if batch.lengths is not None:
        lengths = torch.tensor(batch.lengths, dtype=torch.int64)
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        y, states = module(x, tuple(initial) if "c" in spec.states else initial[0])
    if batch.lengths is not None:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=batch.x.shape[1])
    states = states if "c" in spec.states else (states,)
    directions = spec.num_directions
    by_row = [
        [
            [s[layer * directions + direction].double() for s in states]
            for direction in range(directions)
        ]
        for layer in range(spec.num_layers)
    ]
    return make_result(inputs, y.double(), by_row, str(y.dtype).removeprefix("torch."))

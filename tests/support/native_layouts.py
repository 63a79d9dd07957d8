"""How a framework of a dialect works: it reads its stored weights, and returns its outputs, its own way.

Every way there has its way back, for gradients.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from backends import Dialect
from backends.dialects import CellDialect
from backends.layouts import Block
from reference import GATES, Array, Spec, Weights


def native_spec(native: Dialect, spec: Spec) -> Spec:
    """Return ``spec`` as a framework of ``native`` runs it: it has no other directions and resets."""
    cell = native.cells[spec.cell]
    if spec.direction not in native.directions:
        raise ValueError(f"no direction {spec.direction}")
    resets = cell.options.get("reset", (spec.reset,))
    if spec.reset not in resets:
        return replace(spec, reset=resets[0])
    return replace(spec, forget_bias=spec.forget_bias if cell.forget_bias == "run time" else 0.0)


def read(cell: CellDialect, spec: Spec, layer: int, blocks: list[Block]) -> Weights:
    """Stored blocks as the framework reads them, gate by gate; refuses what has another shape."""
    size, width = spec.hidden_size, spec.layer_input_size(layer)
    parts: dict[str, dict[str, Array]] = {name: {} for name in Weights._fields}
    for names, block in zip(cell.blocks, blocks, strict=True):
        rows = len(names) * size
        kernel, recurrent = block.kernel, block.recurrent
        if cell.joined:
            fits(recurrent, None)
            fits(kernel, (width + size, rows) if cell.transposed else (rows, width + size))
            kernel, recurrent = np.split(kernel, [width], axis=0 if cell.transposed else 1)
        else:
            fits(kernel, (width, rows) if cell.transposed else (rows, width))
            fits(recurrent, (size, rows) if cell.transposed else (rows, size))
        if block.bias is not None or not cell.bias_optional:
            fits(block.bias, (rows,))
            fits(block.recurrent_bias, (rows,) if cell.biases == 2 else None)
        none = np.zeros(rows)
        assert recurrent is not None
        whole = Weights(
            kernel.T if cell.transposed else kernel,
            recurrent.T if cell.transposed else recurrent,
            none if block.bias is None else block.bias,
            none if block.recurrent_bias is None else block.recurrent_bias,
        )
        for field, value in whole._asdict().items():
            parts[field] |= dict(zip(names, np.split(value, len(names)), strict=True))
    if cell.update == "takes":  # h' = z n + (1 - z) h, and 1 - σ(a) = σ(-a)
        for by_gate in parts.values():
            by_gate["z"] = -by_gate["z"]
    return Weights(*(np.concatenate([p[g] for g in GATES[spec.cell]]) for p in parts.values()))


def as_stored(cell: CellDialect, spec: Spec, d: Weights, blocks: list[Block]) -> list[Block]:
    """The gradients of stored ``blocks``, from those of the weights that ``_read`` made of them."""
    found = []
    for names, block in zip(cell.blocks, blocks, strict=True):
        parts = []
        for part in d:
            by_gate = dict(zip(GATES[spec.cell], np.split(part, spec.num_gates), strict=True))
            if cell.update == "takes":
                by_gate["z"] = -by_gate["z"]
            parts.append(np.concatenate([by_gate[name] for name in names]))
        kernel, recurrent, bias, recurrent_bias = parts
        if cell.joined:
            kernel = np.concatenate([kernel, recurrent], axis=1)
        found.append(
            Block(
                kernel.T if cell.transposed else kernel,
                None if cell.joined else recurrent.T if cell.transposed else recurrent,
                None if block.bias is None else bias,
                None if block.recurrent_bias is None else recurrent_bias,
            )
        )
    return found


def weights_of(raw: dict[str, Array], layer: int, direction: int) -> Weights:
    return Weights(*(raw[f"dparams[{layer}][{direction}].{name}"] for name in Weights._fields))


def fits(value: Array | None, shape: tuple[int, ...] | None) -> None:
    found = None if value is None else value.shape
    if found != shape:
        raise ValueError(f"stored array: shape {found} given, expected {shape}")


def native_outputs(native: Dialect, spec: Spec, ends: Array | None, y: Array) -> Array:
    """Canonical outputs as a framework of ``native`` returns them."""
    y = batched(y, spec)
    if native.reverse_outputs == "processing order":
        y = turned(y, spec, ends)
    if native.padded_outputs == "previous":
        y = y.copy()
        for row, end in zip(y, ends_of(y, ends), strict=True):
            if end:
                row[end:] = row[end - 1]
    return batched(y, spec)


def native_incoming(native: Dialect, spec: Spec, ends: Array | None, dy: Array) -> Array:
    """The gradients by canonical outputs, from those by ``_native_outputs``: its transpose."""
    d = batched(dy, spec)
    if native.padded_outputs == "previous":
        d = d.copy()
        for row, end in zip(d, ends_of(d, ends), strict=True):
            if end:
                row[end - 1] += row[end:].sum(axis=0)
    if native.reverse_outputs == "processing order":
        d = turned(d, spec, ends)
    return batched(d, spec)


def batched(a: Array, spec: Spec) -> Array:
    """Batch first of what is laid out as ``spec`` says, and back."""
    return a if spec.batch_first else np.swapaxes(a, 0, 1)


def ends_of(y: Array, ends: Array | None) -> list[int]:
    return [y.shape[1]] * len(y) if ends is None else [int(end) for end in ends]


def turned(y: Array, spec: Spec, ends: Array | None) -> Array:
    """``y`` with the valid steps of a reverse direction the other way round."""
    start = {"forward": y.shape[2], "bidirectional": spec.hidden_size, "reverse": 0}[spec.direction]
    y = y.copy()
    for row, end in zip(y, ends_of(y, ends), strict=True):
        row[:end, start:] = np.flip(row[:end, start:], axis=0).copy()
    return y


def masked(d: Array, ends: Array | None) -> Array:
    """``d`` with 0 past every row's length."""
    valid = np.arange(d.shape[1]) < np.array(ends_of(d, ends))[:, None]
    return np.where(valid[..., None], d, 0)


def filled(kept: Any, rows: Array, axis: int, initial: Array | None) -> Array:
    """``kept`` with the rows that were left out put back: as in ``initial``, or 0."""
    if rows.all():
        return kept
    shape = [*kept.shape]
    shape[axis] = len(rows)
    whole = np.zeros(shape) if initial is None else initial.copy()
    np.moveaxis(whole, axis, 0)[rows] = np.moveaxis(kept, axis, 0)
    return whole

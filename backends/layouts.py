"""Weight layouts: canonical parameters into the blocks, sides and biases of a dialect, and they, their
gradients and trained values back.

    gate order     rows of W and b are taken block by block in the dialect's order
    transposed     Wᵀ
    joined         [W_ihᵀ; W_hhᵀ]: x's rows first, then h's
    one bias       b_ih + b_hh, but of gates whose second bias is apart
    stored forget bias   added to the f block of the one bias, or of the recurrent side's: exact where that is 0
    z takes        W_z, U_z, b_z change sign

Sums are taken in float64; the adapter rounds them once, to the case's dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backends.dialects import CellDialect
from reference import GATES, Array, Spec, Weights


class Block(NamedTuple):
    """The parameters of one matrix's worth of gates, as the framework stores them.

    ``kernel`` is W_ih, or [x, h] joined; ``recurrent`` is W_hh, or None where joined; ``bias`` is
    the one bias or the input side's; ``recurrent_bias`` the recurrent side's where there are two.
    """

    kernel: Array
    recurrent: Array | None
    bias: Array | None
    recurrent_bias: Array | None


def convert(spec: Spec, dialect: CellDialect, weights: Weights) -> list[Block]:
    """One layer and direction of canonical weights as the dialect's blocks.

    Raises ``ValueError`` where one bias is declared for a reset-after GRU, which needs two.
    """
    after = spec.cell == "gru" and spec.reset == "after"
    if after and spec.bias and dialect.biases == 1 and "n" not in dialect.apart:
        raise ValueError("biases: 1 declared, but a reset-after GRU cannot fold b_hh,n into b_ih,n")
    W_ih, W_hh = _by_gate(spec, weights.W_ih), _by_gate(spec, weights.W_hh)
    b_ih, b_hh = _biases(spec, dialect, weights)
    if dialect.update == "takes":
        for part in (W_ih, W_hh, b_ih, b_hh):
            if "z" in part:
                part["z"] = -part["z"]
    return [_block(dialect, names, W_ih, W_hh, b_ih, b_hh) for names in dialect.blocks]


ByGate = dict[str, Array]


def _by_gate(spec: Spec, rows: Array | None) -> ByGate:
    if rows is None:
        return {}
    return dict(zip(GATES[spec.cell], np.split(rows, spec.num_gates), strict=True))


def _biases(spec: Spec, dialect: CellDialect, weights: Weights) -> tuple[ByGate, ByGate]:
    """The biases by gate on the input and the recurrent side; empty where there is none."""
    b_ih, b_hh = _by_gate(spec, weights.b_ih), _by_gate(spec, weights.b_hh)
    stored = spec.forget_bias if dialect.forget_bias == "stored" else 0.0
    if not b_ih and (stored or not dialect.bias_optional):
        b_ih = {gate: np.zeros(spec.hidden_size) for gate in GATES[spec.cell]}
        b_hh = dict(b_ih)
    if b_ih and dialect.biases == 1:
        b_ih = {g: b if g in dialect.apart else b + b_hh[g] for g, b in b_ih.items()}
        b_hh = {g: b_hh[g] for g in b_hh if g in dialect.apart}
    if b_ih and stored:
        side = b_ih if dialect.biases == 1 else b_hh
        side["f"] = side["f"] + stored
    return b_ih, b_hh


def _block(
    dialect: CellDialect, names: str, W_ih: ByGate, W_hh: ByGate, b_ih: ByGate, b_hh: ByGate
) -> Block:
    def rows(by_gate: ByGate) -> Array | None:
        found = [by_gate[name] for name in names if name in by_gate]
        return np.concatenate(found) if found else None

    kernel, recurrent = rows(W_ih), rows(W_hh)
    assert kernel is not None
    assert recurrent is not None
    if dialect.transposed:
        kernel, recurrent = kernel.T, recurrent.T
    if not dialect.joined:
        return Block(kernel, recurrent, rows(b_ih), rows(b_hh))
    joined = np.concatenate([kernel, recurrent], axis=0 if dialect.transposed else 1)
    return Block(joined, None, rows(b_ih), rows(b_hh))


def gradients(
    spec: Spec, dialect: CellDialect, weights: Weights, blocks: Sequence[Block]
) -> Weights:
    """The canonical gradients of ``weights``, from the gradients of the blocks it was converted to.

    ``convert`` is linear but for the stored forget bias, so this is its transpose: a gradient comes
    back by the way that its parameter went. Both parts of a folded bias get the whole of it.
    """
    W_ih, W_hh, b_ih, b_hh = _unpacked(dialect, weights.W_ih.shape[-1], blocks)
    if dialect.biases == 1:
        b_hh = b_ih | b_hh
    return Weights(
        _rows(spec, W_ih),
        _rows(spec, W_hh),
        None if weights.b_ih is None else _rows(spec, b_ih),
        None if weights.b_hh is None else _rows(spec, b_hh),
    )


def values(spec: Spec, dialect: CellDialect, began: Weights, blocks: Sequence[Block]) -> Weights:
    """The canonical values of weights that began as ``began``, from those of their blocks, in float64.

    They come back as gradients do, but that a bias may hold more than its own: a forget bias, or b_hh,
    which then stays as it was, since one bias is trained.
    """
    now = gradients(spec, dialect, began, blocks)
    if now.b_ih is None or began.b_ih is None:
        return now
    held = gradients(spec, dialect, began, convert(spec, dialect, began))

    def without(side: str) -> Array:
        mine: Array = getattr(now, side)
        return mine - (getattr(held, side) - getattr(began, side))

    b_hh = began.b_hh if dialect.biases == 1 else without("b_hh")
    return now._replace(b_ih=without("b_ih"), b_hh=b_hh)


def restored(spec: Spec, dialect: CellDialect, input_size: int, blocks: Sequence[Block]) -> Weights:
    """The canonical weights that ``convert`` makes these blocks of, in float64, whatever they were.

    A bias that was folded comes back as b_ih, and b_hh is 0. Raises ``ValueError`` for a bias of a spec without.
    """
    W_ih, W_hh, b_ih, b_hh = _unpacked(dialect, input_size, blocks)
    none = {gate: np.zeros(spec.hidden_size) for gate in GATES[spec.cell]}
    b_ih, b_hh = none | b_ih, none | b_hh
    if dialect.forget_bias == "stored":
        side = b_ih if dialect.biases == 1 else b_hh
        side["f"] = side["f"] - spec.forget_bias
    biases = _rows(spec, b_ih), _rows(spec, b_hh)
    if spec.bias:
        return Weights(_rows(spec, W_ih), _rows(spec, W_hh), *biases)
    if any(b.any() for b in biases):
        raise ValueError("bias: False given, and there are biases that are not 0")
    return Weights(_rows(spec, W_ih), _rows(spec, W_hh), None, None)


def _rows(spec: Spec, by_gate: ByGate) -> Array:
    return np.concatenate([by_gate[gate] for gate in GATES[spec.cell]])


def _unpacked(
    dialect: CellDialect, inputs: int, blocks: Sequence[Block]
) -> tuple[ByGate, ByGate, ByGate, ByGate]:
    """W_ih, W_hh, b_ih and b_hh of what is stored, by gate; of b_hh those that are stored."""
    W_ih: ByGate = {}
    W_hh: ByGate = {}
    b_ih: ByGate = {}
    b_hh: ByGate = {}
    for names, block in zip(dialect.blocks, blocks, strict=True):
        kernel, recurrent = block.kernel, block.recurrent
        if dialect.joined:
            kernel, recurrent = np.split(kernel, [inputs], axis=0 if dialect.transposed else 1)
        assert recurrent is not None
        if dialect.transposed:
            kernel, recurrent = kernel.T, recurrent.T
        second = names if dialect.biases == 2 else "".join(g for g in names if g in dialect.apart)
        sides = (
            (W_ih, kernel, names),
            (W_hh, recurrent, names),
            (b_ih, block.bias, names),
            (b_hh, block.recurrent_bias, second),
        )
        for by_gate, part, gates in sides:
            if part is not None:
                by_gate |= dict(zip(gates, np.split(part, len(gates)), strict=True))
    if dialect.update == "takes":
        for side in (W_ih, W_hh, b_ih, b_hh):
            if "z" in side:
                side["z"] = -side["z"]
    return W_ih, W_hh, b_ih, b_hh

"""Weight layouts: canonical parameters into a dialect's blocks; gradients and trained values back.

    gate order     rows of W and b are taken block by block in the dialect's order
    transposed     Wᵀ
    joined         [W_ihᵀ; W_hhᵀ]: x's rows first, then h's
    one bias       b_ih + b_hh, but of gates whose second bias is apart
    stored forget bias   added to the f block of the one bias, or of the recurrent side's: exact where that is 0
    z takes        W_z, U_z, b_z change sign

Sums are taken in float64; the adapter rounds them once, to the case's dtype.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from backends.dialects import CellDialect
from reference import GATES, PARAMETERS, Array, Role, Spec, Weights


class Block(NamedTuple):
    """The parameters of one matrix's worth of gates, as the framework stores them.

    The fields are the roles of ``reference.PARAMETERS``.
    """

    kernel: Array
    """W_ih, or [x, h] joined."""
    recurrent: Array | None = None
    """W_hh, or None where joined."""
    bias: Array | None = None
    """The one bias, or the input side's."""
    recurrent_bias: Array | None = None
    """The recurrent side's bias where there are two."""


ByGate: TypeAlias = dict[str, Array]
ByRole: TypeAlias = dict[Role, ByGate]
"""Every parameter of a cell, cut into its gates; a role without entries is not there."""


def convert(spec: Spec, dialect: CellDialect, weights: Weights) -> list[Block]:
    """Return one layer and direction of canonical weights as the dialect's blocks.

    Args:
        spec: The network that they are from.
        dialect: The framework's layout of the cell.
        weights: Canonical weights, in float64.

    Returns:
        One block for every matrix that the dialect lists, in float64.

    Raises:
        ValueError: One bias is declared for a reset-after GRU, which needs two.

    """
    after = spec.cell == "gru" and spec.reset == "after"
    if after and spec.bias and dialect.biases == 1 and "n" not in dialect.apart:
        raise ValueError("biases: 1 declared, but a reset-after GRU cannot fold b_hh,n into b_ih,n")
    parts = _by_role(spec, weights)
    _fold(spec, dialect, parts)
    _turn(dialect, parts)
    return [_block(dialect, gates, parts) for gates in dialect.blocks]


def _by_role(spec: Spec, weights: Weights) -> ByRole:
    """Return every parameter by its role, cut into its gates."""
    found: ByRole = {}
    for parameter in PARAMETERS[spec.cell]:
        value: Array | None = getattr(weights, parameter.name)
        gates = parameter.gates
        found[parameter.role] = (
            {} if value is None else dict(zip(gates, np.split(value, len(gates)), strict=True))
        )
    return found


def _weights(spec: Spec, parts: ByRole, missing: Collection[str]) -> Weights:
    """Return the weights that have these gates; None for the parameters that are ``missing``."""
    values = {
        p.name: np.concatenate([parts[p.role][gate] for gate in p.gates])
        for p in PARAMETERS[spec.cell]
        if p.name not in missing
    }
    return Weights(**values)


def _fold(spec: Spec, dialect: CellDialect, parts: ByRole) -> None:
    """Make the biases those that the dialect stores: as many as it has, with a stored forget bias."""
    b_ih, b_hh = parts["bias"], parts["recurrent_bias"]
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
    parts["bias"], parts["recurrent_bias"] = b_ih, b_hh


def _turn(dialect: CellDialect, parts: ByRole) -> None:
    """Change the sign of z's gate where z = 1 takes the candidate: 1 − σ(a) = σ(−a)."""
    if dialect.update == "takes":
        for by_gate in parts.values():
            if "z" in by_gate:
                by_gate["z"] = -by_gate["z"]


def _block(dialect: CellDialect, gates: str, parts: ByRole) -> Block:
    """Return one block of these gates."""

    def stored(role: Role) -> Array | None:
        found = [parts[role][gate] for gate in gates if gate in parts[role]]
        if not found:
            return None
        value = np.concatenate(found)
        return value.T if dialect.transposed else value  # a vector is its own transpose

    block = {role: stored(role) for role in parts}
    if dialect.joined:
        both: Any = [block["kernel"], block["recurrent"]]
        block |= {"kernel": np.concatenate(both, axis=_inputs_axis(dialect)), "recurrent": None}
    return Block(**block)  # type: ignore[arg-type]  # a kernel is there


def _inputs_axis(dialect: CellDialect) -> int:
    """Return the axis of a kernel along which its inputs lie."""
    return 0 if dialect.transposed else 1


def gradients(
    spec: Spec, dialect: CellDialect, weights: Weights, blocks: Sequence[Block]
) -> Weights:
    """Return the canonical gradients of ``weights``, from those of the blocks that it became.

    ``convert`` is linear but for the stored forget bias, so this is its transpose: a gradient comes
    back by the way that its parameter went. Both parts of a folded bias get the whole of it.

    Args:
        spec: The network that the weights are from.
        dialect: The framework's layout of the cell.
        weights: The canonical weights.
        blocks: Gradients, one block for every matrix that the dialect lists.

    Returns:
        A gradient for every parameter of ``weights``.

    """
    parts = _unpacked(spec, dialect, weights.W_ih.shape[-1], blocks)
    if dialect.biases == 1:
        parts["recurrent_bias"] = parts["bias"] | parts["recurrent_bias"]
    missing = [name for name, value in weights._asdict().items() if value is None]
    return _weights(spec, parts, missing)


def values(spec: Spec, dialect: CellDialect, began: Weights, blocks: Sequence[Block]) -> Weights:
    """Return the canonical values of weights that began as ``began``, from those of their blocks.

    They come back as gradients do, except that a stored bias may include a forget bias, or b_hh,
    which then stays as it was, since only the one bias is trained.

    Args:
        spec: The network that the weights are from.
        dialect: The framework's layout of the cell.
        began: The canonical weights from which the blocks were made.
        blocks: Their values now, in float64.

    Returns:
        The canonical values now, in float64.

    """
    now = gradients(spec, dialect, began, blocks)
    if now.b_ih is None or began.b_ih is None:
        return now
    at_first = gradients(spec, dialect, began, convert(spec, dialect, began))

    def without(name: str) -> Array:
        mine: Array = getattr(now, name)
        return mine - (getattr(at_first, name) - getattr(began, name))

    b_hh = began.b_hh if dialect.biases == 1 else without("b_hh")
    return now._replace(b_ih=without("b_ih"), b_hh=b_hh)


def restored(spec: Spec, dialect: CellDialect, input_size: int, blocks: Sequence[Block]) -> Weights:
    """Return the canonical weights from which ``convert`` makes these blocks.

    A bias that was folded comes back as b_ih, and b_hh is 0.

    Args:
        spec: The network.
        dialect: The framework's layout of the cell.
        input_size: Width of the sequence that the layer reads.
        blocks: Stored values, in float64, one block for every matrix that the dialect lists.

    Returns:
        The weights, in float64.

    Raises:
        ValueError: The spec has no bias, and a stored bias is not 0.

    """
    parts = _unpacked(spec, dialect, input_size, blocks)
    none = {gate: np.zeros(spec.hidden_size) for gate in GATES[spec.cell]}
    b_ih, b_hh = none | parts["bias"], none | parts["recurrent_bias"]
    if dialect.forget_bias == "stored":
        side = b_ih if dialect.biases == 1 else b_hh
        side["f"] = side["f"] - spec.forget_bias
    if not spec.bias and any(b.any() for b in (*b_ih.values(), *b_hh.values())):
        raise ValueError("bias: False given, and there are biases that are not 0")
    missing = [p.name for p in PARAMETERS[spec.cell] if p.optional and not spec.bias]
    return _weights(spec, parts | {"bias": b_ih, "recurrent_bias": b_hh}, missing)


def _unpacked(spec: Spec, dialect: CellDialect, inputs: int, blocks: Sequence[Block]) -> ByRole:
    """Return the stored blocks by role and gate; of the recurrent bias, the gates that are stored."""
    parts: ByRole = {parameter.role: {} for parameter in PARAMETERS[spec.cell]}
    for gates, block in zip(dialect.blocks, blocks, strict=True):
        stored = block._asdict()
        if dialect.joined:
            stored["kernel"], stored["recurrent"] = np.split(
                block.kernel, [inputs], axis=_inputs_axis(dialect)
            )
        second = gates if dialect.biases == 2 else "".join(g for g in gates if g in dialect.apart)
        for role, by_gate in parts.items():
            value = stored[role]
            if value is None:
                continue
            mine = second if role == "recurrent_bias" else gates
            rows = value.T if dialect.transposed else value
            by_gate |= dict(zip(mine, np.split(rows, len(mine)), strict=True))
    _turn(dialect, parts)
    return parts

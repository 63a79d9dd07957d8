"""Assemble the cells found in a file into one network.

Fields of the spec that a file does not store are given by the user, or assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from backends.dialects import CellDialect, cell_of, unrepresentable
from backends.dtypes import rounded
from backends.layouts import Block, convert, restored
from backends.options import ANY, BOTH, Options, restricted
from formats.model import BadModel, Model, parameters_by_name, shortened
from reference import GATES, Spec, Weights, weight_shapes
from reference.spec import CHOICES
from reference.trees import each

SPEC_OPTIONS: Options = {
    "input_size": ANY, "hidden_size": ANY, "num_layers": ANY, "bias": BOTH, "batch_first": BOTH,
}  # fmt: skip
"""The options of all cells that files hold; a format lists its directions and cells itself."""
CELL_OPTIONS = ("activation", "reset", "forget_bias")
"""The options of single cells that files hold or that readers assume."""
DTYPES = ("float64", "float32")
"""The dtypes that every framework runs without conversion."""


class StoredCell(NamedTuple):
    """A cell in a file: one layer in one direction, with its location and its weights as stored."""

    place: str
    """The location in the file, such as ``encoder/rnn/lstm_cell``."""
    cell: str
    input_size: int
    hidden_size: int
    blocks: list[Block]

    @property
    def has_bias(self) -> bool:
        """True if the file has biases for this cell."""
        return self.blocks[0].bias is not None


class Format(NamedTuple):
    """A file format. The module of the same name in this folder reads, writes and runs such files."""

    name: str
    endings: tuple[str, ...]
    contents: str
    """The networks that such a file holds, in words."""
    packages: tuple[str, ...]
    """The packages that read, write and run such files."""
    cells: Mapping[str, CellDialect]
    directions: tuple[str, ...]
    dtypes: tuple[str, ...] = DTYPES
    unrecorded: str = ""
    """Settings of the framework that neither such a file nor a spec records; defaults are assumed."""
    defaults: Mapping[str, Mapping[str, Any]] = {}
    """Fields of the spec that such a file does not store, by cell, with the values assumed for them."""

    def cell(self, spec: Spec) -> CellDialect:
        """Return the layout of a cell.

        Args:
            spec: a network that the format can hold.

        Returns:
            The cell's dialect.
        """
        found = cell_of(self.cells, spec)
        assert found is not None
        return found

    def why_unsupported(self, spec: Spec, dtype: str) -> str | None:
        """Say why the format cannot hold a network.

        Args:
            spec: the network.
            dtype: the dtype of its parameters.

        Returns:
            ``"<option>: <reason>"``, or None if the format can hold it.
        """
        if dtype not in self.dtypes:
            return f"dtype: it holds {' or '.join(self.dtypes)}, not {dtype}"
        cells = {
            name: replace(cell, options=restricted(cell.options, CELL_OPTIONS))
            for name, cell in self.cells.items()
        }
        return unrepresentable(cells, {**SPEC_OPTIONS, "direction": self.directions}, spec)

    def unstored_fields(self, spec: Spec) -> dict[str, Any]:
        """Return the fields of a spec that such a file does not store.

        Args:
            spec: the network.

        Returns:
            Values by field. A forget bias that is part of the stored biases is not among them.
        """
        return {name: getattr(spec, name) for name in self.defaults.get(spec.cell, {})}


class LoadedModel(NamedTuple):
    """The network in a file, and how it was found."""

    model: Model
    layers: Sequence[Sequence[StoredCell]]
    """The cells in the file, by layer and direction."""
    assumed: Mapping[str, Any]
    """Fields of the spec that were assumed."""
    ignored: Sequence[str]
    """Names of tensors in the file that are not part of the network."""


def assemble(
    where: str,
    kind: Format,
    layers: Sequence[Sequence[StoredCell]],
    dtype: str,
    *,
    given: Mapping[str, Any],
    stated: Mapping[str, Any] | None = None,
    ignored: Sequence[str] = (),
) -> LoadedModel:
    """Assemble cells into one network.

    Args:
        where: the file's name, for errors.
        kind: the file's format.
        layers: the cells, by layer and direction.
        dtype: the dtype of the stored parameters.
        given: fields of the spec that the user states; they override the format's defaults.
        stated: fields of the spec that the file states.
        ignored: names of tensors in the file that are not part of the network.

    Returns:
        The network, and how it was found.

    Raises:
        BadModel: the cells are no network, or the user's fields contradict the file.
    """
    first = layers[0][0]
    stated = dict(stated or {})
    stated |= {"cell": first.cell, "input_size": first.input_size, "hidden_size": first.hidden_size,
             "num_layers": len(layers)}  # fmt: skip
    if len(layers[0]) == 2:
        stated["direction"] = "bidirectional"
    if not first.has_bias:
        stated["bias"] = False
    resets = {
        reset
        for cell in kind.cells.values()
        for reset in CHOICES["reset"]
        if reset in cell.options.get("reset", ())
    }
    if first.cell == "gru" and len(resets) == 1:
        stated["reset"] = resets.pop()
    for name, value in given.items():
        if name in stated and stated[name] != value:
            raise BadModel(
                f"{where}: --spec {name}={value} given, but the file has {name}={stated[name]}; omit --spec {name}"
            )
    unstored: dict[str, Any] = {**kind.defaults.get(first.cell, {}), "batch_first": True}
    defaults = {k: v for k, v in unstored.items() if k not in stated}
    try:
        spec = Spec(**defaults | dict(given) | stated)
    except (TypeError, ValueError) as error:
        raise BadModel(f"{where}: {error}") from error
    if why := kind.why_unsupported(spec, dtype):
        raise BadModel(f"{where}: {why}")
    for layer, row in enumerate(layers):
        for stored in row:
            _check_cell(where, kind, spec, layer, stored, first)
    try:
        params = tuple(
            tuple(restored(spec, kind.cell(spec), s.input_size, _as_float64(s.blocks)) for s in row)
            for row in layers
        )
    except ValueError as error:
        raise BadModel(f"{where}: --spec {error}") from error
    model = Model(spec, params, dtype)
    _check_exact(where, kind, model)
    assumed = {name: value for name, value in defaults.items() if name not in given}
    return LoadedModel(model, layers, assumed, ignored)


def blocks_of(kind: Format, model: Model) -> list[list[list[Block]]]:
    """Convert a network's weights to a format's layout.

    Args:
        kind: the format.
        model: the network.

    Returns:
        The blocks of every cell, by layer and direction, in float64.
    """
    spec, cell = model.spec, kind.cell(model.spec)
    return [[convert(spec, cell, w) for w in row] for row in model.params]


def layers_by_size(
    where: str, found: Sequence[StoredCell], given: Mapping[str, Any]
) -> list[list[StoredCell]]:
    """Group consecutive cells by layer and direction, from their input sizes.

    With two directions, two cells read inputs of the same size, and later layers read ``2·H``.

    Args:
        where: the file's name, for errors.
        found: the cells, in the order of the file.
        given: fields of the spec that the user states; ``direction`` decides where the sizes do not.

    Returns:
        The cells, by layer and direction.

    Raises:
        BadModel: the sizes fit no network, or fit two and ``given`` has no ``direction``.
    """
    sizes = [s.input_size for s in found]
    hidden = found[0].hidden_size
    one = sizes[1:] == [hidden] * (len(found) - 1)
    two = sizes == [sizes[0]] * 2 + [2 * hidden] * (len(found) - 2) and len(found) % 2 == 0
    places = shortened([s.place for s in found])
    if one and two and "direction" not in given:
        raise BadModel(
            f"{where}: {places} may be two layers or one bidirectional layer; add --spec direction=forward or "
            "--spec direction=bidirectional"
        )
    wanted = given.get("direction", "bidirectional" if two else "forward")
    if not (two if wanted == "bidirectional" else one):
        raise BadModel(
            f"{where}: {places}: input sizes {sizes} given for {hidden} units, expected one {wanted} network, whose later "
            f"layers read {hidden} features, or {2 * hidden} if bidirectional"
        )
    if wanted == "bidirectional":
        return [list(found[k : k + 2]) for k in range(0, len(found), 2)]
    return [[s] for s in found]


def layers_by_name(
    where: str, found: Sequence[StoredCell], forward: str, reverse: str, part: str
) -> list[list[StoredCell]]:
    """Group cells by layer and direction, from their locations in the file.

    The one number that differs tells the layer; one part of the location tells the direction.

    Args:
        where: the file's name, for errors.
        found: the cells, in any order.
        forward: the part of a location that marks the forward direction, such as ``fw``.
        reverse: the part that marks the reverse direction, such as ``bw``.
        part: the user's prefix; if it ends in ``forward``, forward cells alone are a network.

    Returns:
        The cells, by layer and direction.

    Raises:
        BadModel: the cells are several networks, or a layer or direction is missing.
    """
    layers: dict[tuple[str, ...], dict[str, StoredCell]] = {}
    for stored in found:
        direction, key = _split_direction(stored, forward, reverse)
        here = layers.setdefault(key, {})
        if direction in here or (here and "" in (direction, *here)):
            raise BadModel(
                f"{where}: {stored.place} and {next(iter(here.values())).place} name one layer twice, expected each layer once"
            )
        here[direction] = stored
    check_numbering(where, [*layers], [s.place for s in found])
    rows = []
    for key in sorted(layers, key=natural_key):
        here = layers[key]
        alone = {forward} if forward in part.split("/") else {""}
        if set(here) not in ({""}, {forward, reverse}, alone):
            there, *_ = here.values()
            raise BadModel(
                f"{where}: {there.place} stands alone, expected both {forward} and {reverse}"
            )
        rows.append([here[direction] for direction in ("", forward, reverse) if direction in here])
    return rows


def _split_direction(stored: StoredCell, forward: str, reverse: str) -> tuple[str, tuple[str, ...]]:
    """Return the part of a location that is its direction, and the other parts."""
    parts = stored.place.split("/")
    direction = next((p for p in parts if p in (forward, reverse)), "")
    return direction, tuple(p for p in parts if p != direction)


def check_numbering(where: str, keys: Sequence[tuple[str, ...]], places: Sequence[str]) -> None:
    """Check that locations differ in one number only, which counts from 0 or 1 without a gap.

    Args:
        where: the file's name, for errors.
        keys: the parts of each location, without the direction.
        places: the locations, for errors.

    Raises:
        BadModel: the locations belong to several networks, or a number is missing.
    """
    split = [natural_key(key) for key in sorted(keys, key=natural_key)]
    stems = {tuple(stem for stem, _ in parts) for parts in split}
    counts = (
        [[*column] for column in zip(*([n for _, n in parts] for parts in split), strict=True)]
        if len(stems) == 1
        else []
    )
    differing = [column for column in counts if len({*column}) > 1]
    if len(stems) > 1 or len(differing) > 1:
        raise BadModel(
            f"{where}: {shortened(sorted(places))} are several networks, expected one; select it with "
            "--part and the prefix of its names"
        )
    for column in differing:
        numbers = [max(n, 0) for n in column]
        if numbers not in ([*range(len(numbers))], [*range(1, len(numbers) + 1)]):
            raise BadModel(
                f"{where}: {shortened(sorted(places))}: numbers {numbers} given, expected consecutive ones from 0 or "
                "1; select one network with --part"
            )


def has_prefix(name: str, part: str) -> bool:
    """Return True if a name starts with a prefix that ends at ``/`` or ``.``.

    Args:
        name: the name of a tensor or its location.
        part: the prefix; empty matches every name.

    Returns:
        True for ``a/b`` and prefix ``a``, False for ``ab`` and prefix ``a``.
    """
    part = part.rstrip("/.")
    return not part or name == part or name.startswith((f"{part}/", f"{part}."))


def natural_key(parts: Sequence[str]) -> list[tuple[str, int]]:
    """Return a natural-sort key; a part without a trailing number sorts as −1.

    Args:
        parts: the parts of a name, such as ``("rnn", "cell_10")``.

    Returns:
        Stem and number of each part, such as ``[("rnn", -1), ("cell", 10)]``.
    """
    found = [re.fullmatch(r"(.*?)_?(\d*)", part, re.DOTALL) for part in parts]
    return [(m[1], int(m[2] or -1)) for m in found if m]


def cell_from_shape(where: str, rows: int, columns: int) -> str:
    """Tell the cell from the shape of its recurrent kernel.

    Args:
        where: the file's name and the tensor, for errors.
        rows: rows of all gates, ``G·H``.
        columns: units, ``H``.

    Returns:
        ``vanilla``, ``gru`` or ``lstm``.

    Raises:
        BadModel: the shape is of no cell.
    """
    for cell, gates in GATES.items():
        if rows == len(gates) * columns:
            return cell
    raise BadModel(
        f"{where}: {rows} rows of gates for {columns} units given, expected {columns} (vanilla cell), "
        f"{3 * columns} (GRU) or {4 * columns} (LSTM)"
    )


def require_found(where: str, found: Sequence[Any], what: str) -> None:
    """Check that a file has a recurrent network.

    Args:
        where: the file's name, for errors.
        found: the cells or tensors found.
        what: the networks that such a file holds, in words.

    Raises:
        BadModel: nothing was found.
    """
    if not found:
        raise BadModel(f"{where}: no recurrent network found, expected {what}")


def common_dtype(where: str, arrays: Mapping[str, str]) -> str:
    """Return the dtype that all arrays share.

    Args:
        where: the file's name, for errors.
        arrays: dtypes by the arrays' names.

    Returns:
        The dtype.

    Raises:
        BadModel: the arrays have several dtypes.
    """
    kinds = {dtype: name for name, dtype in reversed([*arrays.items()])}
    if len(kinds) > 1:
        raise BadModel(
            f"{where}: {' and '.join(f'{name} is {dtype}' for dtype, name in [*kinds.items()][:2])}, expected one dtype "
            "for all"
        )
    return next(iter(kinds))


def _check_cell(
    where: str, kind: Format, spec: Spec, layer: int, stored: StoredCell, first: StoredCell
) -> None:
    """Raise ``BadModel`` for a cell that does not fit its layer."""
    alike = {"cell": spec.cell, "hidden_size": spec.hidden_size, "has_bias": first.has_bias,
             "input_size": spec.layer_input_size(layer)}  # fmt: skip
    for name, value in alike.items():
        if getattr(stored, name) != value:
            raise BadModel(
                f"{where}: {stored.place}: {name} {getattr(stored, name)} given, expected {value} in layer {layer}, "
                f"to match {first.place}"
            )
    shapes = weight_shapes(spec, layer)
    zeros = Weights(**{k: None if s is None else np.zeros(s) for k, s in shapes.items()})  # type: ignore[arg-type]  # fields by name
    for number, (has, should) in enumerate(
        zip(stored.blocks, convert(spec, kind.cell(spec), zeros), strict=True)
    ):
        for name, part, like in zip(Block._fields, has, should, strict=True):
            shape, expected = (None if a is None else a.shape for a in (part, like))
            if shape != expected:
                raise BadModel(
                    f"{where}: {stored.place}: {name} {number}: shape {shape} given, expected {expected}"
                )
            if part is not None and not np.isfinite(np.asarray(part, np.float64)).all():
                raise BadModel(
                    f"{where}: {stored.place}: {name} {number}: not finite, expected finite numbers"
                )


def _as_float64(blocks: list[Block]) -> list[Block]:
    return [each(lambda a: np.asarray(a, np.float64), block) for block in blocks]


def _check_exact(where: str, kind: Format, model: Model) -> None:
    """Raise ``BadModel`` if the given forget bias cannot be subtracted from the stored bias exactly."""
    for name, value in parameters_by_name(model).items():
        if (rounded(value, model.dtype) != value).any():
            raise BadModel(
                f"{where}: --spec forget_bias={model.spec.forget_bias:g} given; omit it: {kind.name} files store the "
                f"forget bias inside the biases already. (Taking {model.spec.forget_bias:g} out of {name} gives "
                f"numbers that {model.dtype} cannot hold.)"
            )

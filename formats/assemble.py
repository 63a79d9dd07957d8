"""Recurrent cells as files hold them, put together to one network; what the files do not say is assumed or given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from backends.dialects import CellDialect, cell_of, unrepresentable
from backends.dtypes import rounded
from backends.layouts import Block, convert, restored
from formats.model import BadModel, Model, parameters_by_name, shortened
from reference import GATES, Spec, Weights, weight_shapes
from reference.trees import each

DTYPES = ("float64", "float32")
"""What every framework of the list runs as it is."""


class Stored(NamedTuple):
    """One layer in one direction: where it stands in the file, and its weights as they stand there."""

    place: str
    cell: str
    input_size: int
    hidden_size: int
    blocks: list[Block]

    @property
    def biased(self) -> bool:
        """Whether it has biases."""
        return self.blocks[0].bias is not None


class Format(NamedTuple):
    """A kind of file. The module of this name in this folder reads and writes it, and runs what it contents."""

    name: str
    endings: tuple[str, ...]
    contents: str
    packages: tuple[str, ...]
    """The packages that read, write and run it."""
    cells: Mapping[str, CellDialect]
    directions: tuple[str, ...]
    dtypes: tuple[str, ...] = DTYPES
    unrecorded: str = ""
    """What such a file never says, and no spec has a word for."""
    defaults: Mapping[str, Mapping[str, Any]] = {}
    """By cell, the fields of a spec that such a file does not hold, as they are where nobody says otherwise."""

    def cell(self, spec: Spec) -> CellDialect:
        """The layout of the cell of a spec that it can hold."""
        found = cell_of(self.cells, spec)
        assert found is not None
        return found

    def why_unsupported(self, spec: Spec, dtype: str) -> str | None:
        """Why it cannot hold such a network, as "<option>: <why>"; None if it can."""
        if dtype not in self.dtypes:
            return f"dtype: it holds {' or '.join(self.dtypes)}, not {dtype}"
        return unrepresentable(self.cells, self.directions, spec)

    def unstored_fields(self, spec: Spec) -> dict[str, Any]:
        """The fields of a spec that such a file does not hold, but for a forget bias that is in its biases."""
        return {name: getattr(spec, name) for name in self.defaults.get(spec.cell, {})}


class LoadedModel(NamedTuple):
    """What a file contents: the network; where each layer and direction stands; what was assumed; what was left out."""

    model: Model
    rows: Sequence[Sequence[Stored]]
    assumed: Mapping[str, Any]
    ignored: Sequence[str]


def assemble(
    where: str,
    kind: Format,
    rows: Sequence[Sequence[Stored]],
    dtype: str,
    *,
    given: Mapping[str, Any],
    said: Mapping[str, Any] | None = None,
    ignored: Sequence[str] = (),
) -> LoadedModel:
    """The network of these cells, by layer and direction.

    ``said`` are fields of its spec that the file has; ``given`` are those that the user says, which come before what the
    format defaults. Raises ``BadModel`` where they contradict each other, or are no network.
    """
    first = rows[0][0]
    said = dict(said or {})
    said |= {"cell": first.cell, "input_size": first.input_size, "hidden_size": first.hidden_size,
             "num_layers": len(rows)}  # fmt: skip
    if len(rows[0]) == 2:
        said["direction"] = "bidirectional"
    if not first.biased:
        said["bias"] = False
    resets = {reset for cell in kind.cells.values() for reset in cell.reset}
    if first.cell == "gru" and len(resets) == 1:
        said["reset"] = resets.pop()
    for name, value in given.items():
        if name in said and said[name] != value:
            raise BadModel(
                f"{where}: --spec {name}={value} given, and the file has {name}={said[name]}; leave it out"
            )
    defaults = {k: v for k, v in kind.defaults.get(first.cell, {}).items() if k not in said}
    try:
        spec = Spec(**defaults | dict(given) | said)
    except (TypeError, ValueError) as error:
        raise BadModel(f"{where}: {error}") from error
    if why := kind.why_unsupported(spec, dtype):
        raise BadModel(f"{where}: {why}")
    for layer, row in enumerate(rows):
        for stored in row:
            _fits(where, kind, spec, layer, stored, first)
    try:
        params = tuple(
            tuple(restored(spec, kind.cell(spec), s.input_size, _wide(s.blocks)) for s in row)
            for row in rows
        )
    except ValueError as error:
        raise BadModel(f"{where}: --spec {error}") from error
    model = Model(spec, params, dtype)
    _exact(where, model)
    assumed = {name: value for name, value in defaults.items() if name not in given}
    return LoadedModel(model, rows, assumed, ignored)


def blocks_of(kind: Format, model: Model) -> list[list[list[Block]]]:
    """The network's weights as the format has them, in float64, by layer and direction."""
    spec, cell = model.spec, kind.cell(model.spec)
    return [[convert(spec, cell, w) for w in row] for row in model.params]


def layers_by_size(
    where: str, found: Sequence[Stored], given: Mapping[str, Any]
) -> list[list[Stored]]:
    """Cells in a row, by layer and direction: two read alike where there are two directions.

    Raises ``BadModel`` where their sizes are those of two networks, and ``given`` does not say which.
    """
    sizes = [s.input_size for s in found]
    hidden = found[0].hidden_size
    one = sizes[1:] == [hidden] * (len(found) - 1)
    two = sizes == [sizes[0]] * 2 + [2 * hidden] * (len(found) - 2) and len(found) % 2 == 0
    places = shortened([s.place for s in found])
    if one and two and "direction" not in given:
        raise BadModel(
            f"{where}: {places} may be two layers or one of two directions; say --spec direction=forward or --spec "
            "direction=bidirectional"
        )
    wanted = given.get("direction", "bidirectional" if two else "forward")
    if not (two if wanted == "bidirectional" else one):
        raise BadModel(
            f"{where}: {places} read {sizes} with {hidden} units, expected one {wanted} network, whose later layers read "
            f"{hidden}, or {2 * hidden} in each of two directions"
        )
    if wanted == "bidirectional":
        return [list(found[k : k + 2]) for k in range(0, len(found), 2)]
    return [[s] for s in found]


def layers_by_name(
    where: str, found: Sequence[Stored], forward: str, reverse: str, part: str
) -> list[list[Stored]]:
    """Cells by layer and direction, from where they stand: layers by the one number that differs, and a part of the
    name for each direction. The forward ones alone are a network where ``part`` names them.

    Raises ``BadModel`` where they are several networks, or a layer or one direction of a layer is missing.
    """
    layers: dict[tuple[str, ...], dict[str, Stored]] = {}
    for stored in found:
        way, key = _way(stored, forward, reverse)
        here = layers.setdefault(key, {})
        if way in here or (here and "" in (way, *here)):
            raise BadModel(
                f"{where}: {stored.place} and {next(iter(here.values())).place} are one layer twice"
            )
        here[way] = stored
    check_numbering(where, [*layers], [s.place for s in found])
    rows = []
    for key in sorted(layers, key=natural_key):
        here = layers[key]
        alone = {forward} if forward in part.split("/") else {""}
        if set(here) not in ({""}, {forward, reverse}, alone):
            there, *_ = here.values()
            raise BadModel(
                f"{where}: {there.place} has no other direction, expected {forward} and {reverse}"
            )
        rows.append([here[way] for way in ("", forward, reverse) if way in here])
    return rows


def _way(stored: Stored, forward: str, reverse: str) -> tuple[str, tuple[str, ...]]:
    """The part of a place that is its direction, and all others."""
    parts = stored.place.split("/")
    way = next((p for p in parts if p in (forward, reverse)), "")
    return way, tuple(p for p in parts if p != way)


def check_numbering(where: str, keys: Sequence[tuple[str, ...]], places: Sequence[str]) -> None:
    """Raise ``BadModel`` unless names differ by one number alone, which counts from 0 or 1 without a gap."""
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
            f"{where}: {shortened(sorted(places))} are several networks, expected one; name it with --part, by what its "
            "places start with"
        )
    for column in differing:
        numbers = [max(n, 0) for n in column]
        if numbers not in ([*range(len(numbers))], [*range(1, len(numbers) + 1)]):
            raise BadModel(
                f"{where}: {shortened(sorted(places))}: numbers {numbers} given, expected none left out; name one network "
                "with --part"
            )


def has_prefix(name: str, part: str) -> bool:
    """Whether a name is ``part``, or goes on from it with a new part of a name; any where there is none."""
    part = part.rstrip("/.")
    return not part or name == part or name.startswith((f"{part}/", f"{part}."))


def natural_key(parts: Sequence[str]) -> list[tuple[str, int]]:
    """To sort names with numbers at their ends by: of none, −1."""
    found = [re.fullmatch(r"(.*?)_?(\d*)", part, re.DOTALL) for part in parts]
    return [(m[1], int(m[2] or -1)) for m in found if m]


def cell_from_shape(where: str, rows: int, columns: int) -> str:
    """The cell whose recurrent kernel has so many rows of gates, of so many units. Raises ``BadModel``."""
    for cell, gates in GATES.items():
        if rows == len(gates) * columns:
            return cell
    raise BadModel(
        f"{where}: {rows} rows of gates for {columns} units given, expected 1, 3 or 4 times as many, as a vanilla "
        "cell, a GRU or an LSTM has"
    )


def require_found(where: str, found: Sequence[Any], what: str) -> None:
    """Raise ``BadModel`` where nothing was found."""
    if not found:
        raise BadModel(f"{where}: no recurrent network in it, expected {what}")


def common_dtype(where: str, arrays: Mapping[str, str]) -> str:
    """The one dtype of these arrays, by their names. Raises ``BadModel``."""
    kinds = {dtype: name for name, dtype in reversed([*arrays.items()])}
    if len(kinds) > 1:
        raise BadModel(
            f"{where}: {' and '.join(f'{name} is {dtype}' for dtype, name in [*kinds.items()][:2])}, expected one type "
            "for all"
        )
    return next(iter(kinds))


def _fits(where: str, kind: Format, spec: Spec, layer: int, stored: Stored, first: Stored) -> None:
    """Raise ``BadModel`` for a cell that is not one of this layer."""
    alike = {"cell": spec.cell, "hidden_size": spec.hidden_size, "biased": first.biased,
             "input_size": spec.layer_input_size(layer)}  # fmt: skip
    for name, value in alike.items():
        if getattr(stored, name) != value:
            raise BadModel(
                f"{where}: {stored.place}: {name} {getattr(stored, name)} given, expected {value} in layer {layer}, "
                f"as {first.place} has it"
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


def _wide(blocks: list[Block]) -> list[Block]:
    return [each(lambda a: np.asarray(a, np.float64), block) for block in blocks]


def _exact(where: str, model: Model) -> None:
    """Raise ``BadModel`` where a forget bias that is given cannot be taken out of a bias exactly."""
    for name, value in parameters_by_name(model).items():
        if (rounded(value, model.dtype) != value).any():
            raise BadModel(
                f"{where}: --spec forget_bias={model.spec.forget_bias} given, and what is left of {name} is no "
                f"{model.dtype}; leave it out: it is in the bias"
            )

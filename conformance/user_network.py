"""Make cases of a user's own network: trained weights from one file, and data from another.

    --params model.safetensors   the canonical layout (``formats/canonical.py``)
    --inputs batch.npz           x; optional: lengths, h0, c0, and incoming gradients dy, dh_n, dc_n

Shapes are those of ``reference.run``. Numbers are rounded to the dtype of the case first, as a framework casts them.
"""

from __future__ import annotations

import re
import shlex
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backends import Inputs
from backends.dtypes import rounded
from conformance.cases.case import UserCase
from conformance.cases.precision_variants import OTHER_PRECISIONS
from conformance.draw import Draws, digest
from formats import BadModel, FormatNotFound, Model, find_format
from formats.canonical import read
from formats.model import build_model, parameters_by_name
from formats.npy import payload_size
from reference import Array, Output, Spec
from reference.rounding import ARITHMETICS

EXPECTED = "expected an .npz file of arrays, as numpy.savez writes it"
MAX_BYTES = 2**32
"""The largest total size of the arrays of a file of inputs, unpacked."""


class BadInputs(Exception):
    """A file without usable inputs; the text names the file, the array, and what was expected."""


@dataclass(frozen=True)
class NetworkFiles:
    """The files of a user's network and data."""

    params: Path
    inputs: Path
    gradients: bool
    """Compare gradients; incoming gradients are drawn if the file has none."""

    def options(self) -> list[str]:
        """Return the command-line options that name these files.

        Returns:
            The options, ready for a command line.

        """
        found = ["--params", str(self.params), "--inputs", str(self.inputs)]
        return [*found, "--gradients"] if self.gradients else found


def read_user_cases(files: NetworkFiles, dtypes: list[str]) -> list[UserCase]:
    """Read a user's files and make a case for every dtype.

    Args:
        files: the files of the network.
        dtypes: the dtypes; empty means the dtype of the weights.

    Returns:
        A case for each dtype.

    Raises:
        BadModel: the file of weights cannot be used.
        BadInputs: the file of inputs cannot be used.

    """
    model = _read_parameters(files.params)
    arrays = read_arrays(files.inputs)
    other = str(not model.spec.batch_first).lower()
    check_arrays(str(files.inputs), model.spec, arrays,
                 f'swap its axes, or write "batch_first": {other} in the spec of {files.params}')  # fmt: skip
    return [_case(files, model, arrays, name) for name in dtypes or [model.dtype]]


def _read_parameters(path: Path) -> Model:
    """Read the parameters; raise ``BadModel`` for another kind of file, with the command that converts it."""
    convert = shlex.join(
        ["rnnspec", "convert", str(path), f"{path.name.partition('.')[0]}.safetensors"]
    )
    try:
        kind = find_format(path, None).name
    except FormatNotFound:
        kind = ""
    if kind not in ("canonical", ""):
        raise BadModel(
            f"{path}: a {kind} file given, expected a .safetensors file in the canonical layout; convert it first: "
            f"{convert}"
        )
    try:
        return read(path).model
    except BadModel as why:
        if kind:
            raise
        raise BadModel(
            f"{why}; if it is a framework's file, convert it first: {convert} --from FORMAT"
        ) from why


def make_inputs(
    files: NetworkFiles, model: Model, arrays: Mapping[str, Array], dtype_name: str
) -> Inputs:
    """Make the inputs of a user's network in one dtype.

    Args:
        files: the files, for error messages.
        model: the network with its weights.
        arrays: the arrays of the file of inputs, by name.
        dtype_name: the dtype, or a name of ``OTHER_PRECISIONS``.

    Returns:
        The inputs, rounded to the dtype.

    Raises:
        BadInputs: a value is beyond the range of the dtype.

    """
    other_precision = dtype_name in OTHER_PRECISIONS
    dtype = "float32" if other_precision else dtype_name
    most = ARITHMETICS[dtype].largest

    def cast(where: Path, name: str, a: Array) -> Array:
        values = rounded(np.asarray(a, np.float64), dtype)
        if beyond := int((np.isfinite(a) & (np.abs(values) > most)).sum()):
            raise BadInputs(
                f"{where}: {name}: {beyond} of {a.size} values exceed {most:g}, the largest number of {dtype}; "
                "expected smaller values; or give a wider --dtype"
            )
        return values

    given = {
        name: a if name == "lengths" else cast(files.inputs, name, a) for name, a in arrays.items()
    }
    params = {name: cast(files.params, name, a) for name, a in parameters_by_name(model).items()}
    return Inputs(
        spec=model.spec,
        dtype=dtype,
        params=build_model(str(files.params), model.spec, params, dtype).params,
        x=given["x"],
        h0=given.get("h0"),
        c0=given.get("c0"),
        lengths=given.get("lengths"),
        precision=dtype_name if other_precision else "ieee",
    )


def _case(
    files: NetworkFiles, model: Model, arrays: Mapping[str, Array], dtype_name: str
) -> UserCase:
    inputs = make_inputs(files, model, arrays, dtype_name)
    given = {name: rounded(np.asarray(a, np.float64), inputs.dtype) for name, a in arrays.items()}
    number = digest(inputs)
    if files.gradients or "dy" in given:
        inputs = replace(inputs, incoming=_incoming(inputs, given, number))
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", files.params.stem)
    return UserCase(
        id=f"own/{stem}-{digest(inputs)}/{dtype_name}", spec=model.spec, dtype=inputs.dtype, inputs=inputs,
        precision=inputs.precision, options=tuple(files.options()),
    )  # fmt: skip


def _incoming(inputs: Inputs, given: Mapping[str, Array], number: str) -> Output:
    """Return the incoming gradients: the user's, with 0 for those not given, or drawn ones."""
    spec = inputs.spec
    shapes = _output_shapes(spec, inputs.x.shape)
    if "dy" in given:
        found = {name: given.get(f"d{name}", np.zeros(shape)) for name, shape in shapes.items()}
    else:
        draws = Draws(number, inputs.dtype)
        found = {name: draws.same_sign(shape) for name, shape in shapes.items()}
    return Output(found["y"], found["h_n"], found.get("c_n"))


def _output_shapes(spec: Spec, x: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of y, h_n and, for an LSTM, c_n."""
    batch = x[0 if spec.batch_first else 1]
    states = {f"{part}_n": spec.state_shape(part, batch) for part in spec.states}
    return {"y": (*x[:2], spec.output_size)} | states


def _input_shapes(spec: Spec, x: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays that may be given with an x of this shape, by name."""
    outputs = _output_shapes(spec, x)
    states = {f"{part}0": outputs[f"{part}_n"] for part in spec.states}
    gradients = {f"d{name}": shape for name, shape in outputs.items()}
    return {"x": x, "lengths": (x[0 if spec.batch_first else 1],)} | states | gradients


def read_arrays(path: Path) -> dict[str, Array]:
    """Read the arrays of an .npz file. Nothing is unpickled.

    Each header is checked against the size of its data before anything is unpacked.

    Args:
        path: the file.

    Returns:
        The arrays by name.

    Raises:
        BadInputs: the file is no .npz file, is damaged, or is too large.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            claims = {m.filename: _claim(path, archive, m) for m in archive.infolist()}
            if (total := sum(claims.values())) > MAX_BYTES:
                raise BadInputs(
                    f"{path}: {total / 2**30:.1f} GiB unpacked, expected at most {MAX_BYTES / 2**30:g} GiB"
                )
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as why:
        raise BadInputs(f"{path}: {why}; {EXPECTED}") from why


def _claim(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the number of bytes that a header claims; raise ``BadInputs`` if the data has another size."""
    name = member.filename.removesuffix(".npy")
    if name == member.filename:
        raise BadInputs(
            f"{path}: {name}: not an array; expected only arrays, as numpy.savez writes them"
        )
    with archive.open(member) as file:
        try:
            size = payload_size(file)
        except ValueError as why:
            raise BadInputs(f"{path}: {name}: {why}; {EXPECTED}") from why
        actual = member.file_size - file.tell()
    if size != actual:
        raise BadInputs(
            f"{path}: {name}: its header claims {size:,} bytes, expected {actual:,}, the size of its data"
        )
    return size


def check_arrays(where: str, spec: Spec, arrays: Mapping[str, Array], other_layout: str) -> None:
    """Check the arrays of a file of inputs.

    Args:
        where: the name of the file, for error messages.
        spec: the network.
        arrays: the arrays by name.
        other_layout: what to do if ``batch_first`` is the other way round, for error messages.

    Raises:
        BadInputs: an array is missing, unknown, has a wrong shape or dtype, or holds a value that is not finite.

    """
    states = [f"{name}0" for name in spec.states]
    gradients = ["dy", *(f"d{name}_n" for name in spec.states)]
    known = ["x", "lengths", *states, *gradients]
    if "x" not in arrays:
        raise BadInputs(
            f"{where}: missing array 'x', which is required; expected also, if any: {', '.join(known[1:])}"
        )
    if extra := sorted(arrays.keys() - set(known)):
        raise BadInputs(f"{where}: unknown arrays {', '.join(extra)}; expected {', '.join(known)}")
    if "dy" not in arrays and (alone := [name for name in gradients if name in arrays]):
        raise BadInputs(
            f"{where}: {', '.join(alone)} given without dy; expected dy too, the gradient by the outputs"
        )
    x = arrays["x"]
    order = ("B", "T") if spec.batch_first else ("T", "B")
    if x.ndim != 3 or x.shape[2] != spec.input_size or 0 in x.shape:
        raise BadInputs(
            f"{where}: x: shape {x.shape} given, expected ({', '.join(order)}, {spec.input_size}), with T and B at least 1"
        )
    expected = _input_shapes(spec, x.shape)
    swapped = _input_shapes(replace(spec, batch_first=not spec.batch_first), x.shape)
    steps = x.shape[order.index("T")]
    for name, a in arrays.items():
        kinds, what = ("iu", "integers") if name == "lengths" else ("f", "floating-point numbers")
        if a.dtype.kind not in kinds:
            raise BadInputs(f"{where}: {name}: {a.dtype} given, expected {what}")
        if a.shape != expected[name]:
            layout = f"; x is read as ({', '.join(order)}, I): if it is ({', '.join(order[::-1])}, I), {other_layout}"
            raise BadInputs(
                f"{where}: {name}: shape {a.shape} given, expected {expected[name]}"
                + (layout if a.shape == swapped[name] else "")
            )
    lengths = arrays.get("lengths")
    if lengths is not None and not ((lengths >= 0) & (lengths <= steps)).all():
        bad = int(np.flatnonzero((lengths < 0) | (lengths > steps))[0])
        raise BadInputs(f"{where}: lengths: {lengths[bad]} at index {bad}, expected 0 to {steps}")
    for name, a in arrays.items():
        _finite(where, name, a, lengths if name == "x" else None, spec)


def _finite(where: str, name: str, a: Array, lengths: Array | None, spec: Spec) -> None:
    """Raise ``BadInputs`` if a value is not finite; the padding of x may hold anything."""
    bad = ~np.isfinite(a)
    if lengths is not None:
        rows = bad if spec.batch_first else np.swapaxes(bad, 0, 1)  # a view
        rows[np.arange(rows.shape[1]) >= lengths[:, None]] = False
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise BadInputs(
            f"{where}: {name}: {int(bad.sum())} of {a.size} values are not finite; the first is {a[first]} at "
            f"{first}; expected finite numbers{' up to each row’s length' if lengths is not None else ''}"
        )

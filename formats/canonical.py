"""The canonical layout as a safetensors file: one tensor per parameter, and the spec as JSON in the metadata.

    metadata   spec: {"cell": "lstm", "input_size": 4, "hidden_size": 8, "num_layers": 2, "direction": "bidirectional"}
    tensors    layers.0.forward.W_ih (G·H, I), W_hh (G·H, H), b_ih and b_hh (G·H); layers.0.reverse.W_ih …

Gates are in the order of ``reference.GATES``: i, f, g, o for an LSTM; r, z, n for a GRU. All tensors have one dtype.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, TensorSpec, deserialize, safe_open, serialize_file

import reference
from backends.adapter import Inputs, Result
from backends.dtypes import rounded
from formats.assemble import LoadedModel
from formats.model import BadModel, Model, build_model, parameters_by_name
from reference import Array, Spec
from reference.trees import each

DTYPE_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Dtypes by their names in safetensors."""
STORED = {"float64": "<f8", "float32": "<f4", "float16": "<f2"}
SPEC = "spec"
"""The key of the spec in the metadata."""


def read(path: Path, given: Mapping[str, Any] | None = None, part: str = "") -> LoadedModel:
    """Read the network in a file.

    Such a file holds no code, and a header that claims more data than the file has is refused.

    Args:
        path: the file.
        given: must be empty: the file states its whole spec.
        part: must be empty: the file holds one network.

    Returns:
        The network; nothing is assumed and nothing ignored.

    Raises:
        BadModel: the file holds no such network.
    """
    if given or part:
        raise BadModel(
            f"{path}: --spec or --part given, but a canonical file states its whole spec; omit them"
        )
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        raw = dict(sorted(deserialize(path.read_bytes())))  # type: ignore[no-untyped-call]  # its stub has none
    except (SafetensorError, OSError) as why:
        raise BadModel(f"{path}: {why}; expected a safetensors file") from why
    spec = _spec_from_json(str(path), metadata.get(SPEC))
    if spec.num_layers > len(raw):
        raise BadModel(
            f"{path}: num_layers={spec.num_layers} given, but the file has {len(raw)} tensors; expected at least one per layer"
        )
    types = {name: DTYPE_NAMES.get(part["dtype"], part["dtype"]) for name, part in raw.items()}
    if strange := {name: t for name, t in types.items() if t not in DTYPE_NAMES.values()}:
        name = min(strange)
        raise BadModel(
            f"{path}: {name}: {strange[name]} given, expected one of {', '.join(DTYPE_NAMES)}"
        )
    if len(set(types.values())) > 1:
        first, *_ = types
        other = next(name for name in types if types[name] != types[first])
        raise BadModel(
            f"{path}: {first} is {types[first]} and {other} is {types[other]}, expected one dtype for all"
        )
    dtype = next(iter(types.values()), "float32")
    found = {
        name: _numbers(part["data"], dtype).reshape(part["shape"]) for name, part in raw.items()
    }
    return LoadedModel(build_model(str(path), spec, found, dtype), (), {}, ())


def write(path: Path, model: Model) -> None:
    """Write a network to a file; if that fails, no file is left.

    Args:
        path: the file.
        model: the network.

    Raises:
        OSError: the file cannot be written.
    """
    arrays = {
        name: _stored(value, model.dtype) for name, value in parameters_by_name(model).items()
    }
    tensors = {
        name: TensorSpec(
            dtype=model.dtype, shape=list(a.shape), data_ptr=a.ctypes.data, data_len=a.nbytes
        )
        for name, a in arrays.items()  # tensors point into them
    }
    part = path.with_name(f".{path.name}.part")
    try:
        serialize_file(tensors, part, {SPEC: _spec_to_json(model.spec)})
    except SafetensorError as why:
        raise OSError(f"{path}: {why}") from why
    part.replace(path)


def loader(model: Model) -> str:
    """Return code that reads the file, and a command that takes it.

    Args:
        model: the network that was written.

    Returns:
        Python code, with ``FILE`` for the name of the file.
    """
    return "model = formats.canonical.read(Path(FILE)).model\n# or: rnnspec check --params FILE --inputs batch.npz --backend pytorch"


def run(path: Path, found: LoadedModel, inputs: Inputs) -> Result:
    """Run the specification in the inputs' dtype; 16-bit results are rounded from float32.

    Args:
        path: the file, which ``found`` was read from.
        found: the network in the file, as ``read`` returned it.
        inputs: the batch; its parameters are not used.

    Returns:
        Outputs and final states.
    """
    kind = np.dtype("float64" if inputs.dtype == "float64" else "float32")
    params, x, h0, c0 = each(
        lambda a: a.astype(kind), (found.model.params, inputs.x, inputs.h0, inputs.c0)
    )
    output = reference.run(inputs.spec, params, x, h0=h0, c0=c0, lengths=inputs.lengths)
    arrays = {
        name: rounded(a.astype(np.float64), inputs.dtype)
        for name, a in output._asdict().items()
        if a is not None
    }
    return Result(arrays, dict.fromkeys(arrays, inputs.dtype))


def _spec_to_json(spec: Spec) -> str:
    """Return the fields of a spec that differ from their defaults, as JSON."""
    default = {f.name: f.default for f in fields(Spec)}
    return json.dumps({k: v for k, v in asdict(spec).items() if v != default[k]})


def _spec_from_json(where: str, text: str | None) -> Spec:
    """Return the spec from JSON, or raise ``BadModel``."""
    known = [f.name for f in fields(Spec)]
    shape = f"JSON with the fields of a Spec: {', '.join(known)}"
    if text is None:
        raise BadModel(f"{where}: metadata {SPEC!r}: missing, expected {shape}")
    try:
        given: Any = json.loads(text)
    except ValueError as why:
        raise BadModel(f"{where}: metadata {SPEC!r}: {why}; expected {shape}") from why
    if not isinstance(given, dict):
        raise BadModel(
            f"{where}: metadata {SPEC!r}: {type(given).__name__} given, expected {shape}"
        )
    if strange := given.keys() - set(known):
        raise BadModel(
            f"{where}: metadata {SPEC!r}: {', '.join(sorted(strange))} given, expected {shape}"
        )
    try:
        return Spec(**given)
    except (TypeError, ValueError) as why:
        raise BadModel(f"{where}: metadata {SPEC!r}: {why}; expected {shape}") from why


def _numbers(data: bytes, dtype: str) -> Array:
    """Decode bytes to an array; bfloat16 becomes float32."""
    if dtype == "bfloat16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, STORED[dtype])


def _stored(value: Array, dtype: str) -> Array:
    """Encode values that are exact in ``dtype``; bfloat16 becomes 16-bit integers."""
    if dtype == "bfloat16":
        value = (value.astype("<f4").view("<u4") >> 16).astype("<u2")
    return np.ascontiguousarray(value, STORED.get(dtype, "<u2"))

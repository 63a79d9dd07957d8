"""A user's own network: the same check on files of theirs, and files that are refused before any work starts."""

from __future__ import annotations

import doctest
import io
import json
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.dtypes import rounded
from conformance.draw import draw
from conformance.user_network import BadInputs, NetworkFiles, read_arrays, read_user_cases
from formats import BadModel, Model
from formats.canonical import read, write
from formats.model import parameter_names, parameters_by_name
from records.exit_codes import ExitCode
from reference import Array, Params, Spec, Weights, weight_shapes
from tests.conformance.test_front_end import conformance, fake

SPEC = Spec(
    cell="lstm",
    input_size=3,
    hidden_size=4,
    num_layers=2,
    direction="bidirectional",
    forget_bias=1.0,
)
SPECS = (
    SPEC,
    Spec(cell="vanilla", input_size=3, hidden_size=4, activation="relu", bias=False),
    Spec(
        cell="gru",
        input_size=3,
        hidden_size=4,
        reset="before",
        direction="reverse",
        batch_first=False,
    ),
)


def params_of(spec: Spec, dtype: str = "float32", seed: int = 0) -> Params:
    random = np.random.default_rng(seed)

    def weights(layer: int) -> Weights:
        shapes = weight_shapes(spec, layer)
        return Weights(**{  # type: ignore[arg-type]  # None where there are no biases
            name: None if shape is None else rounded(random.normal(size=shape) / 2, dtype)
            for name, shape in shapes.items()
        })  # fmt: skip

    return tuple(
        tuple(weights(layer) for _ in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def model(spec: Spec = SPEC, dtype: str = "float32") -> Model:
    return Model(spec, params_of(spec, dtype), dtype)


def arrays(spec: Spec = SPEC, **more: Array) -> dict[str, Array]:
    random = np.random.default_rng(1)
    x = random.normal(size=(5, 6, 3)).astype(np.float32)
    found = {
        "x": x if spec.batch_first else np.swapaxes(x, 0, 1),
        "lengths": np.array([6, 1, 0, 3, 5]),
    }
    return found | more


def files(folder: Path, spec: Spec = SPEC, dtype: str = "float32", **more: Array) -> NetworkFiles:
    write(folder / "model.safetensors", model(spec, dtype))
    np.savez(folder / "batch.npz", **arrays(spec, **more))  # type: ignore[arg-type]  # arrays by name
    return NetworkFiles(folder / "model.safetensors", folder / "batch.npz", gradients=False)


# The file itself.


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.cell)
def test_what_is_written_is_read_bit_by_bit(spec: Spec, dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    before = model(spec, dtype)
    write(path, before)
    after = read(path).model
    assert (after.spec, after.dtype) == (spec, dtype)
    assert (
        list(parameters_by_name(after))
        == list(parameters_by_name(before))
        == [name for name, *_ in parameter_names(spec)]
    )
    for name, value in parameters_by_name(before).items():
        assert value.tobytes() == parameters_by_name(after)[name].tobytes(), name
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"], "nothing is left beside it"


def test_the_names_are_those_of_layers_directions_and_fields() -> None:
    found = [name for name, *_ in parameter_names(SPEC)]
    assert found[:5] == [
        "layers.0.forward.W_ih", "layers.0.forward.W_hh", "layers.0.forward.b_ih", "layers.0.forward.b_hh",
        "layers.0.reverse.W_ih",
    ]  # fmt: skip
    assert len(found) == 16


# As cases.


def test_a_user_s_network_is_checked_on_a_user_s_data(tmp_path: Path) -> None:
    (case,) = read_user_cases(files(tmp_path), [])
    inputs = draw(case)
    assert inputs is case.inputs
    assert inputs.spec == SPEC
    assert inputs.incoming is None
    np.testing.assert_array_equal(inputs.x, arrays()["x"].astype(np.float64))
    np.testing.assert_array_equal(inputs.params[1][1].W_hh, params_of(SPEC)[1][1].W_hh)
    assert case.id.startswith("own/model-")
    assert case.id.endswith("/float32")


def test_another_number_anywhere_is_another_case(tmp_path: Path) -> None:
    (first,) = read_user_cases(files(tmp_path), [])
    x = arrays()["x"].copy()
    x[0, 0, 0] += 1
    (second,) = read_user_cases(files(tmp_path, x=x), [])
    assert first.id != second.id


def test_gradients_are_the_user_s_or_drawn(tmp_path: Path) -> None:
    plain = files(tmp_path)
    (random_inputs,) = read_user_cases(replace(plain, gradients=True), [])
    (again,) = read_user_cases(replace(plain, gradients=True), [])
    assert random_inputs.id == again.id
    assert random_inputs.inputs.incoming is not None
    assert np.abs(random_inputs.inputs.incoming.c_n).min() >= 0.25
    dy = np.ones((5, 6, 8), np.float32)
    (given,) = read_user_cases(files(tmp_path, dy=dy), [])
    assert given.inputs.incoming is not None
    np.testing.assert_array_equal(given.inputs.incoming.y, dy)
    assert not given.inputs.incoming.h_n.any(), "what is not given is 0"


def test_each_dtype_is_a_case_and_numbers_are_rounded_to_it(tmp_path: Path) -> None:
    cases = read_user_cases(files(tmp_path), ["float64", "float16", "default"])
    assert [case.named_dtype for case in cases] == ["float64", "float16", "default"]
    half = cases[1].inputs
    np.testing.assert_array_equal(half.x, half.x.astype(np.float16))
    assert (cases[2].dtype, cases[2].inputs.precision) == ("float32", "default")


@pytest.mark.processes
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.cell)
def test_the_specification_agrees_on_it_and_a_wrong_backend_does_not(
    spec: Spec, tmp_path: Path
) -> None:
    given = files(tmp_path, spec)
    options = (
        "--params",
        str(given.params),
        "--inputs",
        str(given.inputs),
        "--gradients",
        "--jobs",
        "0",
    )
    done = conformance(tmp_path, "--backend", fake("Right"), *options)
    assert done.code == ExitCode.CLEAN, done.printed
    (record,) = done.records.values()
    assert record.outcome == "agrees"
    assert {"y", "h_n", "dx"} < record.tensors.keys()
    (tmp_path / "wrong").mkdir()
    wrong = conformance(tmp_path / "wrong", "--backend", fake("LengthsIgnored"), *options)
    assert wrong.code == ExitCode.CONFORMANCE_FAILURE, wrong.printed
    (record,) = wrong.records.values()
    assert record.outcome == "differs"
    assert "batch row" in record.card
    assert (
        f"--params {given.params} --inputs {given.inputs} --gradients --dtype float32"
        in record.repeat
    )
    assert "script" not in record.card, "no script is known by a case's id"


@pytest.mark.processes
def test_several_backends_stand_side_by_side(tmp_path: Path) -> None:
    given = files(tmp_path)
    done = conformance(tmp_path, "--backend", fake("Right"), "--backend", fake("SlightlyWrong"), "--params",
                       str(given.params), "--inputs", str(given.inputs), "--jobs", "0")  # fmt: skip
    outcomes = [r.outcome for run in done.runs for r in run.cases]
    assert sorted(outcomes) == ["agrees", "differs"]


# What is refused.

Spoil = Callable[[Path], None]


def header(change: Callable[[dict[str, Any]], None]) -> Spoil:
    """Another header, before the same bytes."""

    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        found = json.loads(data[8 : 8 + size])
        change(found)
        text = json.dumps(found).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return spoil


def tensors(**changes: Any) -> Spoil:
    """Other tensors; None leaves one out."""

    def spoil(folder: Path) -> None:
        from safetensors.numpy import save_file  # noqa: PLC0415  # what a user writes it with

        path = folder / "model.safetensors"
        found = {k: v.astype(np.float32) for k, v in parameters_by_name(model()).items()} | {
            k.replace("_of_", "."): v for k, v in changes.items()
        }
        kept = {k: v for k, v in found.items() if v is not None}
        save_file(kept, path, {"spec": json.dumps(SPEC_JSON)})

    return spoil


SPEC_JSON = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "direction": "bidirectional",
             "forget_bias": 1.0}  # fmt: skip


def spec(**changes: Any) -> Spoil:
    """Another spec in the metadata."""
    return header(lambda found: found["__metadata__"].update(spec=json.dumps(SPEC_JSON | changes)))


def text(value: str) -> Spoil:
    return header(lambda found: found["__metadata__"].update(spec=value))


def inputs(**changes: Any) -> Spoil:
    """Other arrays; None leaves one out."""

    def spoil(folder: Path) -> None:
        found = {k: v for k, v in (arrays() | changes).items() if v is not None}
        np.savez(folder / "batch.npz", **found)

    return spoil


def raw(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content) and None  # type: ignore[return-value]


def member(name: str, content: bytes) -> Spoil:
    """One more member of the .npz."""

    def spoil(folder: Path) -> None:
        with zipfile.ZipFile(folder / "batch.npz", "a") as archive:
            archive.writestr(name, content)

    return spoil


def npy(shape: str, descr: str = "'<f4'", data: bytes = b"") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def cut(name: str, kept: int) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:kept])

    return spoil


def nan_at(*index: int) -> Array:
    x = arrays()["x"].copy()
    x[index] = np.nan
    return x


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


W = "layers_of_0_of_forward_of_W_ih"
NAN = ones(16, 3)
NAN[2, 1] = np.nan
INF = ones(16)
INF[5] = np.inf

BAD: dict[str, tuple[Spoil, str]] = {
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors: .*No such file"),
    "empty weights": (raw("model.safetensors", b""), r"model\.safetensors: .*expected a safetensors file"),
    "text for weights": (raw("model.safetensors", b"not at all" * 9), "expected a safetensors file"),
    "a pickle for weights": (raw("model.safetensors", pickle.dumps([1, 2])), "expected a safetensors file"),
    "a zip for weights": (lambda f: (f / "model.safetensors").write_bytes((f / "batch.npz").read_bytes()) and None,
                          "expected a safetensors file"),
    "weights cut off": (cut("model.safetensors", 900), "expected a safetensors file"),
    "weights without their last byte": (lambda f: (f / "model.safetensors").write_bytes(
        (f / "model.safetensors").read_bytes()[:-1]) and None, "expected a safetensors file"),
    "a header of 10 GB": (raw("model.safetensors", struct.pack("<Q", 10**10) + b"{}"), "expected a safetensors file"),
    "a tensor of 10 GB": (header(lambda h: h["layers.0.forward.W_ih"].update(
        shape=[2500000000], data_offsets=[0, 10**10])), "expected a safetensors file"),
    "tensors that overlap": (header(lambda h: h["layers.0.forward.W_ih"].update(
        data_offsets=h["layers.0.forward.W_hh"]["data_offsets"])), "expected a safetensors file"),
    "no spec": (header(lambda h: h["__metadata__"].pop("spec") and None), "metadata 'spec': missing, expected JSON"),
    "no metadata": (header(lambda h: h.pop("__metadata__") and None), "metadata 'spec': missing, expected JSON"),
    "a spec that is no JSON": (text("{cell: lstm}"), "metadata 'spec': .*; expected JSON with the fields of a Spec"),
    "a spec that is a list": (text("[1, 2]"), "metadata 'spec': list given, expected JSON"),
    "an unknown field": (spec(dropout=0.5), "metadata 'spec': dropout given, expected JSON"),
    "an unknown cell": (spec(cell="mlstm"), r"metadata 'spec': Spec\.cell: 'mlstm' given, expected one of"),
    "a size of 0": (spec(hidden_size=0), r"Spec\.hidden_size: 0 given, expected a Python int of at least 1"),
    "a size that is text": (spec(hidden_size="4"), r"Spec\.hidden_size: '4' given"),
    "no input size": (text('{"cell": "lstm", "hidden_size": 4}'), "metadata 'spec': .*input_size"),
    "another cell's option": (spec(reset="before"), r"Spec\.reset: 'before' given for cell 'lstm'"),
    "a NaN for a forget bias": (spec(forget_bias=float("nan")), r"Spec\.forget_bias: nan given"),
    "a layer less": (spec(num_layers=1), r"layers\.1\.forward\.W_ih, .* given, expected layers\.0\.forward\.W_ih"),
    "a layer more": (spec(num_layers=3), r"layers\.2\.forward\.W_ih, .* missing, expected"),
    "one direction": (spec(direction="forward"), r"layers\.\d\.reverse\.\w+, .* given, expected"),
    "no biases": (spec(bias=False), r"layers\.0\.forward\.b_ih, .* given, expected"),
    "other sizes": (spec(hidden_size=5), r"layers\.0\.forward\.W_ih: shape \(16, 3\) given, expected \(20, 3\)"),
    "a tensor missing": (tensors(**{W: None}), r"layers\.0\.forward\.W_ih missing, expected"),
    "a tensor too many": (tensors(embedding=ones(2, 2)), "embedding given, expected layers"),
    "a tensor of another name": (tensors(**{W: None, "lstm_of_weight_ih_l0": ones(16, 3)}),
                                 r"layers\.0\.forward\.W_ih missing"),
    "a tensor transposed": (tensors(**{W: ones(3, 16)}), r"W_ih: shape \(3, 16\) given, expected \(16, 3\)"),
    "a tensor flat": (tensors(**{W: ones(48)}), r"W_ih: shape \(48,\) given, expected \(16, 3\)"),
    "a weight NaN": (tensors(**{W: NAN}), r"W_ih: 1 of 48 values are not finite, the first at \(2, 1\) \(nan\)"),
    "a bias infinite": (tensors(layers_of_1_of_reverse_of_b_hh=INF), r"b_hh: 1 of 16 .* \(5,\) \(inf\)"),
    "integers for weights": (tensors(**{W: np.ones((16, 3), np.int32)}), "W_ih: I32 given, expected one of F64"),
    "two types": (tensors(**{W: np.ones((16, 3), np.float64)}), r"is float\d+ and .* is float\d+, expected one dtype"),
    "no inputs": (lambda folder: (folder / "batch.npz").unlink(), r"batch\.npz: .*No such file"),
    "empty inputs": (raw("batch.npz", b""), r"batch\.npz: .*expected an \.npz file"),
    "text for inputs": (raw("batch.npz", b"x = 1\n" * 9), "expected an .npz file"),
    "a pickle for inputs": (raw("batch.npz", pickle.dumps({"x": 1})), "expected an .npz file"),
    "one array for inputs": (raw("batch.npz", npy("(1, 1, 3)", data=b"\0" * 12)), "expected an .npz file"),
    "inputs cut off": (cut("batch.npz", 300), "expected an .npz file"),
    "pickled objects": (inputs(x=np.array([{"a": 1}], dtype=object)), "x: pickled objects given, which are never read"),
    "an array of 10 GB": (member("h0.npy", npy("(2500000000,)")), "h0: its header claims 10,000,000,000 bytes, expected"),
    "more bytes than claimed": (member("h0.npy", npy("(1,)", data=b"\0" * 64)), "h0: its header claims 4 bytes"),
    "a member that is no array": (member("readme.txt", b"hello"), r"readme\.txt: not an array; expected only arrays"),
    "an array without a header": (member("h0.npy", b"hello"), "expected an .npz file"),
    "no x": (inputs(x=None), "missing array 'x', which is required; expected also, if any: lengths, h0, c0"),
    "an unknown array": (inputs(y=ones(5, 6, 8)), "unknown arrays y; expected x, lengths"),
    "x of other width": (inputs(x=ones(5, 6, 4)), r"x: shape \(5, 6, 4\) given, expected \(B, T, 3\)"),
    "x of two axes": (inputs(x=ones(6, 3)), r"x: shape \(6, 3\) given, expected \(B, T, 3\)"),
    "x of no rows": (inputs(x=ones(0, 6, 3), lengths=None), "with T and B at least 1"),
    "integers for x": (inputs(x=np.ones((5, 6, 3), int)), "x: int64 given, expected floating-point numbers"),
    "complex numbers for x": (inputs(x=np.ones((5, 6, 3), complex)), "x: complex128 given"),
    "text for x": (inputs(x=np.full((5, 6, 3), "a")), "x: <U1 given"),
    "NaN in x": (inputs(x=nan_at(0, 5, 2)), r"x: 1 of 90 values are not finite; the first is nan at \(0, 5, 2\)"),
    "lengths for other rows": (inputs(lengths=np.array([6, 1, 0])), r"lengths: shape \(3,\) given, expected \(5,\)"),
    "time-major x": (inputs(x=ones(6, 5, 3)), r"lengths: shape \(5,\) given, expected \(6,\); x is read as \(B, T, I\): "
                     r'if it is \(T, B, I\), swap its axes, or write "batch_first": false in the spec of .*model.safetensors'),
    "a length beyond T": (inputs(lengths=np.array([6, 7, 0, 1, 2])), "lengths: 7 at index 1, expected 0 to 6"),
    "a length below 0": (inputs(lengths=np.array([6, 1, -1, 1, 2])), "lengths: -1 at index 2, expected 0 to 6"),
    "lengths that are no integers": (inputs(lengths=np.array([6.0, 1, 0, 1, 2])), "lengths: float64 given, expected integers"),
    "a state misshapen": (inputs(h0=ones(4, 4, 5)), r"h0: shape \(4, 4, 5\) given, expected \(4, 5, 4\)"),
    "a state NaN": (inputs(c0=np.full((4, 5, 4), np.nan)), "c0: 80 of 80 values are not finite"),
    "a gradient misshapen": (inputs(dy=ones(5, 6, 4)), r"dy: shape \(5, 6, 4\) given, expected \(5, 6, 8\)"),
    "a gradient without dy": (inputs(dh_n=ones(4, 5, 4)), "dh_n given without dy; expected dy"),
}  # fmt: skip
"""Some sixty ways in which a file is none of them, and what is said."""


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_what_was_expected(what: str, tmp_path: Path) -> None:
    spoil, complaint = BAD[what]
    given = files(tmp_path)
    read_user_cases(given, [])  # as it is, it is a good one
    spoil(tmp_path)
    with pytest.raises((BadModel, BadInputs), match=complaint) as caught:
        read_user_cases(given, [])
    assert str(tmp_path) in str(caught.value), "the message names the file"
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(("name", "complaint"), [
    ("model.pt", r"model\.pt: a pytorch file given, expected a \.safetensors file .*: rnnspec convert model.pt "
     r"model.safetensors$"),
    ("my model.weights.h5", r"a keras file given, .*: rnnspec convert 'my model.weights.h5' 'my model.safetensors'$"),
    ("model.bin", r"expected a safetensors file; .*: rnnspec convert model.bin model.safetensors --from FORMAT$"),
])  # fmt: skip
def test_another_framework_s_file_is_refused_with_the_command_that_converts_it(
    name: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = files(tmp_path)
    Path(name).write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(BadModel, match=complaint):
        read_user_cases(replace(given, params=Path(name)), [])


def test_there_are_fifty_of_them() -> None:
    assert len(BAD) >= 50


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> Any:
            return marker.touch, ()

    held = io.BytesIO()
    np.lib.format.write_array(held, np.array([Bomb()], dtype=object), allow_pickle=True)
    given = files(tmp_path)
    member("h0.npy", held.getvalue())(tmp_path)
    with pytest.raises(BadInputs, match="never read"):
        read_user_cases(given, [])
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadModel):
        read_user_cases(given, [])
    assert not marker.exists()


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = files(tmp_path)
    monkeypatch.setattr("conformance.user_network.MAX_BYTES", 100)
    monkeypatch.setattr("numpy.load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(BadInputs, match="GiB unpacked, expected at most"):
        read_arrays(given.inputs)


def test_numbers_beyond_the_dtype_are_refused(tmp_path: Path) -> None:
    given = files(tmp_path, x=arrays()["x"] + np.float32(1e6))
    with pytest.raises(
        BadInputs, match="x: 90 of 90 values exceed 65504, the largest number of float16"
    ):
        read_user_cases(given, ["float16"])
    assert read_user_cases(given, ["bfloat16"])


def test_padding_may_hold_anything(tmp_path: Path) -> None:
    x = arrays()["x"].copy()
    x[2] = np.nan  # of length 0
    x[1, 1:] = np.inf
    (case,) = read_user_cases(files(tmp_path, x=x), [])
    assert np.isnan(case.inputs.x[2]).all()


OPTIONS: dict[str, tuple[list[str], str]] = {
    "--params alone": (["--params", "m.safetensors"], "--params and --inputs: one given alone"),
    "--inputs alone": (["--inputs", "b.npz"], "--params and --inputs: one given alone"),
    "--gradients alone": (["--gradients"], "--gradients: given without --params"),
    "with --case": (["--params", "m", "--inputs", "b", "--case", "lstm*"], "--params: given with --case or --full"),
    "with --full": (["--params", "m", "--inputs", "b", "--full"], "--params: given with --case or --full"),
    "a missing file": (["--params", "none.pt", "--inputs", "b.npz"], "--params: 'none.pt' given; expected an existing file"),
}  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("what", OPTIONS)
def test_options_that_do_not_go_together_are_refused(what: str, tmp_path: Path) -> None:
    options, complaint = OPTIONS[what]
    for name in ("m", "m.safetensors", "b", "b.npz"):
        (tmp_path / name).touch()
    done = conformance(tmp_path, "--backend", fake("Right"), *options)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert re.search(complaint, done.printed), done.printed
    assert not done.runs, "nothing ran"


def test_the_documentation_writes_files_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "own.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0
    (case,) = read_user_cases(
        NetworkFiles(tmp_path / "model.safetensors", tmp_path / "batch.npz", True), []
    )
    assert case.spec == Spec(cell="lstm", input_size=3, hidden_size=2, forget_bias=1.0)
    assert case.inputs.x.shape == (4, 5, 3)

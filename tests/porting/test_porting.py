"""A network from one framework's file to another's: every pair has a verdict, and a case that proves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.truth import truth
from formats import FORMATS, FormatNotFound, LoadedModel, Model, find_format, format_module
from formats.model import parameters_by_name
from porting.verdict import CheckedFile, Impossible, convert_model, random_inputs, read_back
from records.exit_codes import ExitCode
from reference import Spec, Weights
from rnnspec.convert import convert as main
from tests.conformance.test_user_network import params_of

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks' own

CELLS: dict[str, dict[str, Any]] = {
    "vanilla": {"cell": "vanilla"},
    "gru-after": {"cell": "gru"},
    "gru-before": {"cell": "gru", "reset": "before"},
    "lstm": {"cell": "lstm"},
}
LACKS = {
    "pytorch": {"gru-before"},
    "tensorflow": {"gru-after"},
    "flax": {"gru-before"},
    "equinox": {"gru-before", "vanilla"},
}
ONE_BIAS = {
    "tensorflow": {"vanilla", "gru-before", "lstm"},
    "keras": {"vanilla", "gru-before", "lstm"},
    "flax": {"vanilla", "gru-after", "lstm"},
    "equinox": {"gru-after", "lstm"},
}
"""Cells from the frameworks' documentation, independent of the dialects."""
ONE_AND_N = {"flax", "equinox"}
"""Frameworks whose GRU has one bias, and a second one for n's recurrent side."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def module(name: str) -> Any:
    """The module of a format; skips where its packages are not installed."""
    try:
        return format_module(FORMATS[name])
    except FormatNotFound as why:
        pytest.skip(str(why))


def network(cell: str, source: str = "canonical", seed: int = 0, **options: Any) -> Model:
    """A random network as a file of this kind may hold it: in float32, with forget bias where that is of run time."""
    spec = Spec(**{"input_size": 3, "hidden_size": 4} | CELLS[cell] | options)
    if cell == "lstm" and source in ("canonical", "tensorflow") and "forget_bias" not in options:
        spec = replace(spec, forget_bias=1.0)
    params = params_of(spec, seed=seed)
    if cell in ONE_BIAS.get(source, ()):
        params = tuple(tuple(one_bias(spec, w, source) for w in row) for row in params)
    return Model(spec, params, "float32")


def one_bias(spec: Spec, w: Weights, source: str) -> Weights:
    """Set b_hh to 0, except the candidate's where the source has one."""
    if w.b_hh is None:
        return w
    b_hh = np.zeros_like(w.b_hh)
    if spec.cell == "gru" and source in ONE_AND_N:
        b_hh[-spec.hidden_size :] = w.b_hh[-spec.hidden_size :]
    return w._replace(b_hh=b_hh)


def expected(source: str, target: str, cell: str) -> str:
    """The verdict, from the tables above."""
    if cell in LACKS.get(target, ()):
        return "impossible"
    one = cell in ONE_BIAS.get(target, ())
    two_before = cell not in ONE_BIAS.get(source, ())
    stored = cell == "lstm" and target not in ("canonical", "tensorflow")
    at_run_time = cell == "lstm" and source in ("canonical", "tensorflow")
    if one and (two_before or (stored and at_run_time)):
        return "lossy"
    if stored and at_run_time and two_before:  # then b_hh is not 0, and b_hh + 1 is rounded
        return "lossy"
    return "lossless"


PAIRS = [(s, t, c) for s, t, c in product(FORMATS, FORMATS, CELLS) if c not in LACKS.get(s, ())]


@pytest.mark.parametrize(("source", "target", "cell"), PAIRS, ids=str)
def test_every_pair_has_a_verdict(source: str, target: str, cell: str) -> None:
    model = network(cell, source)
    if expected(source, target, cell) == "impossible":
        with pytest.raises(Impossible, match=r"^(reset|cell): "):
            convert_model(model, FORMATS[target], "float32")
        return
    found = convert_model(model, FORMATS[target], "float32")
    assert found.verdict == expected(source, target, cell), f"{found.losses}"
    same = all(
        np.array_equal(a, parameters_by_name(found.stored)[n])
        for n, a in parameters_by_name(model).items()
    )
    assert same == (found.verdict == "lossless")


SIGNS = {"lossless": "=", "lossy": "~", "impossible": "×"}


def test_the_documentation_has_the_verdicts() -> None:
    """All of them, as they are above."""

    def signs(source: str, target: str) -> str:
        return " ".join(
            "·" if cell in LACKS.get(source, ()) else SIGNS[expected(source, target, cell)]
            for cell in CELLS
        )

    rows = [f"| {source} | {' | '.join(signs(source, t) for t in FORMATS)} |" for source in FORMATS]
    table = "\n".join(
        [f"| from \\ to | {' | '.join(FORMATS)} |", "|---" * (1 + len(FORMATS)) + "|", *rows]
    )
    page = (Path(__file__).parents[2] / "docs" / "porting.md").read_text("utf-8")
    (shown,) = re.findall(r"<!-- verdicts.*?-->\n(.*?)\n?<!-- end of verdicts", page, re.DOTALL)
    assert shown == table, f"docs/porting.md should have\n{table}"


# Through files.


def networks(cell: str, target: str, count: int) -> Iterator[Model]:
    """Random networks; every second one with second biases, or a forget bias, that the target folds."""
    random = np.random.default_rng(list(f"{cell} {target}".encode()))
    for seed in range(count):
        directions = FORMATS[target].directions
        options: dict[str, Any] = {
            "input_size": int(random.integers(1, 6)),
            "hidden_size": int(random.integers(2, 6)),
            "num_layers": int(random.integers(1, 4)),
            "direction": str(random.choice(directions)),
            "bias": bool(random.integers(4)),
        }
        if cell == "vanilla":
            options["activation"] = str(random.choice(["tanh", "relu"]))
        if cell == "lstm":
            options["forget_bias"] = float(random.choice([0.0, 1.0, 0.3125]))
        source = target if seed % 2 else "canonical"
        yield network(cell, source, seed, **options)


WRITTEN = [(t, c) for t, c in product(FORMATS, CELLS) if c not in LACKS.get(t, ())]


@pytest.mark.parametrize(("target", "cell"), WRITTEN, ids=str)
def test_what_is_lossless_comes_back_bit_by_bit(target: str, cell: str, tmp_path: Path) -> None:
    """Two hundred networks to a file and back, read with what only the user knows."""
    mine = module(target)
    seen = {"lossless": 0, "lossy": 0}
    for k, model in enumerate(networks(cell, target, 200)):
        try:
            done = convert_model(model, FORMATS[target], model.dtype)
        except Impossible as why:
            pytest.fail(f"{model.spec}: {why}")
        path = tmp_path / f"{k}{FORMATS[target].endings[0]}"
        mine.write(path, model)
        read_back(path, FORMATS[target], done)  # what is read is what was meant to be kept
        seen[done.verdict] += 1
        if done.verdict == "lossy":
            assert done.losses
            continue
        back = mine.read(path, known_by(target, model), "").model
        assert back.spec == model.spec
        for name, a in parameters_by_name(model).items():
            assert a.tobytes() == parameters_by_name(back)[name].tobytes(), f"{model.spec}: {name}"
    assert seen["lossless"] >= 40, f"of 200: {seen}"


def known_by(target: str, model: Model) -> dict[str, Any]:
    """The words that a user of such a file must read."""
    if target == "canonical":
        return {}
    spec = model.spec
    found: dict[str, Any] = {"batch_first": spec.batch_first, "bias": spec.bias}
    if spec.cell == "vanilla" and target != "onnx":
        found["activation"] = spec.activation
    if spec.cell == "lstm":
        found["forget_bias"] = spec.forget_bias
    if spec.cell == "gru" and target == "keras":
        found["reset"] = spec.reset
    return found | {"direction": spec.direction}


@pytest.mark.parametrize(("target", "cell"), WRITTEN, ids=str)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_the_framework_runs_what_is_written(
    target: str, cell: str, direction: str, tmp_path: Path
) -> None:
    """Runs with lengths and initial states and compares with the specification."""
    mine = module(target)
    if direction not in FORMATS[target].directions:
        pytest.skip(f"{target} runs no {direction}")
    model = network(cell, target, direction=direction, num_layers=2)
    done = convert_model(model, FORMATS[target], "float32")
    path = tmp_path / f"m{FORMATS[target].endings[0]}"
    mine.write(path, model)
    side = CheckedFile(
        path, FORMATS[target], read_back(path, FORMATS[target], done), truth(random_inputs(model))
    )
    verdict = side.verdict()
    assert verdict.outcome == "agrees", verdict.reason
    assert verdict.margin is not None
    assert verdict.margin > 0 or target == "canonical", "nothing was rounded at all"


# On the command line.


def convert(*arguments: str | Path) -> ExitCode:
    """``rnnspec convert``, in this process."""
    try:
        return main([*map(str, arguments)])
    except SystemExit as done:
        return ExitCode(int(done.code or 0))


def canonical(folder: Path, model: Model | None = None) -> Path:
    path = folder / "m.safetensors"
    module("canonical").write(
        path, model or network("lstm", "pytorch", direction="bidirectional", num_layers=2)
    )
    return path


def test_a_network_goes_to_a_file_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("pytorch")
    source = canonical(tmp_path)
    assert convert(source, tmp_path / "m.pt") == ExitCode.CLEAN
    printed = capsys.readouterr().out
    assert "canonical → pytorch: lossless" in printed
    assert "torch.nn.LSTM(3, 4, num_layers=2" in printed
    assert convert(tmp_path / "m.pt", tmp_path / "again.safetensors") == ExitCode.CLEAN
    assert (tmp_path / "again.safetensors").read_bytes() == source.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".cache") == [
        "again.safetensors", "m.pt", "m.safetensors"], "no other file is left"  # fmt: skip


def test_what_is_lost_is_said_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("equinox")
    assert convert(canonical(tmp_path, network("lstm")), tmp_path / "m.eqx") == ExitCode.CLEAN
    printed = " ".join(capsys.readouterr().out.split())
    assert "canonical → equinox: lossy" in printed
    assert "one bias: b_hh is added to b_ih" in printed
    assert "forget_bias=1, which equinox stores in the bias: " in printed
    assert re.search(r"effect on the outputs: at most 0\.\d+ of the bound", printed)


def test_what_is_impossible_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module("pytorch")
    source = canonical(tmp_path, network("gru-before"))
    assert convert(source, tmp_path / "m.pt") == ExitCode.NOT_ENOUGH_DATA
    assert "impossible: reset: it runs after, not before" in " ".join(
        capsys.readouterr().out.split()
    )
    assert not (tmp_path / "m.pt").exists()


def test_a_file_that_does_not_hold_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = module("pytorch")
    right: Callable[..., Any] = mine.run

    def wrong(path: Path, found: LoadedModel, inputs: Any) -> Any:
        made = right(path, found, inputs)
        return made._replace(tensors=made.tensors | {"h_n": made.tensors["h_n"] * (1 + 1e-5)})

    monkeypatch.setattr(mine, "run", wrong)
    assert convert(canonical(tmp_path), tmp_path / "m.pt") == ExitCode.CONFORMANCE_FAILURE
    assert "nothing was written: " in capsys.readouterr().out
    assert not (tmp_path / "m.pt").exists()


def test_a_writer_that_swaps_two_gates_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = module("pytorch")
    right: Callable[..., Any] = mine.write

    def wrong(path: Path, model: Model) -> None:
        (w, *more), *layers = model.params
        rows = np.arange(len(w.W_ih)) ^ (4 if len(w.W_ih) else 0)
        right(path, model._replace(params=((w._replace(W_ih=w.W_ih[rows]), *more), *layers)))

    monkeypatch.setattr(mine, "write", wrong)
    assert convert(canonical(tmp_path), tmp_path / "m.pt") == ExitCode.HARNESS_ERROR
    assert "layers.0.forward.W_ih: reading back gives other values" in capsys.readouterr().err
    assert not (tmp_path / "m.pt").exists()


def test_a_dtype_rounds_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module("pytorch")
    source = canonical(tmp_path)
    assert convert(source, tmp_path / "half.pt", "--dtype", "float16") == ExitCode.CLEAN
    assert "parameters are rounded to float16: " in capsys.readouterr().out
    assert convert(source, tmp_path / "wide.pt", "--dtype", "float64") == ExitCode.CLEAN
    assert "canonical → pytorch: lossless" in capsys.readouterr().out


def test_a_user_s_own_inputs_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module("pytorch")
    source = canonical(tmp_path)
    x = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
    x[2, 1:] = np.nan
    np.savez(tmp_path / "batch.npz", x=x, lengths=np.array([6, 0, 1, 3]))
    assert convert(source, tmp_path / "m.pt", "--inputs", tmp_path / "batch.npz") == ExitCode.CLEAN
    assert "on your inputs" in capsys.readouterr().out
    np.savez(tmp_path / "batch.npz", x=x[:, :, :2])
    assert (
        convert(source, tmp_path / "n.pt", "--inputs", tmp_path / "batch.npz")
        == ExitCode.HARNESS_ERROR
    )
    assert "expected (B, T, 3)" in capsys.readouterr().err


REFUSED: dict[str, tuple[list[str], str]] = {
    "an ending of none": (["m.safetensors", "m.bin"], "m.bin: expected a name that ends in .safetensors"),
    "no source": (["no.safetensors", "m.safetensors2"], "expected an existing file or folder"),
    "a missing source": (["no.safetensors", "n.safetensors"], "no.safetensors. given; expected an existing file or folder"),
    "a target that is there": (["m.safetensors", "there.safetensors"], "exists already; give another name"),
    "no folder": (["m.safetensors", "no/m.safetensors"], "no/m.safetensors: there is no folder no"),
    "a fact of none": (["m.safetensors", "n.safetensors", "--spec", "gate=1"], "expected FIELD=VALUE with one of activation"),
    "no value": (["m.safetensors", "n.safetensors", "--spec", "bias"], "expected FIELD=VALUE"),
    "a truth of none": (["m.safetensors", "n.safetensors", "--spec", "bias=perhaps"], "expected true or false"),
    "no number": (["m.safetensors", "n.safetensors", "--spec", "forget_bias=one"], "expected a number"),
    "a fact that the file says": (["m.safetensors", "n.safetensors", "--spec", "bias=true"], "states its whole spec"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, complaint = REFUSED[what]
    before = canonical(tmp_path).read_bytes()
    (tmp_path / "there.safetensors").write_text("mine")
    assert convert(*arguments) == ExitCode.HARNESS_ERROR
    assert re.search(complaint, capsys.readouterr().err)
    assert canonical(tmp_path).read_bytes() == before
    assert (tmp_path / "there.safetensors").read_text() == "mine"
    assert {p.name for p in tmp_path.iterdir()} <= {".cache", "m.safetensors", "there.safetensors"}


def test_every_format_is_known_by_its_endings() -> None:
    for name, kind in FORMATS.items():
        assert all(find_format(Path(f"x{end}"), None).name == name for end in kind.endings)
    assert find_format(Path("model.ckpt-1000"), None).name == "tensorflow"

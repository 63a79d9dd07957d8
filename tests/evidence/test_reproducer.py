"""Scripts of one framework alone: they are whole, they say what the specification says, and bad requests
for them are refused. ``test_reproducer_scripts.py`` runs them.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from backends import BACKENDS, Result, Unsupported
from backends.adapter import PRECISIONS
from backends.dialects import as_declared
from backends.dtypes import PRECISION, rounded
from conformance.agreement import bound, judge
from conformance.cases import (
    NAMED,
    AnyCase,
    NetworkCase,
    TrainingCase,
    by_id,
    default_cases,
    make_case,
    read_rows,
)
from conformance.check import apply_training_dialect, check
from conformance.draw import digest, draw
from conformance.evaluate import Tensors
from conformance.open_backend import OpenBackend
from conformance.specification import Specification
from conformance.truth import truth
from evidence.reproducer import script
from evidence.reproducer.frameworks import FRAMEWORKS as IN_WORDS
from evidence.reproducer.frameworks import WAYS
from evidence.reproducer.literals import WRITTEN_OUT, literal
from records.environment import environment
from records.exit_codes import ExitCode
from records.runs import RunWriter
from records.schema import CaseRecord, encode
from reference import Array
from reference.rounding import ARITHMETICS
from rnnspec.reproduce import reproduce
from tests.test_imports import FRAMEWORKS

Answers = dict[str, Array]
Bounds = dict[str, Array]

ROOT = Path(__file__).parents[2]
CASE = "lstm/1-layer/forward/ragged/pad-large/state/bias/batch-major/b5-t7-i4-h4/float32"
CASES = [case for case in default_cases("cuda") if not case.id.startswith("cudnn/")]
"""But for those whose weights alone are a few hundred thousand characters."""
PARTS = 96
"""The number of parts into which the default cases are divided, so that workers share them."""
SHARES = [pytest.param(part, marks=pytest.mark.every if part else ()) for part in range(PARTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("truth")
    shared = tmp_path_factory.getbasetemp().parent / "truth"  # by all workers of this run
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


# What every script is.


def complaints(text: str, extra: str) -> Iterator[str]:
    """Yield each fault of the source of a script for this framework, in words."""
    tree = ast.parse(text)
    allowed = FRAMEWORKS[extra] | {"numpy"} | set(sys.stdlib_module_names)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        yield from (f"imports {n}" for n in names if n.partition(".")[0] not in allowed)
    compile(text, "script", "exec")
    if not ast.get_docstring(tree):
        yield "has no docstring"
    if found := re.search(r"(/home|/root|/tmp|/Users|[A-Z]:\\)\S*", text):
        yield f"has the path {found[0]}"
    if len(text) > 300_000:
        yield f"has {len(text):,} characters"


def device_of(backend: str) -> str:
    """One that it runs on."""
    return next(iter(BACKENDS[backend].dialect.arithmetic))


@pytest.mark.parametrize("part", SHARES)
def test_every_default_case_of_every_backend_has_a_script(part: int) -> None:
    """Unsupported cases have none. A script is the same at every call and imports one framework."""
    made = 0  # every tenth one twice
    for case in CASES[part::PARTS]:
        for backend, entry in BACKENDS.items():
            try:
                text = script(case, backend, device_of(backend))
            except Unsupported:
                continue
            made += 1
            found = list(complaints(text, entry.extra))
            assert not found, f"{case.id} on {backend}: {found}"
            if made % 10 == 1:
                assert text == script(case, backend, device_of(backend)), (
                    f"{case.id} on {backend}: another each time"
                )
    assert made > 3 * len(CASES) / PARTS, f"{made} scripts: most cases should have some"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('"""A."""\nimport torch', "imports torch"),
        ('"""A."""\nfrom conformance.cases import by_id', "imports conformance.cases"),
        ('"""A."""\ndef f():\n    from . import x', "imports ."),
        ("import jax", "has no docstring"),
        ('"""A."""\nopen("/tmp/x.npy")', "has the path /tmp/x.npy"),
        (f'"""A."""\nx = "{"a" * 300_000}"', "characters"),
    ],
)
def test_the_rules_see(text: str, complaint: str) -> None:
    found = list(complaints(text, "jax"))
    assert len(found) == 1
    assert complaint in found[0]


LINTED = [CASE, "gradients/" + CASE, "tutorial/004-encoder-decoder/both/stacked/float32",
          "tutorial/004-encoder-decoder/both/free/float16", "training/forecasting/adam/float64",
          "training/characters/sgd/float32"]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_scripts_are_clean_to_a_linter(backend: str, tmp_path: Path) -> None:
    """Long lines of data and ids are allowed."""
    for number, case_id in enumerate(LINTED):
        with suppress(Unsupported):
            text = script(by_id(case_id), backend, device_of(backend))
            (tmp_path / f"s{number}.py").write_text(text, "utf-8")
    assert any(tmp_path.iterdir())
    rules = ["--isolated", "--select", "E,F,W,I", "--ignore", "E501", "--target-version", "py311"]
    done = subprocess.run([sys.executable, "-m", "ruff", "check", *rules, str(tmp_path)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_backend_is_known_to_the_templates() -> None:
    assert list(WAYS) == list(BACKENDS)
    assert set(IN_WORDS) == {entry.extra for entry in BACKENDS.values()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_listed_dialect_declares_outputs_of_its_own(backend: str) -> None:
    """Scripts compare outputs as the specification has them; a dialect that does not would need more."""
    inputs = draw(by_id(CASE.replace("forward", "bidirectional")))
    y = np.arange(5 * 7 * 8.0).reshape(5, 7, 8)
    dialect = BACKENDS[backend].dialect
    y[np.arange(7) >= inputs.lengths[:, None]] = 0  # type: ignore[index]
    assert np.array_equal(as_declared(dialect, inputs.spec, inputs.lengths, y), y)


def test_importing_and_writing_imports_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys; from rnnspec.reproduce import reproduce\n"
        f"for b, d in {[(b, device_of(b)) for b in BACKENDS]}:\n"
        f"    reproduce(['--backend', b, '--device', d, '--case', {CASE!r}, '--script', 's.py'])\n"
        "print(sorted({'torch', 'tensorflow', 'tf_keras', 'jax', 'optax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout == "[]\n"


# What its equations say.


def computed(text: str) -> dict[str, Any]:
    """Return the names that a script's data and equations define, without the framework's part."""
    tree = ast.parse(text[: text.index("\n# ---- ", text.index("# ---- Equations"))])
    tree.body = [
        node
        for node in tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        or ast.unparse(node).split()[1].split(".")[0] in {"numpy", *sys.stdlib_module_names}
    ]
    names: dict[str, Any] = {}
    exec(compile(tree, "script", "exec"), names)
    return names


def distance(case: AnyCase, backend: str, names: dict[str, Any]) -> tuple[Tensors, float]:
    """The truth, and how far a script's expected values are from it, relative to the largest."""
    t = truth(apply_training_dialect(draw(case), BACKENDS[backend].dialect))
    assert names["expected"].keys() == t.values.keys() == names["bounds"].keys()
    far = 0.0
    for name, value in t.values.items():
        e, (bound, _) = np.asarray(names["expected"][name]), names["bounds"][name]
        assert e.shape == value.shape == bound.shape, f"{name}: {e.shape}, {bound.shape}"
        exact = bound == 0
        assert np.array_equal(e[exact], value[exact]), f"{name}: exact elements are not"
        size = float(np.abs(value).max()) or 1.0
        far = max(far, float(np.abs(e - value).max()) / size)
    return t.values, far


SAMPLE: list[AnyCase] = [
    *(make_case(row, gradients=True) for row in read_rows("gradient_cases.txt")),
    *(make_case(row) for row in read_rows("default_cases.txt")[::9]),
    *(c for c in NAMED.values() if isinstance(c, NetworkCase) and c.dtype == "float32"),
    *(c for c in NAMED.values() if isinstance(c, TrainingCase) and c.dtype == "float64"),
    by_id("deep-sum/lstm/float16"),
    by_id("gradients/deep-sum/gru-before/bfloat16"),
    by_id("large-state/lstm/float32"),
]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_a_script_s_equations_are_the_specification_s(case: AnyCase) -> None:
    _, far = distance(case, "jax_scan", computed(script(case, "jax_scan")))
    assert far < 1e-12, f"its expected values are {far:.1e} of the largest away from the truth"


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("backend", ["tensorflow_dynamic_rnn", "pytorch"])
def test_training_is_as_the_dialect_declares_it(name: str, backend: str) -> None:
    case = by_id(f"training/forecasting/{name}/float64")
    _, far = distance(case, backend, computed(script(case, backend)))
    assert far < 1e-12, f"its expected values are {far:.1e} of the largest away from the truth"


@pytest.mark.parametrize(
    ("case_id", "old", "new"),
    [
        (CASE, "a_i, a_f, a_g, a_o = gates(a, 4)", "a_i, a_g, a_f, a_o = gates(a, 4)"),
        (CASE, "y = np.where(valid[t], y, 0)", "pass"),
        (CASE, "np.where(valid[t], n, s)", "n"),
        ("gradients/" + CASE, "da @ w.W_hh", "1.00001 * da @ w.W_hh"),
        ("gradients/" + CASE, "outer(d_in, xs)", "outer(d_in, 2 * xs)"),
        (
            "tutorial/000-outputs/last/identity/vanilla-tanh/float32",
            "else lengths - 1",
            "else 0 * lengths",
        ),
        (
            "tutorial/004-stacked/float32",
            "np.arange(steps) < ends[:, None]",
            "np.arange(steps) >= 0 * ends[:, None]",
        ),
        ("training/forecasting/sgd/float64", "self.most / ", "1.01 * self.most / "),
        ("training/forecasting/adam/float64", "np.sqrt(v /", "np.sqrt(1.01 * v /"),
    ],
)
def test_a_mistake_in_the_equations_is_seen(case_id: str, old: str, new: str) -> None:
    case = by_id(case_id)
    text = script(case, "jax_scan")
    if old not in text:
        pytest.fail(f"the script no longer has {old!r}")
    names = computed(text.replace(old, new))
    try:
        _, far = distance(case, "jax_scan", names)
    except AssertionError:
        return  # an exact element, or a shape
    assert far > 1e-12


# How it compares.

COMPARED = by_id("gradients/lstm/2-layer/bidirectional/full/pad-none/state/no-bias/time-major/"
                 "b4-t5-i6-h1/float16")  # fmt: skip
PADDED = by_id(CASE)


def beyond(share: float, tensor: str, element: int) -> Callable[[Answers, Bounds], Answers]:
    """One element off by this share of its bound."""

    def change(found: Answers, limits: Bounds) -> Answers:
        values = found[tensor].copy()
        values.flat[element] += share * limits[tensor].flat[element]
        return {**found, tensor: values}

    return change


CHANGES: dict[str, Callable[[Answers, Bounds], Answers]] = {
    "nothing": lambda found, limits: found,
    "just inside": beyond(0.9, "y", 0),
    "just outside": beyond(1.1, "y", 1),
    "drift": lambda found, limits: {n: a + 0.5 * limits[n] for n, a in found.items()},
    "less drift": lambda found, limits: {n: a + 0.1 * limits[n] for n, a in found.items()},
    "NaN": lambda found, limits: found | {"h_n": found["h_n"] * np.nan},
    "shape": lambda found, limits: found | {"h_n": found["h_n"][:1]},
    "an exact element": lambda found, limits: (
        found | {"y": np.where(limits["y"] == 0, 1e-30, found["y"])}
    ),
}


@pytest.mark.parametrize("dtype", ["its own", "float64"])
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("case", [COMPARED, PADDED], ids=["gradients", "padded"])
def test_a_script_decides_as_the_suite_does(
    case: AnyCase, what: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    t = truth(draw(case))
    arithmetic = ARITHMETICS[BACKENDS["pytorch"].dialect.held_to(case.dtype, "cpu")]
    held_to = t.expected(case.dtype)
    limits = {name: bound(e, arithmetic) for name, e in held_to.items()}
    found = CHANGES[what](t.values, limits)
    typed = case.dtype if dtype == "its own" else dtype
    verdict = judge(found, dict.fromkeys(found, typed), case.dtype, held_to, arithmetic)
    assert verdict.outcome in ("agrees", "differs")

    text = script(case, "pytorch")
    names = computed(text) | {
        "framework": lambda: {name: (a, typed) for name, a in found.items()},
        "torch": SimpleNamespace(__version__="0"),
        "sys": sys,
    }
    with pytest.raises(SystemExit) if verdict.outcome == "agrees" else nullcontext() as end:
        exec(text[text.index("# ---- Comparison") :], names)
    assert verdict.outcome == "differs" or end.value.code == 1
    printed = capsys.readouterr().out
    for name in found:
        assert name in printed
    assert ("Nothing differs" in printed) == (verdict.outcome == "agrees")


# That it sets what the adapters set, which no result on a CPU may show.


SET: dict[str, dict[str, tuple[str, ...]]] = {
    "tensorflow_static_rnn": {
        "ieee": ("wanted = False",),
        "tf32": ("wanted = True",),
        "default": ("wanted = TF32",),
    },
    "pytorch": {
        "ieee": ('wanted = "ieee"',),
        "tf32": ('"tf32" if name.startswith("torch.backends.cu") else "ieee"',),
        "default": ('wanted = DEFAULTS[f"{name}.fp32_precision"]',),
    },
    "jax_cudnn": {
        "ieee": ('update(PRODUCTS, "highest")',),
        "tf32": ('update(PRODUCTS, "TF32_TF32_F32")',),
        "default": ("update(PRODUCTS, getattr(jax.config, PRODUCTS))",),
    },
}
"""The text that a script for a GPU has for each precision, and for no other."""


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("backend", SET)
def test_a_script_sets_the_precision_of_its_case(backend: str, precision: str) -> None:
    case = by_id(CASE if precision == "ieee" else CASE.replace("float32", precision))
    text = script(case, backend, "cuda")
    assert f"in {case.named_dtype}" in text
    assert 'DTYPE = "float32"' in text
    mine = SET[backend][precision]
    others = {line for lines in SET[backend].values() for line in lines} - set(mine)
    assert all(line in text for line in mine)
    assert not [line for line in others if line in text]


def test_a_script_of_pytorch_s_own_kernels_turns_the_others_off() -> None:
    line = "set_libraries(on=False)"
    assert line in script(PADDED, "pytorch_native")
    assert line not in script(PADDED, "pytorch")


# How arrays are written.


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("shape", [(), (1,), (4, 1), (3, 4, 5), (WRITTEN_OUT + 1,), (0,)])
def test_a_literal_is_exact(dtype: str, shape: tuple[int, ...]) -> None:
    values = rounded(np.random.default_rng(0).normal(size=shape) * 100, dtype)
    text = literal(values, dtype)
    names = computed(script(by_id("deep-sum/lstm/float32"), "jax_scan"))
    read: Array = eval(text, {"np": np, "unpack": names["unpack"]})
    assert read.shape == shape
    assert np.array_equal(read.astype(np.float64), values)


def test_a_literal_has_no_rounding_hidden_in_it() -> None:
    with pytest.raises(ValueError, match="not exact in float32"):
        literal(np.array([0.1]), "float32")


def test_nan_and_words_are_written() -> None:
    assert literal(np.array([np.nan, 1.0]), "float16") == 'np.array([np.nan, 1.0], "f2")'
    assert literal(np.array([3, 1])) == "np.array([3, 1])"


# The command.


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--backend, --case: expected both"),
        (["--backend", "pytorch"], "--backend, --case: expected both"),
        (
            ["--backend", "torch", "--case", CASE],
            "'torch' given; did you mean pytorch? expected one of tensorflow_dynamic_rnn",
        ),
        (["--backend", "a.py:B", "--case", CASE], "'a.py:B' given; expected one of"),
        (["--backend", "pytorch", "--case", "lstm/x"], "'lstm/x': 2 parts given"),
        (
            ["--backend", "pytorch", "--case", CASE, "--device", "tpu"],
            "'tpu' given; expected cpu, cuda",
        ),
        (["--backend", "pytorch", "--case", CASE.replace("forward", "reverse")], "does not run it"),
        (
            ["--backend", "pytorch", "--case", CASE, "--script", "none/s.py"],
            "cannot be written: No such",
        ),
        (["--run", __file__], "--script: not given"),
        (["--run", "none.jsonl", "--script", "x"], "expected an existing file"),
        (["--run", __file__, "--script", "x", "--case", CASE], "leave them out"),
        (["--what"], "--what: no such option"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        reproduce(arguments)
    assert end.value.code == ExitCode.HARNESS_ERROR
    told = capsys.readouterr()
    assert complaint in told.err
    assert not told.out


def test_the_script_goes_to_stdout_or_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--backend", "jax_scan", "--case", CASE]
    assert reproduce(arguments) == ExitCode.CLEAN
    printed = capsys.readouterr().out
    assert printed == script(by_id(CASE), "jax_scan")
    assert reproduce([*arguments, "--script", str(tmp_path / "s.py")]) == ExitCode.CLEAN
    assert (tmp_path / "s.py").read_text("utf-8") == printed


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_device_is_in_the_framework_s_words(backend: str) -> None:
    text = script(by_id(CASE), backend, "cuda:1")
    word = {"pytorch": "torch.device(device)", "tensorflow": 'device.replace("cuda", "gpu")',
            "jax": "jax.devices(kind)[int(number or 0)]"}[BACKENDS[backend].extra]  # fmt: skip
    assert word in text
    assert f'(inputs, dialect, "{backend}", "cuda:1")' in text


# From a difference to its script.


class OffByABit(Specification):
    """Wrong wherever it returns c_n, and broken where there is no bias."""

    def run(self, inputs: Any) -> Result:
        if not inputs.spec.bias:
            raise ArithmeticError("no bias, no result")
        result = super().run(inputs)
        return result._replace(
            tensors={k: a * 1.01 if k == "c_n" else a for k, a in result.tensors.items()}
        )


def run_of(name: str, folder: Path, case_ids: list[str]) -> tuple[Path, list[CaseRecord]]:
    """An unfinished run of these cases on the wrong backend, under this name."""
    opened = OpenBackend(name, "cpu", OffByABit("cpu"))
    with RunWriter(folder, opened.header(environment(), "conformance")) as writer:
        records = [check(by_id(case_id), opened) for case_id in case_ids]
        for record in records:
            writer.write(record)
    return writer.path, records


AGREES = CASE.replace("lstm", "vanilla-tanh")
ERRORS = CASE.replace("/bias", "/no-bias")
REVERSE = digest(draw(by_id(CASE.replace("forward", "reverse"))))


def test_the_failure_card_names_the_command(tmp_path: Path) -> None:
    _, (differs, agrees) = run_of("pytorch", tmp_path, [CASE, AGREES])
    assert (differs.outcome, agrees.outcome, agrees.card) == ("differs", "agrees", "")
    (line,) = [x for x in differs.card.splitlines() if x.startswith("  script ")]
    program, subcommand, *arguments = shlex.split(line)[1:]
    assert (program, subcommand) == ("rnnspec", "reproduce")
    assert reproduce([*arguments, "--script", str(tmp_path / "s.py")]) == ExitCode.CLEAN
    assert (tmp_path / "s.py").read_text("utf-8") == script(by_id(CASE), "pytorch")


def test_the_card_of_a_backend_from_outside_names_none(tmp_path: Path) -> None:
    _, (differs,) = run_of("mine.py:Mine", tmp_path, [CASE])
    assert differs.outcome == "differs"
    assert "rnnspec reproduce" not in differs.card


def test_a_run_s_failures_become_a_script_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, records = run_of("pytorch", tmp_path / "runs", [CASE, AGREES, ERRORS])
    assert [record.outcome for record in records] == ["differs", "agrees", "errored"]
    out = tmp_path / "deep" / "scripts"
    assert reproduce(["--run", str(path), "--script", str(out)]) == ExitCode.CLEAN
    written = {p.read_text("utf-8") for p in out.iterdir()}
    assert written == {script(by_id(case_id), "pytorch") for case_id in (CASE, ERRORS)}
    assert sorted(capsys.readouterr().out.split()) == sorted(map(str, out.iterdir()))


def test_a_run_without_failures_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = run_of("pytorch", tmp_path, [AGREES])
    assert reproduce(["--run", str(path), "--script", str(tmp_path / "s")]) == ExitCode.CLEAN
    assert "none of 1 records differs or failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backend", "changes", "complaint"),
    [
        ("mine.py:Mine", {}, "--run: a run of 'mine.py:Mine' given; expected a run of one of"),
        ("pytorch", {"case": "own/model-0123/float32"}, "--run: a run of your own network"),
        (
            "pytorch",
            {"case": CASE.replace("forward", "reverse"), "case_version": REVERSE},
            "on pytorch has no script here (direction: ",
        ),
        ("pytorch", {"case_version": "0" * 12}, "was run on other arrays (000000000000)"),
        ("pytorch", {"case": "lstm/gone"}, "'lstm/gone': 2 parts given"),
    ],
)
def test_a_run_that_has_no_scripts_is_refused_before_any_is_written(
    backend: str, changes: dict[str, str], complaint: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path, records = run_of(backend, tmp_path, [ERRORS, CASE])
    lines = path.read_bytes().splitlines()
    last = encode(msgspec.structs.replace(records[-1], **changes))
    path.write_bytes(b"\n".join([*lines[:-1], last]) + b"\n")
    with pytest.raises(SystemExit) as end:
        reproduce(["--run", str(path), "--script", str(tmp_path / "s")])
    assert end.value.code == ExitCode.HARNESS_ERROR
    printed = capsys.readouterr().err
    assert complaint in printed
    assert "--backend:" not in printed, "an option that was not given"
    assert "--case:" not in printed, "an option that was not given"
    assert not (tmp_path / "s").exists()

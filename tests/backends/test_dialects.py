"""A declaration has force: corrupt any field of any dialect, and a case no longer agrees.

Shown on NumPy backends that work as each dialect says (``dialect_fakes.py``), and on the adapters
themselves where their frameworks are installed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from dialect_fakes import LaidOut

from backends import (
    BACKENDS,
    AnyInputs,
    Backend,
    BackendNotFound,
    Dialect,
    TrainingInputs,
    Unsupported,
    find,
)
from backends.dialects import (
    JAX,
    NARROWING,
    PYTORCH,
    TENSORFLOW_LEGACY,
    CellDialect,
    as_declared,
    unsupported,
)
from conformance.cases import (
    NAMED,
    AnyCase,
    Case,
    TrainingCase,
    by_id,
    default_cases,
    precision_variants,
)
from conformance.cases.fuzzed import FuzzedCase
from conformance.check import apply_training_dialect, check, compare, run_backend
from conformance.draw import draw
from conformance.open_backend import OpenBackend
from conformance.truth import truth
from records.schema import Outcome
from reference import GATES, Array, Spec

DRAWN = [case for case in default_cases() if case.id not in NAMED]
CASES = [*DRAWN, *precision_variants(DRAWN)]
"""The drawn ones: outputs alone, then gradients; and those in float32 again in other precisions."""
TRAINING = [by_id(f"training/forecasting/{name}/float64") for name in ("adam", "sgd")]
OF_LSTM = [by_id(f"training/characters/{name}/float32") for name in ("adam", "sgd")]
"""For those that have no other cell."""
DISTINCT = {id(entry.dialect.cells): name for name, entry in reversed(BACKENDS.items())}
"""The first backend of every layout: the others share it, and its code."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


class Corruption(NamedTuple):
    """A dialect with one field wrong, in words, and the cell that shows it.

    "" for any cell, and "training" for what no network shows that is only run.
    """

    what: str
    dialect: Dialect
    cell: str

    def concerns(self, case: AnyCase) -> bool:
        if isinstance(case, TrainingCase):
            return self.cell == "training"
        return isinstance(case, Case) and self.cell in ("", case.spec.cell)


# What each field may wrongly be.

OTHER_BLOCKS: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    ("h",): (("hh",),),
    ("rzn",): (("zrn",), ("rz", "n"), ("nzr",)),
    ("rz", "n"): (("zr", "n"), ("n", "rz"), ("rzn",)),
    ("n", "zr"): (("n", "rz"), ("nzr",)),
    ("ifgo",): (("igfo",), ("ifog",), ("if", "go")),
    ("igfo",): (("ifgo",), ("igof",)),
    ("oi", "gf"): (("io", "gf"), ("gf", "oi")),
}
RESETS = (("after",), ("before",), ("after", "before"))
OTHER_OPTIONS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "vanilla": lambda _: ({"activation": ("tanh",)}, {"activation": ("relu",)}),
    "gru": lambda true: tuple({"reset": r} for r in RESETS if r != true["reset"]),
    "lstm": lambda _: ({},),
}
NO_FORCE: dict[tuple[str, Any, Any], str] = {
    ("bias_optional", True, False): "zeros for no bias are the same network",
    ("forget_bias", "run time", ""): "the adapter adds nothing to the bias either way",
}
"""Corruptions (field, true, false) that cannot show, and why."""


def false_values(cell: str, field: str, true: Any) -> tuple[Any, ...]:
    """Other values of a cell's field; none where the field says nothing of such a cell."""
    if field == "blocks":
        return OTHER_BLOCKS[true]
    if field in ("joined", "transposed", "bias_optional"):
        return (not true,)
    if field == "biases":
        return (3 - true,)
    if field == "apart" and cell == "gru":
        return ("n",)
    if field == "forget_bias" and cell == "lstm":
        return tuple({"run time", "stored", ""} - {true})
    if field == "options":
        return OTHER_OPTIONS[cell](true)
    if field == "update" and cell == "gru":
        return tuple({"keeps", "takes"} - {true})
    return ()


def corrupted_cells(dialect: Dialect) -> Iterator[Corruption]:
    for cell, true in dialect.cells.items():
        for field in fields(CellDialect):
            value = getattr(true, field.name)
            for false in false_values(cell, field.name, value):
                if (field.name, value, false) in [*NO_FORCE]:  # dicts have no hash
                    continue
                if field.name == "apart" and true.biases == 2:
                    continue  # all gates have a second bias
                cells = {**dialect.cells, cell: replace(true, **{field.name: false})}
                what = f"{cell}.{field.name} {value!r} → {false!r}"
                yield Corruption(what, replace(dialect, cells=cells), cell)


SWAPPED: dict[str, dict[str, str]] = {
    "state": {"hc": "ch", "ch": "hc"},
    "padded_outputs": {"zero": "previous", "previous": "zero"},
    "reverse_outputs": {"input order": "processing order", "processing order": "input order"},
    "zero_length": {"runs": "refused", "refused": "runs", "left out": "runs"},
}
TIGHTER = {"float32": "float64", "float16": "float32", "bfloat16": "float16", "default": "float64",
           "tf32": "float64"}  # fmt: skip


def corrupted_dialects(dialect: Dialect) -> Iterator[Corruption]:
    for cell in dialect.cells:
        cells = {name: c for name, c in dialect.cells.items() if name != cell}
        yield Corruption(f"cells without {cell}", replace(dialect, cells=cells), cell)
    for way in ("forward", "reverse", "bidirectional"):
        has = way in dialect.directions
        ways = tuple(d for d in (*dialect.directions, way) if not (has and d == way))
        what = f"directions {'without' if has else 'with'} {way}"
        yield Corruption(what, replace(dialect, directions=ways), "")
    for name, options in (
        ("bias", {**dialect.options, "Spec": {**dialect.options["Spec"], "bias": (True,)}}),
        ("Inputs", {k: v for k, v in dialect.options.items() if k != "Inputs"}),
    ):
        yield Corruption(f"options without {name}", replace(dialect, options=options), "")
    for kind in ("Adam", "GradientDescent"):
        options = {k: v for k, v in dialect.options.items() if k != kind}
        yield Corruption(f"options without {kind}", replace(dialect, options=options), "training")
    for field, other in SWAPPED.items():
        true = getattr(dialect, field)
        cell = "lstm" if field == "state" else ""
        what = f"{field} {true!r} → {other[true]!r}"
        yield Corruption(what, replace(dialect, **{field: other[true]}), cell)
    other_place = {"inside": "outside", "outside": "inside"}[dialect.adam_epsilon]
    for field, false in (
        ("adam_epsilon", other_place),
        ("clip_epsilon", 0.0 if dialect.clip_epsilon else 1e-6),
    ):
        what = f"{field} {getattr(dialect, field)!r} → {false!r}"
        yield Corruption(what, replace(dialect, **{field: false}), "training")
    kind, held = next(iter(dialect.arithmetic.items()))  # on a CPU, where it runs there
    for dtype, name in held.items():
        rest = {d: a for d, a in held.items() if d != dtype}
        yield Corruption(
            f"arithmetic without {dtype}", replace(dialect, arithmetic={kind: rest}), ""
        )
        if dtype in TIGHTER and TIGHTER[dtype] != name:
            tighter = {kind: {**rest, dtype: TIGHTER[dtype]}}
            what = f"arithmetic of {dtype} {name!r} → {TIGHTER[dtype]!r}"
            yield Corruption(what, replace(dialect, arithmetic=tighter), "")


def plain_sums(dialect: Dialect) -> Iterator[Corruption]:
    """Declare plain sums to be as precise as any."""
    held = dialect.arithmetic.get("cpu", {})
    for dtype, name in held.items():
        if name == f"{dtype}-summed":
            plain = {"cpu": {**held, dtype: dtype}}
            what = f"arithmetic of {dtype} {name!r} → {dtype!r}"
            yield Corruption(what, replace(dialect, arithmetic=plain), "")


def corruptions(dialect: Dialect) -> list[Corruption]:
    return [*corrupted_cells(dialect), *corrupted_dialects(dialect)]


LAID_OUT = {cls: corruptions(cls.native) for cls in LaidOut.__subclasses__()}


def test_every_dialect_has_a_framework_that_works_as_it_says() -> None:
    natives = [cls.native for cls in LAID_OUT]
    missing = [name for name in DISTINCT.values() if BACKENDS[name].dialect not in natives]
    assert not missing, f"dialect_fakes.py has none for the dialects of {missing}"
    assert len({id(native) for native in natives}) == len(natives)


def test_an_adapter_of_another_dialect_than_the_list_s_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = BACKENDS["pytorch"]._replace(target="fakes:Right")
    monkeypatch.setitem(BACKENDS, "mine", entry)
    with pytest.raises(BackendNotFound, match="another dialect than BACKENDS lists"):
        find("mine")
    monkeypatch.setitem(BACKENDS, "mine", entry._replace(dialect=JAX))
    assert find("mine").dialect is JAX


def test_every_field_is_corrupted_somewhere() -> None:
    for cls, rows in LAID_OUT.items():
        texts = " ".join(f" {row.what}" for row in rows)
        names = [*(f".{f.name} " for f in fields(CellDialect)), *(f" {f.name} " for f in
                 fields(Dialect))]  # fmt: skip
        missing = {name for name in names if name not in texts}
        gru = cls.native.cells.get("gru")
        missing -= {".apart "} if gru and gru.biases == 2 else set()
        missing -= set() if gru else {".update ", ".apart "}
        no_force = {f".{field} " for field, _, _ in NO_FORCE}
        assert missing <= no_force, f"{cls.__name__}: no corruption of {missing - no_force}"


Force = Callable[[Corruption], str]


@cache
def arrays(case: str) -> AnyInputs:
    """Return the arrays of a case; a backend that changes them ends as "errored".

    Ten steps of training show a wrong optimiser as fifty do, and their radius takes a fifth of the time.
    """
    drawn = draw(by_id(case))
    return (
        replace(drawn, batches=drawn.batches[:10]) if isinstance(drawn, TrainingInputs) else drawn
    )


def outcome(case: AnyCase, backend: OpenBackend) -> Outcome:
    """Return how the check of a case ends. No record is made, which tries every arithmetic."""
    t = truth(apply_training_dialect(arrays(case.id), backend.adapter.dialect))
    try:
        found = run_backend(t.inputs, t.version, backend.adapter)
    except Unsupported:
        return "unsupported"
    except Exception:  # any failure of a backend is an outcome
        return "errored"
    return compare(found.result, t, backend, found.arithmetic).outcome


def shows(adapter: type[Backend], cases: list[AnyCase], honest: dict[str, Outcome]) -> Force:
    """Return a function that names the first case that a corruption makes end otherwise."""
    made = adapter("cpu")
    opened = OpenBackend(adapter.__name__, made.kind, made)

    def first_change(wrong: Corruption) -> str:
        true = adapter.dialect
        for case in cases:
            if not wrong.concerns(case):
                continue
            if case.id not in honest:
                honest[case.id] = outcome(case, opened)
            adapter.dialect = wrong.dialect
            try:
                ends = outcome(case, opened)
            finally:
                adapter.dialect = true
            if ends not in (honest[case.id], "agrees"):
                return f"{case.id}: {honest[case.id]} → {ends}"
        return ""

    return first_change


@pytest.mark.parametrize("adapter", LAID_OUT)
def test_a_corrupted_declaration_shows(adapter: type[LaidOut]) -> None:
    """Over all drawn cases until one changes: whatever agreed or was not supported."""
    honest: dict[str, Outcome] = {}
    training = TRAINING if "vanilla" in adapter.native.cells else OF_LSTM
    first_change = shows(adapter, [*CASES, *training], honest)
    silent = [row.what for row in LAID_OUT[adapter] if not first_change(row)]
    assert not silent, f"{adapter.__name__}: no case shows that these are wrong: {silent}"
    assert set(honest.values()) <= {"agrees", "unsupported"}, "as declared, nothing differs"


class GradientsMisread(NamedTuple):
    """Right weights, and gradients that are brought back as another dialect says."""

    what: str
    adapter: type[LaidOut]
    cell: str


READ = ("blocks", "joined", "transposed", "biases", "update")
"""The fields by which gradients are brought back."""


def misread() -> Iterator[GradientsMisread]:
    for adapter in LAID_OUT:
        for row in corrupted_cells(adapter.native):
            field = row.what.partition(" ")[0].partition(".")[2]
            alike = field == "biases" and row.cell != "gru"  # there both have one gradient
            if field in READ and not alike:
                yield GradientsMisread(row.what, reader(adapter, row.dialect), row.cell)


def reader(adapter: type[LaidOut], other: Dialect) -> type[LaidOut]:
    class Misreads(adapter):  # type: ignore[misc, valid-type]
        reads = other

    Misreads.__name__ = adapter.__name__
    return Misreads


@pytest.mark.parametrize("row", [*misread()], ids=lambda row: f"{row.adapter.__name__}, {row.what}")
def test_gradients_that_are_brought_back_wrongly_show(row: GradientsMisread) -> None:
    """The outputs are right; the gradients show it."""
    seen = []
    for case in CASES:
        if isinstance(case, Case) and case.gradients and case.spec.cell == row.cell:
            made = row.adapter("cpu")
            record = check(case, OpenBackend("misreads", made.kind, made))
            assert record.outcome in ("agrees", "unsupported", "differs", "errored")
            if record.outcome == "differs":
                assert re.match(r"dparams\[", record.reason), record.reason
            if record.outcome in ("differs", "errored"):
                return
            seen.append(record.outcome)
    assert "agrees" in seen, "no gradient case runs at all"
    pytest.fail(f"{len(seen)} cases agree or are not supported")


@pytest.mark.parametrize("adapter", LAID_OUT)
def test_what_has_no_force_has_none(adapter: type[LaidOut]) -> None:
    """The list of exceptions is true: where it says nothing shows, nothing does."""
    for cell, true in adapter.native.cells.items():
        for field, value, false in NO_FORCE:
            if getattr(true, field) != value:
                continue
            cells = {**adapter.native.cells, cell: replace(true, **{field: false})}
            wrong = Corruption(field, replace(adapter.native, cells=cells), cell)
            few = [case for case in CASES if case.dtype == "float64"]
            assert any(isinstance(case, Case) and case.gradients for case in few)
            assert not shows(adapter, few, {})(wrong), f"{cell}.{field} has force after all"


# The adapters themselves.

FEW = (
    "vanilla-tanh/1-layer/forward/full/pad-none/no-state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "gru-after/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "gru-after/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "gru-before/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "gru-before/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-relu/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "lstm-forget/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "lstm-forget/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/bidirectional/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/reverse/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/forward/zero/pad-zero/state/bias/batch-major/b1-t6-i5-h4/float64",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float32",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/default",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float16",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/bfloat16",
    "gradients/deep-sum/vanilla-tanh/float16",
    "gradients/deep-sum/vanilla-tanh/bfloat16",
    *(case.id for case in TRAINING),
)
"""Enough to show every corruption, and not more, since frameworks compile each."""

SILENT: dict[str, dict[str, str]] = {}
"""Corruptions that an adapter cannot show, and why."""

MODULES = {"tensorflow": "tensorflow", "pytorch": "torch", "jax": "jax"}


@pytest.mark.filterwarnings("ignore")  # the frameworks' own
@pytest.mark.parametrize("name", DISTINCT.values())
def test_a_corrupted_declaration_shows_on_an_adapter(name: str) -> None:
    extra = BACKENDS[name].extra
    pytest.importorskip(MODULES[extra], reason=f"{extra} is not installed here")
    adapter = find(name)
    if "cpu" not in adapter.dialect.arithmetic:
        pytest.skip(f"{name} runs on {', '.join(adapter.dialect.arithmetic)} alone")
    honest: dict[str, Outcome] = {}
    first_change = shows(adapter, [by_id(case) for case in FEW], honest)
    wrong = [*corruptions(adapter.dialect), *plain_sums(adapter.dialect)]
    found = {row.what: first_change(row) for row in wrong}
    silent = {what for what, change in found.items() if not change}
    assert silent == SILENT.get(name, {}).keys(), f"{name}: no case shows that these are wrong"
    assert set(honest.values()) <= {"agrees", "unsupported"}, f"as declared: {honest}"


# What a dialect says of cases and of outputs.

UNSUPPORTED: dict[str, tuple[Dialect, dict[str, Any], str, tuple[int, ...] | None, str | None]] = {
    "cell": (replace(PYTORCH, cells={}), {"cell": "lstm"}, "float32", None, "cell: .* no lstm"),
    "direction": (PYTORCH, {"cell": "lstm", "direction": "reverse"}, "float32", None,
                  "direction: .* not reverse"),
    "reset": (PYTORCH, {"cell": "gru", "reset": "before"}, "float32", None, "reset: .* before"),
    "reset, the other": (TENSORFLOW_LEGACY, {"cell": "gru"}, "float32", None, "reset: .* after"),
    "dtype": (replace(JAX, arithmetic={"cpu": {"float32": "float32"}}), {"cell": "gru"}, "float16",
              None, "dtype: on cpu it runs float32, not float16"),
    "TF32 on a CPU": (JAX, {"cell": "gru"}, "tf32", None, "dtype: on cpu it runs .*, not tf32"),
    "lengths": (PYTORCH, {"cell": "lstm"}, "float32", (0, 0), "lengths: .* every row"),
    "some lengths": (PYTORCH, {"cell": "lstm"}, "float32", (0, 1), None),
    "lengths that run": (JAX, {"cell": "lstm"}, "float32", (0, 0), None),
    "no lengths": (PYTORCH, {"cell": "lstm"}, "float32", None, None),
    "everything": (JAX, {"cell": "gru", "reset": "before", "direction": "reverse"},
                   "bfloat16", (0,), None),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_what_a_dialect_does_not_support_is_named(what: str) -> None:
    dialect, options, dtype, lengths, complaint = UNSUPPORTED[what]
    found = unsupported(dialect, Spec(input_size=2, hidden_size=3, **options), dtype, lengths)
    if complaint is None:
        assert found is None
    else:
        assert re.search(complaint, found or ""), f"{found!r}, expected one like {complaint!r}"


# y (B, T, D·H) with H = 1: forward 1, 2, 3 and backward 10, 20, 30; lengths 3, 2 and 0.
FORWARD = [[1, 2, 3], [1, 2, 0], [0, 0, 0]]
BACKWARD = [[10, 20, 30], [10, 20, 0], [0, 0, 0]]
DECLARED: dict[str, tuple[dict[str, str], str, list[list[int]], list[list[int]]]] = {
    "canonical": ({}, "bidirectional", FORWARD, BACKWARD),
    "previous": ({"padded_outputs": "previous"}, "bidirectional",
                 [[1, 2, 3], [1, 2, 2], [0, 0, 0]], [[10, 20, 30], [10, 20, 20], [0, 0, 0]]),
    "processing order": ({"reverse_outputs": "processing order"}, "bidirectional",
                         FORWARD, [[30, 20, 10], [20, 10, 0], [0, 0, 0]]),
    "both": ({"reverse_outputs": "processing order", "padded_outputs": "previous"},
             "bidirectional",
             [[1, 2, 3], [1, 2, 2], [0, 0, 0]], [[30, 20, 10], [20, 10, 10], [0, 0, 0]]),
    "reverse alone": ({"reverse_outputs": "processing order"}, "reverse",
                      [[3, 2, 1], [2, 1, 0], [0, 0, 0]], []),
    "forward alone": ({"reverse_outputs": "processing order"}, "forward", FORWARD, []),
}  # fmt: skip


def test_a_dialect_can_be_narrowed() -> None:
    narrow = JAX.only(cells=["lstm"], directions=("forward",), dtypes=["float32", "tf32"])
    lstm = Spec(cell="lstm", input_size=2, hidden_size=3)
    assert unsupported(narrow, lstm, "float32", None) is None
    assert (
        unsupported(narrow, lstm, "float16", None) == "dtype: on cpu it runs float32, not float16"
    )
    assert unsupported(narrow, lstm, "tf32", None, "cuda") is None
    assert unsupported(narrow, Spec(cell="gru", input_size=2, hidden_size=3), "float32", None) == (
        "cell: it has no gru cell"
    )
    assert unsupported(narrow, replace(lstm, direction="reverse"), "float32", None) == (
        "direction: it runs forward, not reverse"
    )
    same = replace(narrow, cells=JAX.cells, directions=JAX.directions, arithmetic=JAX.arithmetic)
    assert same == JAX, "nothing else changes"
    assert JAX.only() == JAX


REFUSED_WITH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reset": ({"reset": ["after"]}, {"cell": "gru", "reset": "before"}),
    "activation": ({"activation": ["tanh"]}, {"cell": "vanilla", "activation": "relu"}),
    "forget_bias": ({"forget_bias": [0, 1.0]}, {"cell": "lstm", "forget_bias": 1.5}),
    "bias": ({"bias": [True]}, {"bias": False}),
    "batch_first": ({"batch_first": [False]}, {"batch_first": True}),
    "num_layers": ({"num_layers": range(1, 3)}, {"num_layers": 3}),
    "input_size": ({"input_size": [2, 4]}, {"input_size": 3}),
    "hidden_size": ({"hidden_size": range(1, 7)}, {"hidden_size": 7}),
}


@pytest.mark.parametrize("option", REFUSED_WITH)
def test_a_dialect_can_be_narrowed_in_every_option(option: str) -> None:
    given, changes = REFUSED_WITH[option]
    spec = Spec(**{"cell": "lstm", "input_size": 2, "hidden_size": 3} | changes)
    assert unsupported(JAX, spec, "float32", None) is None
    why = unsupported(JAX.only(**given), spec, "float32", None)
    assert why is not None
    assert why.startswith(f"{option}: it runs ")
    assert NARROWING[option] == option, "the hint of fuzzing names the argument"


def test_every_option_that_fuzzing_draws_and_a_dialect_declares_can_be_narrowed() -> None:
    structure = FuzzedCase(
        cell="gru-before", layers=2, direction="reverse", ends=None, padding="pad-none", state="state",
        bias="no-bias", layout="time-major", size=(1, 2, 3, 4), weights="plain", inputs="plain",
        compared="forward", dtype="float64", seed=0,
    )  # fmt: skip
    fields = asdict(structure.case().spec).keys()
    assert fields | {"dtype"} == NARROWING.keys()
    taken = inspect.signature(JAX.only).parameters.keys()
    assert set(NARROWING.values()) == taken


@pytest.mark.parametrize(("given", "why"), [
    ({"reset": ["both"]}, "reset: ['both'] given, expected a list of some of 'after', 'before'"),
    ({"reset": "after"}, "reset: 'after' given, expected a list of some of"),
    ({"reset": []}, "reset: [] given, expected"),
    ({"bias": [1]}, "bias: [1] given, expected a list of some of True, False"),
    ({"num_layers": [True]}, "num_layers: [True] given, expected a list of values of type int"),
    ({"num_layers": 1}, "num_layers: 1 given, expected a list of values of type int"),
    ({"forget_bias": ["1"]}, "forget_bias: ['1'] given, expected a list of values of type float"),
    ({"cells": ["lstm"], "reset": ["after"]}, "reset: ['after'] given, but none of the cells lstm has this option"),
])  # fmt: skip
def test_a_dialect_cannot_be_narrowed_to_a_value_that_it_lacks(
    given: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        JAX.only(**given)


@pytest.mark.parametrize("given", [
    {"cells": ["lstm", "mlstm"]}, {"cells": []}, {"cells": "lstm"}, {"dtypes": ["float8"]}, {"directions": ["both"]},
])  # fmt: skip
def test_a_dialect_cannot_be_narrowed_to_what_it_lacks(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"{name}: .* given, expected a list of some of "):
        JAX.only(**given)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("what", DECLARED)
def test_outputs_are_moved_to_where_the_dialect_declares_them(what: str, batch_first: bool) -> None:
    declared, direction, forward, backward = DECLARED[what]
    spec = Spec(cell="vanilla", input_size=1, hidden_size=1, direction=direction,  # type: ignore[arg-type]
                batch_first=batch_first)  # fmt: skip
    canonical = [FORWARD, BACKWARD] if direction == "bidirectional" else [FORWARD]
    y, expected = (
        np.stack(parts, axis=-1).astype(float)
        for parts in (canonical, [forward, backward][: len(canonical)])
    )
    if not batch_first:
        y, expected = np.swapaxes(y, 0, 1), np.swapaxes(expected, 0, 1)
    kept = y.copy()
    dialect = replace(JAX, **declared)
    found = as_declared(dialect, spec, np.array([3, 2, 0]), y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(y, kept, "as_declared changed what it was given")


def test_repeated_outputs_are_not_exact() -> None:
    """Padding that repeats a computed value has its radius; that of an empty row is exact."""
    spec = Spec(cell="vanilla", input_size=1, hidden_size=1)
    ends = np.array([3, 2, 0])
    sigma: Array = (np.arange(3) < ends[:, None])[..., None] * 1.0
    dialect = replace(JAX, padded_outputs="previous")
    found = as_declared(dialect, spec, ends, sigma)
    assert (found[..., 0] == 0).tolist() == [[False] * 3, [False] * 3, [True] * 3]


def test_every_dialect_is_of_the_cells_that_the_specification_has() -> None:
    for name, entry in BACKENDS.items():
        for cell, dialect in entry.dialect.cells.items():
            gates = sorted("".join(dialect.blocks))
            assert gates == sorted(GATES[cell]), f"{name}: {cell} has blocks {dialect.blocks}"

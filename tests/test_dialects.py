"""A declaration has force: corrupt any field of any dialect, and a case no longer agrees.

Shown on NumPy backends that work as each dialect says (``fakes.LaidOut``), and on the adapters
themselves where their frameworks are installed. And the conversion of weights, on arrays small
enough to write down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import fakes
import numpy as np
import pytest

from backends import BACKENDS, Backend, Dialect, find
from backends.dialects import (
    JAX_SCAN,
    PYTORCH,
    TENSORFLOW_LEGACY,
    CellDialect,
    as_declared,
    unsupported,
)
from backends.layouts import Block, convert
from conformance.cases import Case, by_id, default_cases
from conformance.check import check
from conformance.opened import Opened
from reference import GATES, Array, Spec, Weights
from reports.records import Outcome

CASES = [case for case in default_cases() if case.id.count("/") == 9]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


class Corruption(NamedTuple):
    """A dialect with one field wrong, in words, and the cell that shows it; "" for any."""

    what: str
    dialect: Dialect
    cell: str


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
    if field == "forget_bias" and cell == "lstm":
        return tuple({"run time", "stored", ""} - {true})
    if field == "reset" and cell == "gru":
        return tuple({("after",), ("before",), ("after", "before")} - {true})
    if field == "update" and cell == "gru":
        return tuple({"keeps", "takes"} - {true})
    return ()


def corrupted_cells(dialect: Dialect) -> Iterator[Corruption]:
    for cell, true in dialect.cells.items():
        for field in fields(CellDialect):
            value = getattr(true, field.name)
            for false in false_values(cell, field.name, value):
                if (field.name, value, false) in NO_FORCE:
                    continue
                cells = {**dialect.cells, cell: replace(true, **{field.name: false})}
                what = f"{cell}.{field.name} {value!r} → {false!r}"
                yield Corruption(what, replace(dialect, cells=cells), cell)


SWAPPED: dict[str, dict[str, str]] = {
    "state": {"hc": "ch", "ch": "hc"},
    "padded_outputs": {"zero": "previous", "previous": "zero"},
    "reverse_outputs": {"input order": "processing order", "processing order": "input order"},
    "zero_length": {"runs": "refused", "refused": "runs"},
}
TIGHTER = {"float32": "float64", "float16": "float32", "bfloat16": "float16"}


def corrupted_dialects(dialect: Dialect) -> Iterator[Corruption]:
    for cell in dialect.cells:
        cells = {name: c for name, c in dialect.cells.items() if name != cell}
        yield Corruption(f"cells without {cell}", replace(dialect, cells=cells), cell)
    for way in ("forward", "reverse", "bidirectional"):
        has = way in dialect.directions
        ways = tuple(d for d in (*dialect.directions, way) if not (has and d == way))
        what = f"directions {'without' if has else 'with'} {way}"
        yield Corruption(what, replace(dialect, directions=ways), "")
    for field, other in SWAPPED.items():
        true = getattr(dialect, field)
        cell = "lstm" if field == "state" else ""
        what = f"{field} {true!r} → {other[true]!r}"
        yield Corruption(what, replace(dialect, **{field: other[true]}), cell)
    for dtype, name in dialect.arithmetic.items():
        rest = {d: a for d, a in dialect.arithmetic.items() if d != dtype}
        yield Corruption(f"arithmetic without {dtype}", replace(dialect, arithmetic=rest), "")
        if dtype in TIGHTER:
            tighter = {**rest, dtype: TIGHTER[dtype]}
            what = f"arithmetic of {dtype} {name!r} → {TIGHTER[dtype]!r}"
            yield Corruption(what, replace(dialect, arithmetic=tighter), "")


def corruptions(dialect: Dialect) -> list[Corruption]:
    return [*corrupted_cells(dialect), *corrupted_dialects(dialect)]


LAID_OUT = {cls: corruptions(cls.native) for cls in fakes.LaidOut.__subclasses__()}


def test_every_field_is_corrupted_somewhere() -> None:
    for cls, rows in LAID_OUT.items():
        texts = " ".join(f" {row.what}" for row in rows)
        names = [*(f".{f.name} " for f in fields(CellDialect)), *(f" {f.name} " for f in
                 fields(Dialect))]  # fmt: skip
        missing = {name for name in names if name not in texts}
        no_force = {f".{field} " for field, _, _ in NO_FORCE}
        assert missing <= no_force, f"{cls.__name__}: no corruption of {missing - no_force}"


Force = Callable[[Corruption], str]


def shows(adapter: type[Backend], cases: list[Case], honest: dict[str, Outcome]) -> Force:
    """What changes with a corruption: the first case that no longer ends as it did, in words."""
    opened = Opened(adapter.__name__, "cpu", adapter("cpu"))

    def first_change(wrong: Corruption) -> str:
        true = adapter.dialect
        for case in cases:
            if wrong.cell not in ("", case.spec.cell):
                continue
            if case.id not in honest:
                honest[case.id] = check(case, opened).outcome
            adapter.dialect = wrong.dialect
            try:
                outcome = check(case, opened).outcome
            finally:
                adapter.dialect = true
            if outcome not in (honest[case.id], "agrees"):
                return f"{case.id}: {honest[case.id]} → {outcome}"
        return ""

    return first_change


@pytest.mark.parametrize("adapter", LAID_OUT)
def test_a_corrupted_declaration_shows(adapter: type[fakes.LaidOut]) -> None:
    """Over all drawn cases until one changes: whatever agreed or was not supported."""
    honest: dict[str, Outcome] = {}
    first_change = shows(adapter, CASES, honest)
    silent = [row.what for row in LAID_OUT[adapter] if not first_change(row)]
    assert not silent, f"{adapter.__name__}: no case shows that these are wrong: {silent}"
    assert set(honest.values()) <= {"agrees", "unsupported"}, "as declared, nothing differs"


@pytest.mark.parametrize("adapter", LAID_OUT)
def test_what_has_no_force_has_none(adapter: type[fakes.LaidOut]) -> None:
    """The list of exceptions is true: where it says nothing shows, nothing does."""
    for cell, true in adapter.native.cells.items():
        for field, value, false in NO_FORCE:
            if getattr(true, field) != value:
                continue
            cells = {**adapter.native.cells, cell: replace(true, **{field: false})}
            wrong = Corruption(field, replace(adapter.native, cells=cells), cell)
            few = [case for case in CASES if case.dtype == "float64"]
            assert not shows(adapter, few, {})(wrong), f"{cell}.{field} has force after all"


# The adapters themselves.

FEW = (
    "vanilla-tanh/1-layer/forward/full/pad-none/no-state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "gru-after/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "gru-after/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "gru-before/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "gru-before/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "lstm-forget/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "lstm-forget/1-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/bidirectional/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/reverse/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float64",
    "vanilla-tanh/1-layer/forward/zero/pad-zero/state/bias/batch-major/b1-t6-i5-h4/float64",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float32",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/float16",
    "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t5-i4-h6/bfloat16",
)
"""Enough to show every corruption, and not more, since frameworks compile each."""

SILENT: dict[str, dict[str, str]] = {}
"""Corruptions that an adapter cannot show, and why."""

MODULES = {"tensorflow": "tensorflow", "pytorch": "torch", "jax": "jax"}
ADAPTERS = ("tensorflow_dynamic_rnn", "pytorch", "jax_scan")
"""One for each framework: the other ways of running TensorFlow share its dialect and its code."""


@pytest.mark.filterwarnings("ignore")  # the frameworks' own
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_corrupted_declaration_shows_on_an_adapter(name: str) -> None:
    extra = BACKENDS[name].extra
    pytest.importorskip(MODULES[extra], reason=f"{extra} is not installed here")
    adapter = find(name)
    honest: dict[str, Outcome] = {}
    first_change = shows(adapter, [by_id(case) for case in FEW], honest)
    found = {row.what: first_change(row) for row in corruptions(adapter.dialect)}
    silent = {what for what, change in found.items() if not change}
    assert silent == SILENT.get(name, {}).keys(), f"{name}: no case shows that these are wrong"
    assert set(honest.values()) <= {"agrees", "unsupported"}, f"as declared: {honest}"


# Conversion of weights, by hand.

ROWS = {"vanilla": [1], "gru": [1, 2, 3], "lstm": [1, 2, 3, 4]}
PLAIN = CellDialect(blocks=("h",), joined=False, transposed=False, biases=2, bias_optional=True,
                    forget_bias="")  # fmt: skip


def weights(cell: str, bias: bool = True) -> tuple[Spec, Weights]:
    """H = 1, I = 2: row g of W_ih is [g, 10 g], of W_hh 100 g; b_ih is g, b_hh 0.1 g."""
    g = np.array(ROWS[cell], float)
    spec = Spec(cell=cell, input_size=2, hidden_size=1, bias=bias)  # type: ignore[arg-type]
    w = Weights(np.stack([g, 10 * g], axis=1), 100 * g[:, None], g, 0.1 * g)
    return spec, w if bias else w._replace(b_ih=None, b_hh=None)


def block(kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any) -> Block:
    parts = (kernel, recurrent, bias, recurrent_bias)
    return Block(*(None if p is None else np.array(p, float) for p in parts))


GRU = replace(PLAIN, blocks=("rzn",), reset=("after",), update="keeps")
LSTM = replace(PLAIN, blocks=("ifgo",), forget_bias="stored")
V_KERNEL, V_RECURRENT = [[1, 10]], [[100]]


class Conversion(NamedTuple):
    """What the canonical weights of ``weights(cell)`` become."""

    cell: str
    dialect: CellDialect
    blocks: list[Block]
    forget_bias: float = 0.0
    reset: str = "after"
    bias: bool = True


CONVERSIONS: dict[str, Conversion] = {
    "as they are": Conversion(
        "vanilla", PLAIN, [block(V_KERNEL, V_RECURRENT, [1], [0.1])],
    ),
    "transposed": Conversion(
        "vanilla", replace(PLAIN, transposed=True), [block([[1], [10]], [[100]], [1], [0.1])],
    ),
    "joined": Conversion(
        "vanilla", replace(PLAIN, joined=True), [block([[1, 10, 100]], None, [1], [0.1])],
    ),
    "joined and transposed": Conversion(
        "vanilla", replace(PLAIN, joined=True, transposed=True),
        [block([[1], [10], [100]], None, [1], [0.1])],
    ),
    "one bias": Conversion(
        "vanilla", replace(PLAIN, biases=1), [block(V_KERNEL, V_RECURRENT, [1.1], None)],
    ),
    "no bias": Conversion(
        "vanilla", PLAIN, [block(V_KERNEL, V_RECURRENT, None, None)], bias=False,
    ),
    "no bias where there must be two": Conversion(
        "vanilla", replace(PLAIN, bias_optional=False),
        [block(V_KERNEL, V_RECURRENT, [0], [0])], bias=False,
    ),
    "no bias where there must be one": Conversion(
        "vanilla", replace(PLAIN, bias_optional=False, biases=1),
        [block(V_KERNEL, V_RECURRENT, [0], None)], bias=False,
    ),
    "gate order": Conversion(
        "lstm", replace(LSTM, blocks=("igfo",)),
        [block([[1, 10], [3, 30], [2, 20], [4, 40]], [[100], [300], [200], [400]],
               [1, 3, 2, 4], [0.1, 0.3, 0.2, 0.4])],
    ),
    "two matrices": Conversion(
        "gru", replace(GRU, blocks=("n", "zr")),
        [block([[3, 30]], [[300]], [3], [0.3]),
         block([[2, 20], [1, 10]], [[200], [100]], [2, 1], [0.2, 0.1])],
    ),
    "gate order, joined, transposed, one bias": Conversion(
        "lstm", replace(LSTM, blocks=("og", "fi"), joined=True, transposed=True, biases=1),
        [block([[4, 3], [40, 30], [400, 300]], None, [4.4, 3.3], None),
         block([[2, 1], [20, 10], [200, 100]], None, [2.2, 1.1], None)],
    ),
    "forget bias stored": Conversion(
        "lstm", LSTM,
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1, 2 + 1.5, 3, 4], [0.1, 0.2, 0.3, 0.4])],
        forget_bias=1.5,
    ),
    "forget bias stored in one bias": Conversion(
        "lstm", replace(LSTM, biases=1),
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1.1, 2.2 + 1.5, 3.3, 4.4], None)],
        forget_bias=1.5,
    ),
    "forget bias stored where there is no bias": Conversion(
        "lstm", LSTM,
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [0, 1.5, 0, 0], [0, 0, 0, 0])],
        forget_bias=1.5, bias=False,
    ),
    "forget bias left to the cell": Conversion(
        "lstm", replace(LSTM, forget_bias="run time"),
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4])],
        forget_bias=1.5,
    ),
    "z takes the candidate": Conversion(
        "gru", replace(GRU, update="takes"),
        [block([[1, 10], [-2, -20], [3, 30]], [[100], [-200], [300]], [1, -2, 3],
               [0.1, -0.2, 0.3])],
    ),
    "z takes the candidate, one bias": Conversion(
        "gru", replace(GRU, update="takes", biases=1, reset=("before",)),
        [block([[1, 10], [-2, -20], [3, 30]], [[100], [-200], [300]], [1.1, -2.2, 3.3], None)],
        reset="before",
    ),
    "reset after, without a bias to fold": Conversion(
        "gru", replace(GRU, biases=1),
        [block([[1, 10], [2, 20], [3, 30]], [[100], [200], [300]], None, None)], bias=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONVERSIONS)
def test_weights_become(what: str) -> None:
    row = CONVERSIONS[what]
    spec, canonical = weights(row.cell, row.bias)
    spec = replace(spec, forget_bias=row.forget_bias, reset=row.reset)  # type: ignore[arg-type]
    before = [None if a is None else a.copy() for a in canonical]
    found = convert(spec, row.dialect, canonical)
    assert len(found) == len(row.blocks), f"{len(found)} blocks, expected {len(row.blocks)}"
    for k, (got, expected) in enumerate(zip(found, row.blocks, strict=True)):
        for field in Block._fields:
            a, b = getattr(got, field), getattr(expected, field)
            assert (a is None) == (b is None), f"block {k}, {field}: {a}, expected {b}"
            if b is not None:
                assert a.shape == b.shape, f"block {k}, {field}: shape {a.shape}, not {b.shape}"
                np.testing.assert_allclose(a, b, rtol=1e-15, err_msg=f"block {k}, {field}")
    for a, b in zip(canonical, before, strict=True):
        np.testing.assert_array_equal(a, b, "convert changed the weights that it was given")


def test_blocks_of_several_units_keep_their_order() -> None:
    """H = 2, so that a gate's rows are two, and must stay together."""
    spec = Spec(cell="gru", input_size=1, hidden_size=2)
    w = Weights(np.arange(6.0)[:, None], np.arange(12.0).reshape(6, 2), np.arange(6.0), np.ones(6))
    (found,) = convert(spec, replace(GRU, blocks=("nrz",), transposed=True), w)
    assert found.kernel.tolist() == [[4, 5, 0, 1, 2, 3]]
    assert found.recurrent is not None
    assert found.recurrent.tolist() == [[8, 10, 0, 2, 4, 6], [9, 11, 1, 3, 5, 7]]
    assert found.bias is not None
    assert found.bias.tolist() == [4, 5, 0, 1, 2, 3]


def test_one_bias_for_a_reset_after_gru_is_refused() -> None:
    spec, w = weights("gru")
    with pytest.raises(ValueError, match="biases: 1 declared, but a reset-after GRU cannot fold"):
        convert(spec, replace(GRU, biases=1), w)


# What a dialect says of cases and of outputs.

UNSUPPORTED: dict[str, tuple[Dialect, dict[str, Any], str, tuple[int, ...] | None, str | None]] = {
    "cell": (replace(PYTORCH, cells={}), {"cell": "lstm"}, "float32", None, "cell: .* no lstm"),
    "direction": (PYTORCH, {"cell": "lstm", "direction": "reverse"}, "float32", None,
                  "direction: .* not reverse"),
    "reset": (PYTORCH, {"cell": "gru", "reset": "before"}, "float32", None, "reset: .* before"),
    "reset, the other": (TENSORFLOW_LEGACY, {"cell": "gru"}, "float32", None, "reset: .* after"),
    "dtype": (replace(JAX_SCAN, arithmetic={"float32": "float32"}), {"cell": "gru"}, "float16",
              None, "dtype: it runs float32, not float16"),
    "lengths": (PYTORCH, {"cell": "lstm"}, "float32", (0, 0), "lengths: .* every row"),
    "some lengths": (PYTORCH, {"cell": "lstm"}, "float32", (0, 1), None),
    "lengths that run": (JAX_SCAN, {"cell": "lstm"}, "float32", (0, 0), None),
    "no lengths": (PYTORCH, {"cell": "lstm"}, "float32", None, None),
    "everything": (JAX_SCAN, {"cell": "gru", "reset": "before", "direction": "reverse"},
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
    dialect = replace(JAX_SCAN, **declared)
    found = as_declared(dialect, spec, np.array([3, 2, 0]), y, padding=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(y, kept, "as_declared changed what it was given")


def test_repeated_outputs_are_not_exact() -> None:
    """Padding that repeats a computed value has its error; that of an empty row is 0."""
    spec = Spec(cell="vanilla", input_size=1, hidden_size=1)
    ends = np.array([3, 2, 0])
    exact: Array = (np.arange(3) >= ends[:, None])[..., None]
    dialect = replace(JAX_SCAN, padded_outputs="previous")
    found = as_declared(dialect, spec, ends, exact, padding=False)
    assert found[..., 0].tolist() == [[False] * 3, [False] * 3, [True] * 3]


def test_every_dialect_is_of_the_cells_that_the_specification_has() -> None:
    for name, entry in BACKENDS.items():
        for cell, dialect in entry.dialect.cells.items():
            gates = sorted("".join(dialect.blocks))
            assert gates == sorted(GATES[cell]), f"{name}: {cell} has blocks {dialect.blocks}"

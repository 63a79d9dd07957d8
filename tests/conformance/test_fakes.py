"""The suite sees faults: the right backend agrees everywhere, and each wrong one is caught.

Every fake of ``fakes.py`` is checked as any backend is, and must end in the right outcome, with a
reason and a failure card that tell its fault.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import dialect_fakes
import fakes
import numpy as np
import pytest
from outcomes import Row, assert_card_tells, assert_ends, checked

from backends import Backend, Inputs
from conformance.cards.failure_card import LIKELY
from conformance.cases import CELLS, DTYPES, Case, by_id, default_cases
from conformance.check import check
from conformance.draw import draw
from conformance.open_backend import OpenBackend
from conformance.truth import Truth, truth
from reports.page.glossary import GLOSSARY

LENGTHS = "lstm-forget/2-layer/bidirectional/zero/pad-large/state/bias/batch-major/b4-t9-i19-h17/"
"""Two layers, two directions, padding, a row of length 0, states."""
FULL = "lstm-forget/1-layer/forward/full/pad-none/state/bias/batch-major/b4-t9-i19-h17/"
GRU = "gru-after/1-layer/forward/ragged/pad-zero/state/bias/time-major/b4-t9-i19-h17/"
NOT_EXACT = r"of \d+ elements that no rounding touches"
BEYOND = r"y: [1-9]\d* of \d+ elements are beyond the bound"


ROWS = (
    Row(fakes.SlightlyWrong, FULL + "float32", "differs", BEYOND, "tf32"),
    Row(fakes.ForgetBiasIgnored, FULL + "float32", "differs", BEYOND, None),
    Row(fakes.ForgetBiasIgnored, FULL + "bfloat16", "differs", BEYOND, None),
    Row(fakes.OneElementOff, LENGTHS + "float32", "differs",
        "^y: 1 of 1224 elements are beyond the bound$", "tf32"),
    Row(fakes.Drift, FULL + "float32", "differs",
        r"^y: the RMS of error / radius is 3\.00, above \d", "tf32"),
    Row(fakes.LengthsIgnored, LENGTHS + "float32", "differs", "y: 510 " + NOT_EXACT, None),
    Row(fakes.LengthsIgnored, GRU + "float32", "differs", "h_n: .* beyond the bound", None),
    Row(fakes.PaddingNotZero, LENGTHS + "float32", "differs", "^y: 510 " + NOT_EXACT, None),
    Row(fakes.EmptyRowsChange, LENGTHS + "float64", "differs", "^h_n: 68 " + NOT_EXACT, None),
    Row(fakes.ReturnsNaN, LENGTHS + "float16", "differs",
        "^y: 1 of 1224 elements are not finite$", None),
    Row(fakes.ReturnsInfinity, LENGTHS + "float32", "differs",
        "^y: 1 of 1224 elements are not finite$", None),
    Row(fakes.WrongShape, FULL + "float32", "differs",
        r"^y: shape \(9, 4, 17\) returned, expected \(4, 9, 17\)$", None),
    Row(fakes.WrongDtype, FULL + "float32", "differs",
        "^h_n: dtype float64 returned, expected float32$", None),
    Row(fakes.CellStateMissing, FULL + "float32", "differs", "^c_n: not returned$", None),
    Row(fakes.CellStateExtra, GRU + "float32", "differs",
        "^c_n: returned, but this network has no such tensor$", None),
    Row(fakes.Raises, FULL + "float32", "errored", "^RuntimeError: kernel launch failed$", None),
    Row(fakes.ChangesItsInput, FULL + "float32", "errored", "changed its input arrays", None),
    Row(fakes.Refuses, FULL + "float32", "unsupported",
        "^cell: its kernels are not for today$", None),
    Row(fakes.DeclaresLess, LENGTHS + "float32", "unsupported", "^direction: ", None),
    Row(fakes.DeclaresLess, FULL + "float32", "agrees", "^$", "float32"),
    Row(fakes.Float32AsFloat64, FULL + "float64", "differs", BEYOND, "float32"),
    Row(fakes.Float32AsFloat64, FULL + "float32", "agrees", "^$", "float32"),
    Row(fakes.Tf32Products, FULL + "float32", "differs", BEYOND, "tf32"),
    Row(fakes.Tf32Products, LENGTHS + "float32", "differs", BEYOND, "tf32"),
    Row(fakes.Tf32Products, "deep-sum/lstm/float32", "differs", BEYOND, "tf32"),
    Row(fakes.Bfloat16Products, FULL + "float32", "differs", BEYOND, "bfloat16"),
    Row(fakes.Bfloat16Products, LENGTHS + "float32", "differs", BEYOND, "bfloat16"),
    Row(fakes.Float16Sums, "deep-sum/gru-before/float16", "differs",
        r"^y: (\d+ of \d+ elements are beyond|the RMS)", "bfloat16"),
    Row(fakes.Float16SumsDeclared, "tutorial/000-zero-padding-without-lengths/vanilla-relu/float16",
        "agrees", "^$", "float16"),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_fake_ends_in_the_right_outcome(row: Row) -> None:
    assert_ends(row)


@pytest.mark.parametrize("fake", [fakes.Right, *dialect_fakes.LaidOut.__subclasses__()])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_backend_agrees_on_every_default_case(fake: type[Backend], dtype: str) -> None:
    """Fakes with a layout run the cases that involve their layout or their optimiser."""
    made = fake("cpu")
    if not any(held.get(dtype) for held in made.dialect.arithmetic.values()):
        pytest.skip(f"{fake.__name__} does not declare {dtype}")
    opened = OpenBackend("right", made.kind, made)
    cases = [case for case in default_cases() if case.dtype == dtype]
    if fake is not fakes.Right:
        cases = [case for case in cases
                 if isinstance(case, Case) or case.id.startswith("training/forecasting/")]  # fmt: skip
    records = [check(case, opened) for case in cases]
    others = [f"{r.case}: {r.outcome}: {r.reason}" for r in records
              if r.outcome not in ("agrees", "unsupported")]  # fmt: skip
    assert not others, f"{fake.__name__} follows the specification, yet {others}"
    unsupported = sum(r.outcome == "unsupported" for r in records)
    if fake is fakes.Right:
        assert not unsupported, f"it supports all, but {unsupported} cases are unsupported"
    assert len(records) > unsupported + 10, f"only {len(records) - unsupported} cases ran"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_backend_is_recognised_by_its_arithmetic(dtype: str) -> None:
    assert checked(fakes.Right, LENGTHS + dtype).fingerprint == dtype


@pytest.mark.parametrize(("dtype", "tried"), [("float64", {"float64"}), ("float32", {"float32"})])
def test_no_radius_of_a_wider_type_is_asked_for(
    dtype: str, tried: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()
    expected = Truth.expected
    monkeypatch.setattr(Truth, "expected", lambda t, name: asked.add(name) or expected(t, name))
    check(by_id(LENGTHS + dtype), OpenBackend("right", "cpu", fakes.Right("cpu")))
    assert asked == tried


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_record_holds_what_its_outcome_needs(row: Row) -> None:
    record = checked(row.fake, row.case)
    assert record.case_version == checked(fakes.Right, row.case).case_version
    assert shlex.split(record.repeat)[-1] == row.case, "the case to repeat is the last argument"
    assert bool(record.card) == (record.outcome in ("differs", "errored")), record.card
    assert bool(record.reason) == (record.outcome != "agrees"), record.reason
    ran = record.outcome in ("agrees", "differs")
    assert record.ran == ("reference.run" if ran else ""), "what was run is in the record"
    assert set(record.seconds) == ({"reference", "first_call"} if record.outcome != "unsupported"
                                   else {"reference"})  # fmt: skip
    judged = ran and "returned" not in record.reason
    names = truth(draw(by_id(row.case))).values.keys() if judged else set()
    assert record.tensors.keys() == names, "every tensor has figures, and nothing else has"
    assert ("c_n" in names) == (judged and "lstm" in row.case)


CARDS: dict[str, tuple[type[Backend], str, tuple[str, ...]]] = {
    "the element": (
        fakes.OneElementOff, LENGTHS + "float32",
        (r"worst element +y\[2, 4, 17\] \(batch row 2, step 4, unit 17\)", r"first wrong +step 4 \(number 5 of 9;",
         r"margin +\d+", "fingerprint +the error is within the bound of tf32, but not within that of float32", "where +only in layer 1 of layers 0 to 1, only in the reverse"),
    ),
    "the mistake": (
        fakes.ForgetBiasIgnored, FULL + "float32",
        (r"looks most like +the forget bias is missing \(", r"first wrong +step 0 \(the first of 9\)",
         "fingerprint +none: the result agrees with no known arithmetic", r"radius \d", "drawn from the case's id"),
    ),
    "the lengths": (
        fakes.LengthsIgnored, LENGTHS + "float32",
        (r"looks most like +each row's own length is ignored \(", "where +only in rows that have padding\n"),
    ),
    "the padding": (
        fakes.PaddingNotZero, LENGTHS + "float32",
        ("where +only in the padding: ", "bound 0 because no rounding can touch this element"),
    ),
    "the arithmetic": (
        fakes.Tf32Products, FULL + "float32", ("fingerprint +the error is within the bound of tf32, but not within that of float32", "rounding growth +rounding"),
    ),
    "the state": (
        fakes.EmptyRowsChange, LENGTHS + "float32",
        (r"worst element +h_n\[\d, \d, \d+\] \(layer \d, forward direction, batch row \d, unit \d+\)",
         "where +only in rows of length 0", "margin ∞"),
    ),
    "time before batch": (
        fakes.LengthsIgnored, GRU + "float32",
        (r"worst element +y\[1, 3, 0\] \(batch row 3, step 1, unit 0\)",),
    ),
    "what is not a number": (fakes.ReturnsNaN, FULL + "float32", ("got NaN, expected", "margin ∞")),
    "what is infinite": (fakes.ReturnsInfinity, FULL + "float32", ("got ∞, expected",)),
    "the shape": (fakes.WrongShape, FULL + "float32", ("shape .* returned",)),
    "the traceback": (
        fakes.Raises, FULL + "float32",
        (rf"^errored: {FULL}float32\n  RuntimeError: kernel launch failed\n  dtype +float32\n"
         rf"  repeat +rnnspec check .*{FULL}float32\nTraceback .*\n  … \d frames of rnnspec\n"
         r'  File ".*fakes.py", line', "RuntimeError: kernel launch failed$"),
    ),
}  # fmt: skip


def test_a_single_wrong_element_looks_like_no_mistake() -> None:
    assert LIKELY not in checked(fakes.OneElementOff, LENGTHS + "float32").card


def test_every_label_of_a_card_is_in_the_glossary() -> None:
    words = {word for words, _ in GLOSSARY for word in words.split(", ")}
    labels = {label.strip()
              for fake, case, _ in CARDS.values()
              for label in re.findall(r"(?m)^  (\S.{15}) \S", checked(fake, case).card)
              if re.match(r"[a-z ]+$", label)}  # fmt: skip
    assert {"worst element", "where", "looks most like", "fingerprint", "repeat"} <= labels
    assert labels <= words, f"not in reports/page/glossary.py: {labels - words}"


@pytest.mark.parametrize("what", CARDS)
def test_the_failure_card_tells(what: str) -> None:
    assert_card_tells(*CARDS[what])


def test_one_element_off_leaves_all_others_within_the_bound() -> None:
    record = checked(fakes.OneElementOff, LENGTHS + "float32")
    assert record.worst is not None
    assert (record.worst.tensor, record.worst.index) == ("y", [2, 4, 17])
    margins = [record.tensors[name].margin for name in ("h_n", "c_n")]
    assert all(m is not None and m <= 1 for m in margins), f"h_n and c_n are right: {margins}"


@pytest.mark.parametrize("cell", CELLS)
def test_sums_in_float16_are_seen_where_float32_was_declared(cell: str) -> None:
    case = f"deep-sum/{cell}/float16"
    hidden, declared = checked(fakes.Float16Sums, case), checked(fakes.Float16SumsDeclared, case)
    assert hidden.outcome == "differs", f"sums in float16, declared float32: {hidden.outcome}"
    assert hidden.fingerprint not in ("float16", "float32"), hidden.fingerprint
    assert declared.outcome != "differs", f"sums in float16 as declared: {declared.reason}"
    assert (declared.margin or 2) < 1, "inside the wider bound"


def test_drift_is_seen_by_the_rms_alone() -> None:
    tensor = checked(fakes.Drift, FULL + "float32").tensors["y"]
    assert (tensor.margin or 1) < 0.5, "no element is beyond its bound"
    assert tensor.mean_error == pytest.approx(3, rel=0.01), "the signed mean shows the bias"
    assert tensor.rms_error == pytest.approx(3, rel=0.01)


WORTHLESS = {
    "nothing": lambda result: None,
    "words": lambda result: fakes.changed(result, y=np.array(["a", "b"])),
    "no dtypes": lambda result: result._replace(dtypes=None),
}


@pytest.mark.parametrize("what", WORTHLESS)
def test_a_result_that_is_none_is_errored(what: str) -> None:
    class Worthless(fakes.Right):
        def fetch(self, inputs: Inputs, raw: Any) -> Any:
            return WORTHLESS[what](super().fetch(inputs, raw))

    assert checked(Worthless, LENGTHS + "float32").outcome == "errored"

"""The suite sees faults in gradients, networks and training: each wrong backend is caught.

Every fake of ``wrong_gradients.py`` is right in all but one thing, which its reason and its failure
card must tell.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import wrong_gradients as wrong
from outcomes import Row, assert_card_tells, assert_ends, checked

from backends import Backend
from backends.dialects import JAX
from conformance.cases import by_id, default_cases
from conformance.check import apply_training_dialect
from conformance.draw import draw
from conformance.truth import truth

LSTM = "gradients/lstm-forget/3-layer/forward/ragged/pad-zero/state/no-bias/batch-major/b4-t9-i19-h17/float64"
GRU = "gradients/gru-before/2-layer/bidirectional/ragged/pad-zero/state/bias/time-major/b5-t7-i4-h4/float32"
NAN = "gradients/gru-after/3-layer/forward/short/pad-nan/no-state/bias/batch-major/b5-t7-i4-h4/float32"
FULL = "gradients/gru-after/1-layer/forward/full/pad-none/no-state/bias/batch-major/b4-t9-i19-h17/float64"
BOTH = "gradients/vanilla-relu/1-layer/bidirectional/short/pad-large/state/no-bias/batch-major/b1-t6-i5-h4/float32"
"""Rows of gradient_cases.txt that show their fault."""

LOSS = "tutorial/004-sequence-loss/lstm/float32"
TEACHER = "tutorial/004-encoder-decoder/initial-state/teacher/float32"
FREE = "tutorial/004-encoder-decoder/both/free/float32"
LAST = "tutorial/000-outputs/last/softmax/vanilla-tanh/float32"
SGD, MOMENTUM, ADAM = (f"training/forecasting/{name}/" for name in ("sgd", "momentum", "adam"))
BEYOND = r": \d+ of \d+ elements are beyond the bound"
NOT_EXACT = r" elements that no rounding touches"

ROWS = (
    Row(wrong.RecurrentGradientOneStepOff, FULL, "differs",
        rf"^dparams\[0\]\[0\]\.W_hh{BEYOND}$"),
    Row(wrong.FinalStateGradientDropped, GRU, "differs", rf"dh0{BEYOND}"),
    Row(wrong.FinalStateGradientDropped, LSTM, "differs", rf"dc0{BEYOND}"),
    Row(wrong.InitialStateGradientMissing, GRU, "differs", "^dh0: not returned$"),
    Row(wrong.CellStateGradientZero, LSTM, "differs", rf"^dc0{BEYOND}$"),
    Row(wrong.InputGradientWithoutReverse, BOTH, "differs", rf"^dx{BEYOND}$"),
    Row(wrong.MeanForSum, FULL, "differs", rf"^dx{BEYOND}; dparams\[0\]\[0\]\.W_ih{BEYOND}; "),
    Row(wrong.PaddingLeaks, NAN, "differs",
        r"dparams\[0\]\[0\]\.W_ih: 48 of 48 elements are not finite"),
    Row(wrong.PaddingHasGradient, NAN, "differs", rf"^dx: (\d+) of \1{NOT_EXACT}"),
    Row(wrong.NoGradients, GRU, "differs",
        r"^dh0, dparams\[0\]\[0\]\.W_hh, .*, dx: not returned$"),
    Row(wrong.LossOverAllTargets, LOSS, "differs", "^loss: 1 of 1 elements are beyond"),
    Row(wrong.LastOccurrenceOnly, LOSS, "differs", rf"^dparams\[0\]\.table{BEYOND}$"),
    Row(wrong.TeacherOneStepOff, TEACHER, "differs", rf"^y{BEYOND}"),
    Row(wrong.FedByAnotherRow, FREE, "differs", rf"^y{BEYOND}"),
    Row(wrong.FedOneStepLate, FREE, "differs", rf"^y{BEYOND}"),
    Row(wrong.BiasGradientDropped, LOSS, "differs", r"^dparams\[2\]\.b: 11 of 11 elements"),
    Row(wrong.ReadsThePadding, LAST, "differs", rf"^y{BEYOND}"),
    Row(wrong.EpsilonElsewhere, ADAM + "float32", "differs", "^loss: 4[0-9] of 50 elements"),
    Row(wrong.EpsilonElsewhere, ADAM + "float64", "differs", "^loss: 4[0-9] of 50 elements"),
    Row(wrong.MomentumDamped, MOMENTUM + "float32", "differs", "^loss: 49 of 50 elements"),
    Row(wrong.ClipsEveryTensor, SGD + "float32", "differs", "^loss: 4[0-9] of 50 elements"),
    Row(wrong.ClipsNothing, SGD + "float32", "differs", "^loss: 4[0-9] of 50 elements"),
    Row(wrong.RateSlightlyOff, SGD + "float32", "differs", r"^loss: \d+ of 50 elements"),
    Row(wrong.RateSlightlyOff, "training/characters/adam/float32", "differs", BEYOND, "tf32"),
    Row(wrong.OneStepTooFew, MOMENTUM + "float32", "differs", rf"^params\[1\]\[0\]\[0\]\.W_ih{BEYOND}"),
    Row(wrong.OneStepTooFew, SGD + "float64", "differs", rf"^params\[1\]\[0\]\[0\]\.W_ih{BEYOND}"),
    Row(wrong.LossesAfterTheUpdates, SGD + "float32", "differs", r"^loss: \d+ of 50 elements are beyond the bound$"),
    Row(wrong.BareOnly, LOSS, "unsupported",
        "^network: this adapter runs bare recurrent networks only$"),
    Row(wrong.BareOnly, SGD + "float32", "unsupported",
        "^training: this adapter runs bare recurrent networks only$"),
    Row(wrong.BareOnly, GRU, "agrees", "^$", "float32"),
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


def test_every_fake_is_tried_on_a_default_case() -> None:
    tried = {row.fake for row in ROWS}
    there = {value for value in vars(wrong).values()
             if isinstance(value, type) and issubclass(value, Backend)
             and value.__module__ == wrong.__name__}  # fmt: skip
    assert tried == there - {wrong.Patched}
    assert {row.case for row in ROWS} <= {case.id for case in default_cases()}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_record_holds_what_was_compared(row: Row) -> None:
    record = checked(row.fake, row.case)
    judged = row.outcome != "unsupported" and "not returned" not in record.reason
    held_to = apply_training_dialect(draw(by_id(row.case)), row.fake.dialect)
    names = truth(held_to).values.keys() if judged else set()
    assert record.tensors.keys() == names, "every tensor has figures, gradients by their names"
    ran = {"g": "reference.run", "t": "reference.networks.network.differentiate"}
    expected = (
        "reference.networks.training.train" if row.case.startswith("training") else ran[row.case[0]]
    )
    assert record.ran == (expected if row.outcome != "unsupported" else "")


# The failure card.

CARDS: dict[str, tuple[type[Backend], str, tuple[str, ...]]] = {
    "the parameter": (
        wrong.RecurrentGradientOneStepOff, FULL,
        (r"worst element +dparams\[0\]\[0\]\.W_hh\[\d+, \d+\]: got -?\d",
         r"margin \d", "fingerprint +none: the result"),
    ),
    "the state": (
        wrong.CellStateGradientZero, LSTM,
        (r"worst element +dc0\[(\d), (\d), (\d+)\] "
         r"\(layer \1, forward direction, batch row \2, unit \3\): got 0\.0, expected",),
    ),
    "the input": (
        wrong.InputGradientWithoutReverse, BOTH,
        (r"worst element +dx\[0, (\d), (\d)\] \(batch row 0, step \1, input \2\)", r"margin by step .* \(dx\)"),
    ),
    "the padding": (
        wrong.PaddingHasGradient, NAN,
        (r"worst element +dx\[(\d), (\d), (\d)\] \(batch row \1, step \2, input \3\): "
         r"got 1e-30, expected 0\.0", "bound 0 because .*, margin ∞"),
    ),
    "what is not a number": (wrong.PaddingLeaks, NAN, ("got NaN, expected", "margin ∞")),
    "the loss": (
        wrong.LossOverAllTargets, LOSS, (r"worst element +loss: got 1\.\d+, expected 2\.\d",),
    ),
    "a network's parameter": (
        wrong.LastOccurrenceOnly, LOSS,
        (r"worst element +dparams\[0\]\.table\[\d+, \d\]: got",
         "where +only in the parameters of layer 0$"),
    ),
    "a network's output": (wrong.ReadsThePadding, LAST, (r"  y: \d+ of \d+ elements are beyond",)),
    "the step": (
        wrong.MomentumDamped, MOMENTUM + "float32",
        (r"worst element +loss\[(\d+)\] \(before update \d+\)", r"first wrong +step 1 \(number 2 of 50\)$",
         r"margin by step +0\.\d+, \d", "rounding growth +rounding errors at the last step"),
    ),
    "a step from the first on": (
        wrong.LossesAfterTheUpdates, SGD + "float32", (r"first wrong +step 0 \(the first of 50\)$",),
    ),
    "a trained parameter": (
        wrong.OneStepTooFew, MOMENTUM + "float32",
        (r"worst element +params\[\d\]\S*\[\d.*\]: got",),
    ),
    "the arithmetic": (
        wrong.RateSlightlyOff, "training/characters/adam/float32", ("fingerprint +the error is within the bound of tf32, but not within that of float32",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CARDS)
def test_the_failure_card_tells(what: str) -> None:
    fake, case, patterns = CARDS[what]
    assert_card_tells(fake, case, tuple(f"(?m){pattern}" for pattern in patterns))


@pytest.mark.parametrize("fake", [wrong.MeanForSum, wrong.PaddingHasGradient])
def test_the_card_blames_no_gate_for_outputs_that_are_right(fake: type[Backend]) -> None:
    """The errors of right outputs are rounding, which resembles no gate."""
    record = checked(fake, NAN)
    assert (record.tensors["y"].max_error or 0) > 0, "they are rounded"
    assert "looks most like" not in record.card, record.card


def test_right_losses_are_not_said_to_part() -> None:
    card = checked(wrong.OneStepTooFew, MOMENTUM + "float32").card
    assert "first wrong" not in card, card


# A dialect's part in training.

DECLARED = {
    "adam_epsilon": ("inside", ADAM, ("float64", "float32")),
    "clip_epsilon": (1e-6, SGD, ("float64",)),
}
"""A false declaration, the cases that it is about, and the dtypes in which it must show."""


@pytest.mark.parametrize("field", DECLARED)
def test_a_wrong_declaration_of_training_differs(field: str) -> None:
    value, cases, dtypes = DECLARED[field]

    class Declares(wrong.Right):
        dialect = replace(JAX, **{field: value})

    for dtype in dtypes:
        record = checked(Declares, cases + dtype)
        assert record.outcome == "differs", f"{field} = {value} in {dtype}: {record.outcome}"
        assert re.match(r"loss: \d+ of 50 elements are beyond", record.reason), record.reason
        assert checked(wrong.Right, cases + dtype).outcome == "agrees"


def test_a_true_declaration_of_training_agrees() -> None:
    """A framework that is otherwise than the papers is held to what it declares."""
    other = replace(JAX, adam_epsilon="inside", clip_epsilon=1e-3)

    class Otherwise(wrong.Right):
        dialect = native = other

    class Undeclared(wrong.Right):
        native = other

    for case in (ADAM + "float64", SGD + "float32"):
        assert checked(Otherwise, case).outcome == "agrees"
        assert checked(Undeclared, case).outcome == "differs"

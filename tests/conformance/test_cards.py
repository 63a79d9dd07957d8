"""The cards and the summary tell a reader where to begin: the place, the user's frames, one card of each kind."""

from __future__ import annotations

from typing import Any

import fakes
import numpy as np
import pytest
import sample_runs as sample
from outcomes import checked

from conformance.cards.error_card import SUITE, own_traceback
from conformance.cards.error_place import describe_place
from conformance.cases import by_id
from conformance.draw import draw
from conformance.session.summary import failures_by_kind
from records.schema import CaseRecord

PADDED = (
    "lstm-forget/2-layer/bidirectional/zero/pad-large/state/bias/batch-major/b4-t9-i19-h17/float32"
)
FULL = "lstm-forget/1-layer/forward/full/pad-none/state/bias/batch-major/b4-t9-i19-h17/float32"


def places(**wrong: tuple[Any, ...]) -> str:
    """Return the words for some wrong elements of a network of two layers and directions."""
    inputs = draw(by_id(PADDED))
    assert inputs.lengths is not None
    shapes = {
        "y": (4, 9, 34),
        "h_n": (4, 4, 17),
        "c_n": (4, 4, 17),
        "dx": (4, 9, 19),
        "dh0": (4, 4, 17),
    }
    masks = {}
    for name, index in wrong.items():
        masks[name] = np.zeros(shapes.get(name, (1,)), bool)
        masks[name][index] = True
    return describe_place(inputs, masks)


def test_the_padded_case_has_a_full_a_short_and_an_empty_row() -> None:
    lengths = draw(by_id(PADDED)).lengths
    assert lengths is not None
    assert {0, 9} < set(lengths.tolist())


def test_a_card_names_the_single_place_of_the_errors() -> None:
    lengths = draw(by_id(PADDED)).lengths.tolist()
    full, empty = lengths.index(9), lengths.index(0)
    short = next(row for row, length in enumerate(lengths) if 0 < length < 9)
    every = slice(None)
    last = "only in layer 1 of layers 0 to 1"
    assert places(y=(short, lengths[short])).startswith("only in the padding")
    assert places(y=(short, lengths[short] - 1)) == f"{last}, only in rows that have padding"
    assert places(y=(full, 0)) == last
    assert places(y=(full, 0, slice(17, None))) == f"{last}, only in the reverse direction"
    assert places(h_n=(every, empty)) == "only in rows of length 0"
    assert places(h_n=(every, full)) == ""
    assert places(h_n=([1, 3], full)) == "only in the reverse direction"
    one_direction = "in layer 0 only in the reverse direction, which later layers read"
    assert places(h_n=([1, 2, 3], full), y=(full,)) == one_direction
    assert (
        places(dh0=(0, full)) == "only in layer 0 of layers 0 to 1, only in the forward direction"
    )
    assert places(dh0=(0, full), h_n=(every, full)) == "", "wrong outputs make gradients wrong"
    assert places(dx=(short, 8)).startswith("only in the padding")
    assert places(y=(0, 0, 0), dx=()) == places(y=(0, 0, 0))


# Errors.


def _raise_from_numpy() -> None:
    try:
        np.apply_along_axis(lambda _: {}[0], 0, np.ones(2))
    except KeyError as error:
        raise ValueError("no such entry") from error


def test_a_traceback_has_the_user_s_own_frames_and_counts_the_others() -> None:
    with pytest.raises(ValueError, match="no such entry") as caught:
        _raise_from_numpy()
    shown = own_traceback(caught.value, fakes.Right("cpu"))
    assert "ValueError: no such entry" in shown
    assert "KeyError: 0" in shown, "the cause is shown too"
    assert " of numpy\n" in shown, shown
    assert "site-packages" not in shown, shown
    assert shown.count("test_cards.py") >= 3, shown


def test_frames_of_the_suite_are_counted() -> None:
    card = checked(fakes.Raises, FULL).card
    assert " frames of rnnspec\n" in card, card
    assert "conformance/check.py" not in card, card


def test_every_package_of_the_suite_is_known(request: pytest.FixtureRequest) -> None:
    there = {path.parent.name for path in request.config.rootpath.glob("*/__init__.py")}
    assert set(SUITE) == there - {"tests"}


# The summary.


MISTAKE = "  looks most like  the forget bias is missing (the specification with this mistake leaves 0.0% of the error)"


def kinds(*records: CaseRecord) -> list[list[str]]:
    """Return the cases of each kind of failure."""
    return [[record.case for record in alike] for alike in failures_by_kind(records)]


def failed(case: str, **changes: Any) -> CaseRecord:
    return sample.failed(case=case, **changes)


def test_one_card_stands_for_all_that_look_like_one_mistake() -> None:
    small = failed("a", margin=2.0, reason="y: 1 of 9 elements", card=f"differs: a\n{MISTAKE}\n")
    large = failed("b", margin=3.0, reason="h_n: 2 of 9 elements", card=f"differs: b\n{MISTAKE}\n")
    assert kinds(small, large) == [["b", "a"]]


def test_without_a_mistake_cards_are_alike_if_their_reasons_differ_in_numbers_only() -> None:
    one, two = (
        failed(str(n), reason=f"y: {n} of 1{n} elements are beyond", margin=1.0 + n) for n in (1, 2)
    )
    other = failed("other", reason="h_n: 1 of 3 elements are beyond", margin=9.0)
    assert kinds(one, two, other) == [["other"], ["2", "1"]]


def test_errored_cases_and_other_backends_are_other_kinds_and_known_ones_are_none() -> None:
    errored = failed("e", outcome="errored", margin=None, reason="TypeError: 1")
    differs = failed("d", reason="TypeError: 2", margin=2.0)
    elsewhere = failed("x", reason="TypeError: 2", backend="jax_scan", margin=1.5)
    known = failed("k", known="a bug", margin=7.0)
    assert kinds(known, elsewhere, differs, errored, sample.case(case="fine")) == [
        ["e"],
        ["d"],
        ["x"],
    ]

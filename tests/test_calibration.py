"""The calibration's page says what its record says, and its families are what they claim to be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conformance.calibration import (
    BEGIN,
    END,
    FAMILIES,
    NUMPY,
    PAGE,
    RECORD,
    WRONG,
    hold,
    inputs_of,
    one_by_one,
    page_tables,
)
from conformance.draw import digest, rounded


def test_the_page_shows_the_record() -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    shown = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    assert shown.strip() == page_tables(record), "run python -m conformance.calibration"


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_repeatable_and_exact_in_their_dtype(name: str) -> None:
    inputs = inputs_of(name, FAMILIES[name], "bfloat16", 0)
    assert digest(inputs) == digest(inputs_of(name, FAMILIES[name], "bfloat16", 0))
    for a in (inputs.x, *(a for layer in inputs.params for w in layer for a in w)):
        assert a is not None
        np.testing.assert_array_equal(a, rounded(a, "bfloat16"))


def test_correct_code_agrees_and_wrong_code_differs(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))  # the cache of truths
    inputs = inputs_of("plain LSTM", FAMILIES["plain LSTM"], "float32", 0)
    for name in NUMPY:
        assert hold(NUMPY[name](inputs), inputs)[0].outcome == "agrees", name
    for name in ("TF32 matmul operands", "tanh (1 + 10⁻⁶)", "sigmoid + 3 · 10⁻⁶"):
        assert hold(WRONG[name][1](inputs), inputs)[0].outcome == "differs", name


def test_one_by_one_keeps_every_partial_sum_in_its_type() -> None:
    ones = np.ones((1, 4096), np.float32)
    total = one_by_one(ones, ones.T, lambda a: rounded(a, "float16"))
    assert total == 2048, "float16 has no 2049"

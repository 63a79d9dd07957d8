"""Every row of the tutorials that the project grew from is a default case, and is what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends import Inputs
from conformance.cases import (
    CELLS,
    DTYPES,
    FULL_ONLY,
    NAMED,
    AnyCase,
    Case,
    NetworkCase,
    default_cases,
)
from conformance.draw import draw
from reference import Spec
from reference.networks.layers import (
    Decoder,
    Dense,
    Embedding,
    FinalState,
    NegativeLogLikelihood,
    OneHot,
    Readout,
    Recurrent,
    Vector,
)

DEFAULT = default_cases()
NETWORKS = [case for case in DEFAULT if isinstance(case, NetworkCase)]


def layers(case: AnyCase, kind: type) -> list[Any]:
    assert isinstance(case, NetworkCase)
    return [layer for layer in case.network if isinstance(layer, kind)]


def reads(units_at: str | tuple[int, ...], activation: str) -> Callable[[Any], bool]:
    def is_so(case: Any) -> bool:
        (readout,) = layers(case, Readout)
        return bool((readout.at, readout.activation) == (units_at, activation))

    return is_so


def is_window(case: Any) -> bool:
    """Row r, step t holds r + 3 t + 1, 2, 3: the text's (6, 5, 3)."""
    x = np.array(case.x)
    text = np.arange(6)[:, None, None] + 3 * np.arange(5)[:, None] + [1, 2, 3]
    return np.array_equal(x, text) and case.scale == 1 / 20


MINI_BATCH = [[[0, 1, 2], [9, 8, 7]], [[3, 4, 5], [0, 0, 0]], [[6, 7, 8], [6, 5, 4]],
              [[9, 0, 1], [3, 2, 1]]]  # fmt: skip


def is_words_to_class(first: type) -> Callable[[Any], bool]:
    def is_so(case: Any) -> bool:
        kinds = [type(layer) for layer in case.network]
        (rnn,) = layers(case, Recurrent)
        return (
            kinds == [first, Recurrent, Readout, Dense, Dense, NegativeLogLikelihood]
            and case.network[0].vocabulary == 400
            and case.steps == 30
            and rnn.spec.hidden_size == 3
            and case.network[2].at == "last"
            and case.network[4].activation == "softmax"
        )

    return is_so


def decodes(context: str, words: str, *, encoder: bool = True) -> Callable[[Any], bool]:
    def is_so(case: Any) -> bool:
        (decoder,) = layers(case, Decoder)
        return (
            (decoder.context, decoder.words) == (context, words)
            and bool(layers(case, FinalState)) == encoder
            and bool(layers(case, Vector)) != encoder
            and isinstance(case.network[-1], NegativeLogLikelihood)
        )

    return is_so


def is_language_model(spec: Callable[[Spec], bool]) -> Callable[[Any], bool]:
    def is_so(case: Any) -> bool:
        (rnn,) = layers(case, Recurrent)
        return (
            [type(layer) for layer in case.network]
            == [Embedding, Recurrent, Readout, NegativeLogLikelihood]
            and case.target_ends is not None
            and spec(rnn.spec)
        )

    return is_so


def padded(*, lengths: bool) -> Callable[[Any], bool]:
    def is_so(case: Any) -> bool:
        inputs = draw(case)
        given = isinstance(inputs, Inputs) and inputs.lengths is not None
        return (case.steps, case.padding, given) == (20, 0.0, lengths) and min(case.ends) < 20

    return is_so


ROWS: dict[str, Callable[[Any], bool]] = {
    **{f"000-zero-padding-with-lengths/{cell}": padded(lengths=True) for cell in CELLS},
    **{f"000-zero-padding-without-lengths/{cell}": padded(lengths=False) for cell in CELLS},
    **{f"000-outputs/every/softmax/{cell}": reads("every", "softmax")
       for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm")},
    "000-outputs/every/identity/vanilla-tanh": reads("every", "identity"),
    "000-outputs/last/identity/vanilla-tanh": reads("last", "identity"),
    "000-outputs/last/softmax/vanilla-tanh": reads("last", "softmax"),
    "000-outputs/some/identity/vanilla-tanh": reads((19, 0, 7), "identity"),
    "000-outputs/some/softmax/vanilla-tanh": reads((3, 11), "softmax"),
    "001-sliding-window/bias": lambda c: is_window(c) and c.spec.hidden_size == 7 and c.spec.bias,
    "001-sliding-window/no-bias":
        lambda c: is_window(c) and c.spec.hidden_size == 7 and not c.spec.bias,
    "001-output-layer":
        lambda c: is_window(c) and reads("every", "identity")(c)
        and layers(c, Recurrent)[0].spec.hidden_size == 7,
    "002-one-hot": is_words_to_class(OneHot),
    "002-embedding": is_words_to_class(Embedding),
    "003-mini-batch":
        lambda c: np.array(c.x).tolist() == MINI_BATCH and c.spec.hidden_size == 5,
    **{f"004-sequence-loss/{cell}": is_language_model(lambda s, c=cell: s.cell == CELLS[c]["cell"])
       for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm")},
    "004-bidirectional": is_language_model(lambda spec: spec.direction == "bidirectional"),
    "004-stacked": is_language_model(lambda spec: spec.num_layers == 3),
    **{f"004-vector-to-sequence/{words}-words": decodes("input", words, encoder=False)
       for words in ("none", "teacher", "free")},
    "004-encoder-decoder/context-only": decodes("input", "none"),
    "004-encoder-decoder/initial-state/teacher": decodes("state", "teacher"),
    "004-encoder-decoder/initial-state/free": decodes("state", "free"),
    "004-encoder-decoder/every-step/teacher": decodes("input", "teacher"),
    "004-encoder-decoder/both/teacher": decodes("both", "teacher"),
    "004-encoder-decoder/both/stacked": decodes("both", "teacher"),
    "004-encoder-decoder/both/free": decodes("both", "free"),
}  # fmt: skip
"""Every row of the tutorials that the project grew from, and what makes a case that row."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_tutorials_is_a_default_case(row: str, dtype: str) -> None:
    case = NAMED.get(f"tutorial/{row}/{dtype}")
    assert case is not None, f"no case is row {row} in {dtype}"
    assert (case in DEFAULT) == (case.id not in FULL_ONLY)
    assert case.dtype == dtype
    assert ROWS[row](case), f"{case.id} is not what its name says: {case}"
    if isinstance(case, Case):
        assert case.gradients, "forward alone is half of it"


@pytest.mark.parametrize("row", ROWS)
def test_by_default_a_row_runs_in_float32_and_float64(row: str) -> None:
    dtypes = {dtype for dtype in DTYPES if NAMED[f"tutorial/{row}/{dtype}"] in DEFAULT}
    assert {"float64", "float32"} <= dtypes


@pytest.mark.parametrize("page", sorted({row.split("/")[0] for row in ROWS}))
def test_by_default_a_page_runs_in_16_bits(page: str) -> None:
    """One row runs in each 16-bit type; a page of one row runs in one of them."""
    rows = [row for row in ROWS if row.split("/")[0] == page]
    found = [dtype for row in rows for dtype in ("float16", "bfloat16")
             if NAMED[f"tutorial/{row}/{dtype}"] in DEFAULT]  # fmt: skip
    assert len(found) == len(set(found)) == min(len(rows), 2), f"{page}: {found}"


def test_there_is_no_tutorial_s_row_that_nobody_asked_for() -> None:
    known = {f"tutorial/{row}/{dtype}" for row in ROWS for dtype in DTYPES}
    assert {name for name in NAMED if name.startswith("tutorial/")} == known


def test_encoder_and_decoder_are_of_different_sizes_somewhere() -> None:
    pairs = {
        (layers(case, Recurrent)[0].spec.hidden_size, layers(case, Decoder)[0].spec.hidden_size)
        for case in NETWORKS
        if re.match("tutorial/004-encoder-decoder/", case.id)
    }
    assert any(encoder != decoder for encoder, decoder in pairs)
    bridges = {layers(case, Decoder)[0].bridge for case in NETWORKS if layers(case, Decoder)}
    assert bridges == {"none", "identity", "tanh"}

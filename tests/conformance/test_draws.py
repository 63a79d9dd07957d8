"""The draws of gradients, networks and training: exact, telling, and never on an edge.

The gradient of a relu jumps at 0, and an argmax between two likely words is decided by rounding: there
a correct implementation may differ by more than any radius. So no case comes near to either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends import Inputs, NetworkInputs
from conformance import cases
from conformance.agreement import Z
from conformance.cases import (
    DTYPES,
    NAMED,
    AnyCase,
    Case,
    NetworkCase,
    TrainingCase,
    by_id,
    default_cases,
    precision_variants,
)
from conformance.draw import draw, draw_attempt
from conformance.evaluate import evaluate
from evidence.redraw import MIN_LOG_RATIO, is_informative
from reference import Array, cells, run
from reference.cells import relu
from reference.networks.layers import (
    Decoder,
    Embedding,
)
from reference.networks.network import differentiate
from reference.rnn import REVERSED
from reference.rounding import ARITHMETICS, Rounding
from reference.trees import named
from tests.conformance.test_cases import representable

DEFAULT = default_cases()
GRADIENTS = [case for case in DEFAULT if isinstance(case, Case) and case.gradients]
NETWORKS = [case for case in DEFAULT if isinstance(case, NetworkCase)]
TRAINING = [case for case in DEFAULT if isinstance(case, TrainingCase)]

SAMPLES = 16


def bare(case: AnyCase) -> Inputs:
    inputs = draw(case)
    assert isinstance(inputs, Inputs)
    return inputs


def noisy(case: AnyCase) -> Rounding:
    """Arithmetic in which values of the size of rounding errors are drawn, and not lost.

    Errors of float64's size would be lost in the float64 that simulates them; those of float32 are
    larger, so that what they do not move float64's do not.
    """
    name = "float32" if case.dtype == "float64" else case.dtype
    return Rounding(ARITHMETICS[name], SAMPLES, [1])


# Incoming gradients.


@pytest.mark.parametrize("case", GRADIENTS, ids=lambda case: case.id)
def test_incoming_gradients_fit_the_outputs_and_none_is_zero(case: Case) -> None:
    inputs = bare(case)
    output = run(
        inputs.spec, inputs.params, inputs.x, h0=inputs.h0, c0=inputs.c0, lengths=inputs.lengths
    )
    assert inputs.incoming is not None
    seen: list[bytes] = []
    for name, value, d in zip(output._fields, output, inputs.incoming, strict=True):
        if value is None:
            assert d is None, f"{name}: a gradient by what is not there"
            continue
        assert d.shape == value.shape, f"{name}: shape {d.shape}, that of the output {value.shape}"
        assert (d != 0).all(), f"{name}: zeros let what they belong to be forgotten"
        assert representable(d, case.dtype).all(), f"{name}: not exact in {case.dtype}"
        assert d.size < 4 or np.ptp(np.abs(d)) > 0, f"{name}: all alike"
        seen.append(d.tobytes())
    assert len(set(seen)) == len(seen), "h and c have gradients of their own"


# The relu.


def pre_activations(case: Case, lift: Callable[[Array], Array]) -> Iterator[tuple[Any, Array]]:
    """Return the input of a relu at every valid step, and which rows those are ``(B, 1)``."""
    inputs, seen = bare(case), []
    spec = inputs.spec

    def recorded(a: Array) -> Array:
        seen.append(a)
        return relu(a)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cells.ACTIVATIONS, "relu", recorded)
        evaluate(inputs, lift)
    steps = inputs.x.shape[1 if spec.batch_first else 0]
    order = [
        t
        for _ in range(spec.num_layers)
        for reverse in REVERSED[spec.direction]
        for t in (reversed(range(steps)) if reverse else range(steps))
    ]
    for a, t in zip(seen, order, strict=True):
        batch = a.shape[-2]
        valid = np.ones(batch, bool) if inputs.lengths is None else t < inputs.lengths
        yield a, valid[:, None]


RELU = [case for case in GRADIENTS if case.spec.activation == "relu"]


def test_every_kind_of_relu_case_compares_gradients() -> None:
    drawn = {case.id.startswith("gradients/") for case in RELU}
    assert drawn == {True, False}, "drawn ones and the tutorials'"
    assert {case.dtype for case in RELU} == set(DTYPES)
    for case in NETWORKS + [by_id(case.id) for case in TRAINING]:
        inputs = draw(case)
        assert not isinstance(inputs, Inputs)
        text = repr(inputs.network)
        assert "relu" not in text, f"{case.id}: its pre-activations are checked by nobody"


@pytest.mark.parametrize("case", RELU, ids=lambda case: case.id)
def test_no_pre_activation_of_a_relu_is_near_the_jump(case: Case) -> None:
    """Each is further from 0 than a correct result may be off."""
    rounding = noisy(case)
    exact = [(a, valid) for a, valid in pre_activations(case, lambda a: a)]
    moved = list(pre_activations(case, rounding.array))
    positive = negative = 0
    for (a, valid), (samples, _) in zip(exact, moved, strict=True):
        counts = valid & (a != 0)  # 0 of zeros is 0 in any arithmetic, and its gradient is 0
        spread = np.sqrt(((samples.values - a) ** 2).mean(axis=0))
        assert not spread[(valid & (a == 0))].any(), "an exact 0 moves"
        near = counts & (np.abs(a) <= Z * spread)
        assert not near.any(), (
            f"{int(near.sum())} pre-activations such as {a[near][0]:.3g} are within {Z} spreads of 0 "
            f"(here {spread[near][0]:.3g})"
        )
        positive += int((counts & (a > 0)).sum())
        negative += int((counts & (a < 0)).sum())
    assert min(positive, negative) > 0.1 * (positive + negative), (
        f"{positive} above and {negative} below 0: without both, a relu is linear"
    )


# Words that are fed back.

FREE = [case for case in NETWORKS if "free" in case.id]


def test_the_free_running_decoders_are_those_that_the_ids_name() -> None:
    found = [case for case in NETWORKS
             if any(isinstance(layer, Decoder) and layer.words == "free" for layer in case.network)]  # fmt: skip
    assert found == FREE
    assert {case.dtype for case in FREE} == set(DTYPES)


@pytest.mark.parametrize("case", FREE, ids=lambda case: case.id)
def test_a_free_running_decoder_is_of_one_mind(case: NetworkCase) -> None:
    """The likeliest word leads by more than rounding can move it."""
    inputs = draw(case)
    y = evaluate(inputs, lambda a: a)["y"]
    words = np.argsort(y, axis=-1)[..., -2:]

    def lead(likelihoods: Array) -> Array:
        second, first = np.moveaxis(np.take_along_axis(likelihoods, words, axis=-1), -1, 0)
        return np.log(first / second)

    truth, certain = lead(y), MIN_LOG_RATIO[case.dtype]
    assert truth.min() > certain, f"the likeliest word leads by {truth.min():.3f} somewhere"
    samples: Any = evaluate(inputs, noisy(case).array)["y"]
    moved = np.stack([lead(sample) for sample in samples.values])
    spread = np.sqrt(((moved - truth) ** 2).mean(axis=0))
    assert (truth > Z * spread).all(), "rounding may change which word is fed back"


@pytest.mark.parametrize("case", FREE, ids=lambda case: case.id)
def test_words_that_are_fed_back_differ_between_steps_and_between_rows(case: NetworkCase) -> None:
    """Equal words would hide a mix-up of steps or rows."""
    y = evaluate(draw(case), lambda a: a)["y"]
    fed = np.argmax(y, axis=-1)[:, :-1]  # the last one is fed to nobody
    assert (fed[:, 1:] != fed[:, :-1]).any(axis=1).all(), f"a row is fed one word: {fed.tolist()}"
    assert (fed != fed[0]).any(), f"every row is fed the same: {fed.tolist()}"


# Draws that say enough.

ATTEMPTS = {
    case_id: int(number)
    for case_id, number in map(
        str.split, (Path(cases.__file__).parent / "attempts.txt").read_text("utf-8").splitlines()
    )
}


def test_only_default_and_named_cases_have_been_drawn_again() -> None:
    every = [*default_cases("cuda"), *NAMED.values()]
    assert ATTEMPTS.keys() <= {case.id for case in (*every, *precision_variants(every))}
    assert min(ATTEMPTS.values()) > 0, "a first draw needs no line"


@pytest.mark.parametrize("case_id", ATTEMPTS)
def test_a_draw_was_taken_for_what_it_says_and_not_for_who_passes(
    case_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draw is the first that says enough; the one before did not."""
    monkeypatch.chdir(tmp_path)  # where truths are cached
    case = by_id(case_id)
    assert not is_informative(draw_attempt(case, ATTEMPTS[case_id] - 1))
    assert is_informative(draw(case))


# Networks.


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.id)
def test_a_network_s_input_and_targets_are_told_apart_from_padding(case: NetworkCase) -> None:
    inputs = draw(case)
    assert isinstance(inputs, NetworkInputs)
    data = inputs.data
    assert data.targets is not None
    found = differentiate(inputs.network, inputs.params, data)
    assert found.loss > 0
    if case.ends is not None:
        assert data.lengths is not None
        assert tuple(data.lengths) == case.ends
        past = np.arange(case.steps) >= data.lengths[:, None]
        assert past.any(), "lengths without padding say nothing"
        assert not data.x[past].any()
        assert data.lengths.min() >= 1, "a readout of the last step needs one"
    if case.target_ends is not None:
        assert data.target_lengths is not None
        past = np.arange(data.targets.shape[1]) >= data.target_lengths[:, None]
        assert past.any(), "lengths without padding say nothing"
        assert not data.targets[past].any()
    for name, d in named(found.params, "dparams").items():
        assert np.abs(d).max() > 1e-6 * np.abs(np.asarray(found.loss)), f"{name} is next to nothing"


def test_a_word_stands_in_several_places_of_its_sequences() -> None:
    """Repeated words make the gradient of an embedding's row a sum."""
    for case in NETWORKS:
        inputs = draw(case)
        assert isinstance(inputs, NetworkInputs)
        if isinstance(case.network[0], Embedding) and case.network[0].vocabulary < 100:
            words = inputs.data.x
            valid = np.arange(words.shape[1]) < inputs.data.lengths[:, None]
            counts = np.bincount(words[valid])
            assert counts.max() > 1, case.id
            assert (counts[1:] > 0).sum() > 1, case.id

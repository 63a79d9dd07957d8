"""Whole networks of the specification: values against an oracle, gradients against difference quotients.

``EXAMPLES`` has every kind of layer with every option. Each example's output, loss and fed words are
those of ``network_oracle.py``, in 50 digits. Each gradient, along a random direction, is the slope of
the network's own loss, by differences in extended precision.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from network_oracle import Answer, network_oracle
from oracle import MP

from backends import NetworkInputs
from conformance.agreement import Expected, judge
from conformance.cases import NetworkCase
from conformance.cases.tutorials import MINI_BATCH, NETWORKS
from conformance.draw import draw
from conformance.evaluate import evaluate
from reference import GATES, Array, Spec, run, weight_shapes
from reference.bptt import vjp
from reference.cells import STEP as CELL_STEP
from reference.cells import affine
from reference.networks.arguments import check_arguments
from reference.networks.layers import (
    Affine,
    Data,
    Decoder,
    DecoderParams,
    Dense,
    Embedding,
    FinalState,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
    Table,
    Vector,
    Vectors,
)
from reference.networks.network import differentiate, free_words
from reference.networks.network import run as run_network
from reference.networks.shapes import target_shape, zeros
from reference.parameters import Params, Weights
from reference.rounding import ARITHMETICS, Rounding, radii
from reference.trees import each, named
from tests.reference.test_oracle import DIRECTIONS, VARIANTS, assert_bits, assert_same_shape, errors

ROWS, STEPS, WIDTH, HIDDEN, VOCABULARY = 3, 5, 2, 3, 7
RAGGED, WITH_0 = (5, 1, 3), (5, 0, 3)
"""Lengths of a sequence of ``STEPS``."""
WORDS_OUT = (4, 0, 2)
"""Target lengths of a decoder, which makes four steps."""

MSE, NLL = MeanSquaredError(), NegativeLogLikelihood()
MSE_SUM, NLL_SUM = MeanSquaredError(reduction="sum"), NegativeLogLikelihood(reduction="sum")
NUMBERS, WORDS = Vectors(size=WIDTH), Embedding(vocabulary=VOCABULARY, size=WIDTH)
LOSSES = {"nll-mean": NLL, "nll-sum": NLL_SUM, "mse-mean": MSE, "mse-sum": MSE_SUM}.items()
LAST, SOFTMAX = Readout(units=4, at="last"), Readout(units=4, activation="softmax")
LAST_SOFTMAX = Readout(units=4, at="last", activation="softmax")


class Example(NamedTuple):
    """A network, and the lengths of its input and its targets."""

    network: Network
    lengths: tuple[int, ...] | None = None
    target_lengths: tuple[int, ...] | None = None


def rnn(variant: str = "gru-after", width: int = WIDTH, **options: Any) -> Recurrent:
    """A recurrent layer of three units."""
    return Recurrent(
        spec=Spec(**VARIANTS[variant], input_size=width, hidden_size=HIDDEN, **options)
    )


def decoder(
    variant: str,
    context: str,
    words: str,
    bridge: str,
    *,
    first: Network | None = None,
    width: int | None = None,
    then: Network = (NLL,),
    lengths: tuple[int, ...] | None = None,
    target_lengths: tuple[int, ...] | None = WORDS_OUT,
    activation: str = "softmax",
    **options: Any,
) -> Example:
    """Four steps of six words, from a vector as wide as the state; of four numbers where it may be."""
    width = width or (HIDDEN if context != "input" and bridge == "none" else 4)
    word_size = 0 if words == "none" else 2
    layer = Decoder(
        spec=rnn(variant, word_size + (0 if context == "state" else width), **options).spec,
        steps=4,
        units=6,
        context=context,  # type: ignore[arg-type]
        words=words,  # type: ignore[arg-type]
        word_size=word_size,
        bridge=bridge,  # type: ignore[arg-type]
        activation=activation,  # type: ignore[arg-type]
    )
    return Example((*(first or (Vector(size=width),)), layer, *then), lengths, target_lengths)


ENCODER = (WORDS, rnn("lstm", num_layers=2, direction="bidirectional"), FinalState())
DECODERS = [
    *(("input", words, "none") for words in ("none", "teacher", "free")),
    *(("state", w, b) for w in ("teacher", "free") for b in ("none", "identity", "tanh")),
    *(("both", w, b) for w in ("none", "teacher", "free") for b in ("none", "identity", "tanh")),
]
"""Every context, words and bridge that go together."""

EXAMPLES: dict[str, Example] = {
    # inputs
    "input/vectors": Example((NUMBERS, rnn(), Readout(units=4), MSE), RAGGED),
    "input/vectors/loss-alone": Example((NUMBERS, MSE)),
    "input/vector": Example((Vector(size=WIDTH), Dense(units=4, activation="tanh"), MSE)),
    "input/vector/loss-alone": Example((Vector(size=WIDTH), MSE)),
    "input/one-hot": Example((OneHot(vocabulary=7), rnn(width=7), Readout(units=4), MSE), RAGGED),
    "input/one-hot/dense": Example((OneHot(vocabulary=7), Dense(units=4), MSE)),
    "input/embedding": Example((WORDS, rnn(), Readout(units=4), MSE), RAGGED),
    "input/embedding/loss-alone": Example((WORDS, MSE)),
    # recurrent
    **{f"recurrent/{variant}": Example((NUMBERS, rnn(variant), Readout(units=4), MSE), WITH_0)
       for variant in VARIANTS},
    **{f"recurrent/{variant}/no-bias/full": Example((NUMBERS, rnn(variant, bias=False), LAST, MSE))
       for variant in VARIANTS},
    **{f"recurrent/{variant}/{layers}-layer/{direction}":
       Example((WORDS, rnn(variant, num_layers=layers, direction=direction), SOFTMAX, NLL), WITH_0)
       for variant in ("vanilla-tanh", "gru-before", "lstm-forget-bias") for layers in (1, 2)
       for direction in DIRECTIONS},
    "recurrent/loss-alone": Example((NUMBERS, rnn("lstm"), MSE), WITH_0),
    "recurrent/two": Example(
        (WORDS, rnn("gru-after", direction="bidirectional"), rnn("lstm", 6), SOFTMAX, NLL), WITH_0),
    "recurrent/dense-between": Example(
        (WORDS, rnn("lstm"), Dense(units=5, activation="tanh"), rnn("gru-before", 5), LAST, MSE), RAGGED),
    "recurrent/after-softmax": Example(
        (NUMBERS, Dense(units=4, activation="softmax"), rnn("gru-after", 4), LAST, MSE)),
    "recurrent/softmax-between": Example(
        (NUMBERS, rnn("lstm"), Dense(units=4, activation="softmax"), rnn("gru-after", 4), LAST, MSE), RAGGED),
    # final states
    **{f"final-state/{variant}/{layers}-layer/{direction}":
       Example((NUMBERS, rnn(variant, num_layers=layers, direction=direction), FinalState(),
                Dense(units=4, activation="softmax"), NLL), WITH_0)
       for variant in ("lstm", "gru-after") for layers in (1, 2) for direction in DIRECTIONS},
    "final-state/loss-alone": Example((NUMBERS, rnn("vanilla-tanh"), FinalState(), MSE), WITH_0),
    # readouts and dense layers
    **{f"readout/{name}/{g}": Example((NUMBERS, rnn("lstm"), Readout(units=4, at=at, activation=g), MSE), lengths)
       for name, at, lengths in [("every", "every", WITH_0), ("last", "last", RAGGED),
                                 ("last-of-full", "last", None), ("some", (3, 0), WITH_0),
                                 ("one", (4,), None), ("all-backwards", (4, 3, 2, 1, 0), None)]
       for g in ("identity", "tanh", "relu", "softmax")},
    **{f"dense/{name}/{g}/{'bias' if bias else 'no-bias'}":
       Example((first, Dense(units=4, activation=g, bias=bias), Dense(units=3), MSE))
       for name, first in [("sequence", NUMBERS), ("vector", Vector(size=WIDTH))]
       for g in ("identity", "tanh", "relu", "softmax") for bias in (True, False)},
    "dense/after-last": Example(
        (WORDS, rnn("vanilla-tanh"), LAST, Dense(units=6, activation="tanh"),
         Dense(units=5, activation="softmax", bias=False), NLL), RAGGED),
    # losses
    **{f"loss/{name}/{length}": Example((WORDS, rnn("gru-after"), SOFTMAX, loss), RAGGED, ends)
       for name, loss in LOSSES for length, ends in [("all", None), ("ragged", (5, 1, 3)), ("with-0", (0, 2, 5)), ("one-row", (0, 0, 2))]},
    **{f"loss/{name}/vector": Example((NUMBERS, rnn("gru-after"), LAST_SOFTMAX, loss), RAGGED)
       for name, loss in LOSSES},
    "loss/nll/some": Example(
        (NUMBERS, rnn("lstm"), Readout(units=4, at=(4, 1), activation="softmax"), NLL), None, (1, 0, 2)),
    # decoders
    **{f"decoder/{variant}/{layers}-layer/{'-'.join(kind)}": decoder(variant, *kind, num_layers=layers)
       for variant in ("vanilla-tanh", "gru-after", "lstm") for layers in (1, 2) for kind in DECODERS},
    **{f"decoder/{variant}/both-teacher-tanh": decoder(variant, "both", "teacher", "tanh")
       for variant in ("gru-before", "lstm-forget-bias")},
    "decoder/no-bias": decoder("lstm", "both", "teacher", "identity", bias=False, target_lengths=None),
    "decoder/sum": decoder("gru-after", "state", "teacher", "tanh", then=(NLL_SUM,)),
    **{f"decoder/output/{g}/{words}": decoder("lstm", "both", words, "tanh", activation=g, then=(loss,))
       for g, loss in [("identity", MSE), ("tanh", MSE_SUM), ("relu", MSE), ("softmax", MSE)]
       for words in ("none", "free")},
    **{f"decoder/then-dense/{words}": decoder("gru-after", "both", words, "none", activation="tanh",
                                              then=(Dense(units=6, activation="softmax"), NLL))
       for words in ("none", "teacher", "free")},
    **{f"decoder/of-encoder/{context}-{words}": decoder(
        "lstm", context, words, "none" if context == "input" else "tanh", first=ENCODER, width=6,
        lengths=WITH_0) for context in ("input", "state", "both") for words in ("teacher", "free")},
}  # fmt: skip

OTHER_CELLS = ("decoder/vanilla", "decoder/gru", "decoder/lstm/2")
OTHER_OPTIONS = ("/identity", "/relu", "/no-bias", "/reverse", "/1-layer/bi", "/2-layer/f")
SOME = [
    name
    for name in EXAMPLES
    if not name.startswith(OTHER_CELLS) and not any(option in name for option in OTHER_OPTIONS)
]
"""Every layer, but not with every option, for what no option has a part in."""


class Problem(NamedTuple):
    """A network with parameters and data."""

    network: Network
    params: NetworkParams
    data: Data

    def differentiate(self, words: Array | None = None) -> dict[str, Array]:
        """y, the loss, and every gradient by name: dx, dparams[1].W and so on."""
        found = differentiate(self.network, self.params, self.data, words)
        values = {"y": found.y, "loss": np.asarray(found.loss), "dx": found.x}
        present = {name: value for name, value in values.items() if value is not None}
        return present | named(found.params, "dparams")

    def oracle(self) -> Answer:
        """Return the oracle's answer."""
        return network_oracle(self.network, self.params, self.data)

    def words(self) -> Array | None:
        """Return the words that a free-running decoder feeds itself."""
        return free_words(self.network, self.params, self.data)

    def map(self, change: Any) -> Problem:
        """The same problem with every floating-point array changed."""

        def changed(array: Any) -> Any:
            return change(array) if array is not None and array.dtype.kind == "f" else array

        return Problem(self.network, each(changed, self.params), each(changed, self.data))


GRID = 2.0**16
"""Parameters and numbers are multiples of 1 / GRID, so that they are exact when moved by a STEP."""
SEEDS = {"recurrent/vanilla-relu": 1, "decoder/gru-after/1-layer/state-free-tanh": 1}
"""Where with seed 0 every unit is off, or near its kink, or no word but 0 is fed."""


def problem(name: str) -> Problem:
    """An example with numbers uniform on (-1, 1)."""
    network, ends, target_ends = EXAMPLES[name]
    random = np.random.default_rng([SEEDS.get(name, 0), *name.encode()])

    def uniform(like: Array) -> Array:
        return np.round(random.uniform(-1, 1, np.shape(like)) * GRID) / GRID

    lengths, target_lengths = (None if e is None else np.array(e) for e in (ends, target_ends))
    shapes = {Vectors: (ROWS, STEPS, WIDTH), Vector: (ROWS, getattr(network[0], "size", 0))}
    if isinstance(network[0], OneHot | Embedding):
        x = random.integers(0, VOCABULARY, (ROWS, STEPS))
    else:
        x = uniform(np.zeros(shapes[type(network[0])]))
    *counts, width = target_shape(network, ROWS, STEPS)
    if isinstance(network[-1], NegativeLogLikelihood):
        targets = random.integers(0, width, counts)
    else:
        targets = uniform(np.zeros((*counts, width)))
    params = tuple(each(uniform, p) for p in zeros(network))
    if is_free(network):
        params = tuple(more_certain(p) if isinstance(p, DecoderParams) else p for p in params)
    return Problem(network, params, Data(x, lengths, targets, target_lengths))


def is_free(network: Network) -> bool:
    return any(isinstance(layer, Decoder) and layer.words == "free" for layer in network)


def more_certain(params: DecoderParams) -> DecoderParams:
    """Outputs that are further apart, so that other words are fed than 0, and none by a hair."""
    return params._replace(output=params.output._replace(W=4 * params.output.W))


# Values.

ULPS = 32
"""How many units in the last place of a tensor's largest element float64 may be off."""


@pytest.mark.parametrize(
    "name",
    [n for n in EXAMPLES if not n.startswith(("decoder/vanilla-tanh/2", "decoder/gru-after/2"))],
)
def test_values_are_those_of_the_oracle(name: str) -> None:
    """Output and loss, and the words that a decoder feeds itself."""
    task = problem(name)
    got, truth = task.differentiate(), task.oracle()
    for what, expected in [("y", truth.y), ("loss", np.array(truth.loss, object))]:
        assert_same_shape(what, got[what], expected)
        unit = np.spacing(abs(expected.astype(np.float64)).max())
        off = errors(got[what], expected)
        worst = np.unravel_index(np.argmax(off), off.shape)
        assert off[worst] <= ULPS * unit, (
            f"{what}{[int(i) for i in worst]}: the specification gives {got[what][worst]!r}, the "
            f"oracle {MP.nstr(expected[worst], 20)}: off by {off[worst]:.3g}, {ULPS * unit:.3g} allowed"
        )
    fed = task.words()
    if is_free(task.network):
        assert fed is not None, "a free-running decoder has no words of its own"
        assert fed.tolist() == truth.words, f"it feeds itself {fed}, the oracle {truth.words}"
    else:
        assert fed is None, f"no decoder runs freely, but the words fed are {fed}"


@pytest.mark.parametrize("size", [10.0, 1e3, 1e300])
def test_a_likelihood_of_large_numbers(size: float) -> None:
    """−log p of the class that is ``size`` below the largest is ``size``, however large that is."""
    network = (Vectors(size=2), Dense(units=3, activation="softmax", bias=False), NLL)
    W = np.array([[size, 0.0], [0.0, size], [-size, 0.0]])
    found = differentiate(
        network, ((), Affine(W, None), ()), Data(np.eye(2)[None, :1], None, np.array([[1]]))
    )
    expected = size + np.log1p(np.exp(-size) + np.exp(-2 * size))
    assert abs(found.loss - expected) <= 4 * np.spacing(expected), (
        f"{found.loss}, expected {expected}"
    )
    assert np.isfinite(found.y).all(), f"y: {found.y}, expected finite probabilities"
    assert all(np.isfinite(g).all() for g in named(found.params, "").values()), (
        "a gradient is not finite"
    )


PARAMETERS: dict[str, dict[str, tuple[int, ...]]] = {
    "input/embedding": {
        "[0].table": (7, 2),
        "[1][0][0].W_ih": (9, 2),
        "[1][0][0].W_hh": (9, 3),
        "[1][0][0].b_ih": (9,),
        "[1][0][0].b_hh": (9,),
        "[2].W": (4, 3),
        "[2].b": (4,),
    },
    "dense/vector/tanh/no-bias": {"[1].W": (4, 2), "[2].W": (3, 4), "[2].b": (3,)},
    "decoder/vanilla-tanh/2-layer/both-none-none": {
        "[1].rnn[0][0].W_ih": (3, 3),
        "[1].rnn[0][0].W_hh": (3, 3),
        "[1].rnn[0][0].b_ih": (3,),
        "[1].rnn[0][0].b_hh": (3,),
        "[1].rnn[1][0].W_ih": (3, 3),
        "[1].rnn[1][0].W_hh": (3, 3),
        "[1].rnn[1][0].b_ih": (3,),
        "[1].rnn[1][0].b_hh": (3,),
        "[1].output.W": (6, 3),
        "[1].output.b": (6,),
    },
    "decoder/lstm/1-layer/both-teacher-tanh": {
        "[1].table": (6, 2),
        "[1].rnn[0][0].W_ih": (12, 6),
        "[1].rnn[0][0].W_hh": (12, 3),
        "[1].rnn[0][0].b_ih": (12,),
        "[1].rnn[0][0].b_hh": (12,),
        "[1].output.W": (6, 3),
        "[1].output.b": (6,),
        "[1].bridge[0][0].W": (3, 4),
        "[1].bridge[0][0].b": (3,),
        "[1].bridge[0][1].W": (3, 4),
        "[1].bridge[0][1].b": (3,),
    },
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_shapes_of_parameters(name: str) -> None:
    """Checks names, order and shapes of parameters and of their gradients."""
    task = problem(name)
    expected = PARAMETERS[name]
    assert {n: a.shape for n, a in named(zeros(task.network), "").items()} == expected
    found = differentiate(*task).params
    assert {n: a.shape for n, a in named(found, "").items()} == expected, "of the gradients"
    assert list(named(found, "")) == list(expected), "the order of the gradients"


# Gradients.

EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
STEP = 2.0**-14 if EXTENDED else 2.0**-10
BOUND = 2**12 * STEP**4
"""5.7e-14 in extended precision, as a share of the loss where that is above 1. The quotient is off by
STEP⁴ / 30 times a fifth derivative, and by the loss's rounding errors over STEP, 3.5e-15 each."""
LEAST = 2.0**-12
"""A gradient whose elements are all below this, ten orders above the bound, shows nothing."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_gradients_are_slopes_of_the_loss(name: str) -> None:
    """Along a random v: (8 (f(a + sv) − f(a − sv)) − (f(a + 2sv) − f(a − 2sv))) / 12s, by every array a."""
    task = problem(name)
    gradients, words = task.differentiate(), task.words()
    random = np.random.default_rng(1)
    arrays = (task.params, task.data.x if "dx" in gradients else None)
    along = each(lambda a: random.integers(-8, 9, a.shape) / 8, arrays)
    params, x = moved(arrays, along)
    data = task.data if x is None else task.data._replace(x=x)
    slices = Problem(task.network, params, data).map(lambda a: a.astype(np.longdouble))
    assert_no_kink_is_crossed(slices, words)
    losses = slices.differentiate(words)["loss"].reshape(-1, 4)
    bound = BOUND * max(1, float(gradients["loss"]))
    directions = named(along[0], "dparams") | ({} if x is None else {"dx": along[1]})
    assert gradients.keys() == directions.keys() | {"y", "loss"}, f"gradients of {list(gradients)}"
    for (where, v), (two_down, down, up, two_up) in zip(directions.items(), losses, strict=True):
        slope = (8 * (up - down) - (two_up - two_down)) / (12 * STEP)
        got = (gradients[where].astype(np.longdouble) * v).sum()
        assert abs(gradients[where]).max() >= LEAST, f"{where}: below {LEAST}, which shows nothing"
        assert abs(got - slope) <= bound, (
            f"{where}: {got} along a direction, by differences {slope}: off by "
            f"{float(abs(got - slope)):.3g} where {bound:.3g} is allowed"
        )


def moved(arrays: Any, along: Any) -> Any:
    """Each array moved by −2, −1, 1 and 2 STEPs along its direction, four slices for each array."""
    count = 4 * len(named(arrays, ""))
    numbers = itertools.count()

    def stacked(array: Array, direction: Array) -> Array:
        made = np.stack([array.astype(np.longdouble)] * count)
        first = 4 * next(numbers)
        for k, steps in enumerate((-2, -1, 1, 2)):
            made[first + k] += steps * STEP * direction
        return made

    return each(stacked, arrays, along)


def assert_no_kink_is_crossed(slices: Problem, words: Array | None) -> None:
    """No relu is switched, and no other word is likeliest, from one slice to another."""
    network, params, data = slices
    for k, layer in enumerate(network):
        free = isinstance(layer, Decoder) and layer.words == "free"
        if "relu" not in (getattr(layer, "activation", ""), rnn_activation(layer)) and not free:
            continue
        y = run_network(network[: k + 1], params[: k + 1], data, words)
        if free:
            found = np.argmax(y, axis=-1)[..., :-1]
            assert (found == words[:, 1:]).all(), "a step changes the words; choose another seed"  # type: ignore[index]
            y = y if getattr(layer, "activation", "") == "relu" else np.ones(1)
        assert ((y > 0) == (y > 0)[0]).all(), (
            "a step crosses the kink of a relu; choose another seed"
        )


def rnn_activation(layer: Any) -> str:
    """Return the activation of a recurrent layer whose units are all in its output."""
    if not isinstance(layer, Recurrent) or layer.spec.activation == "tanh":
        return "tanh"
    assert layer.spec.num_layers == 1, "the output of the layers below is not seen"
    return "relu"


@pytest.mark.parametrize("name", SOME)
def test_output_is_that_of_run(name: str) -> None:
    """``differentiate``, ``run`` and the network without its loss have the same outputs, to the bit."""
    task = problem(name)
    got = task.differentiate()["y"]
    for network, params in [(task.network, task.params), (task.network[:-1], task.params[:-1])]:
        assert_bits("y", run_network(network, params, task.data), got, "one output was expected")


@pytest.mark.parametrize("name", SOME)
def test_leading_axes(name: str) -> None:
    """Parameters and numbers with a leading axis: each slice is a network of its own.

    The bits may differ: a matmul may sum in another order for another shape of stack.
    """
    task = problem(name)
    words = task.words()
    random = np.random.default_rng(2)
    other = task._replace(
        params=each(lambda a: a + random.uniform(-1, 1, a.shape) / 64, task.params)
    )
    parts = [part.differentiate(words) for part in (task, other)]
    both = task._replace(params=each(lambda *a: np.stack(a), task.params, other.params))
    if task.data.x.dtype.kind == "f":
        both = both._replace(data=task.data._replace(x=np.stack([task.data.x] * 2)))
    found = both.differentiate(words)
    assert found.keys() == parts[0].keys()
    for k, part in enumerate(parts):
        for what, expected in part.items():
            if named(task.params, "") or what == "dx":
                assert_near(f"slice {k} of {what}", found[what][k], expected, 2**-48)


def assert_near(what: str, got: Array, expected: Array, allowed: float) -> None:
    """Compare relative to the largest element, or to 1."""
    assert_same_shape(what, got, expected)
    off = float(abs(got - expected).max() / max(1, abs(expected).max()))
    assert off <= allowed, f"{what}: off by {off:.3g} of the largest element, {allowed:.3g} allowed"


@pytest.mark.parametrize(
    ("name", "dtype"), list(zip(SOME, itertools.cycle([np.float16, np.float32]), strict=False))
)
def test_dtype(name: str, dtype: type[np.floating[Any]]) -> None:
    """Results come in the type of the arguments, and near those of float64."""
    narrow = problem(name).map(lambda a: a.astype(dtype))
    wide = narrow.map(lambda a: a.astype(np.float64))
    words = wide.words()
    expected = wide.differentiate(words)
    for what, got in narrow.differentiate(words).items():
        assert got.dtype == dtype, f"{what}: {got.dtype} returned for {np.dtype(dtype)} arguments"
        eps = max(np.finfo(dtype).eps, np.finfo(np.float64).eps)
        assert_near(what, got.astype(np.float64), expected[what], float(32 * eps))


@pytest.mark.parametrize("name", SOME)
def test_nothing_that_is_given_changes(name: str) -> None:
    """Parameters and data stay as they are; a second call returns the same."""
    task = problem(name)
    for array in named((task.params, task.data), "").values():
        array.setflags(write=False)
    first, second = task.differentiate(), task.differentiate()
    for what, got in second.items():
        assert_bits(what, got, first[what], "the second call must return what the first did")


# What does not count.


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if example.lengths])
def test_the_input_past_a_length_does_not_count(name: str) -> None:
    """Whatever stands there, NaN too, all results are the same to the bit, and dx is 0 there."""
    task = problem(name)
    expected, x = task.differentiate(), task.data.x
    past = np.arange(STEPS) >= task.data.lengths[:, None]  # type: ignore[operator]
    contents = (0, 2.0**15, np.nan, np.inf) if x.dtype.kind == "f" else (0, VOCABULARY - 1)
    for content in contents:
        changed = x.copy()
        changed[past] = content
        for what, got in task._replace(data=task.data._replace(x=changed)).differentiate().items():
            assert_bits(
                what, got, expected[what], f"{content} past the lengths must change nothing"
            )
    if "dx" in expected:
        assert not expected["dx"][past].any(), "dx past the lengths must be 0"


@pytest.mark.parametrize("name", [n for n, e in EXAMPLES.items() if e.target_lengths])
def test_targets_past_a_length_do_not_count(name: str) -> None:
    """Whatever stands there, all results are the same to the bit.

    A decoder that is fed the targets reads them there too, as words, and loses nothing by what it
    returns for them; so it gets words, and its y may change.
    """
    task = problem(name)
    expected, targets = task.differentiate(), task.data.targets
    assert targets is not None
    past = np.arange(targets.shape[1]) >= task.data.target_lengths[:, None]  # type: ignore[operator]
    fed = any(isinstance(layer, Decoder) and layer.words == "teacher" for layer in task.network)
    classes, numbers = (0, 5) if fed else (0, -1, 10**6), (0.0, np.nan, np.inf, 2.0**15)
    for content in numbers if targets.dtype.kind == "f" else classes:
        changed = targets.copy()
        changed[past] = content
        found = task._replace(data=task.data._replace(targets=changed)).differentiate()
        for what, got in found.items():
            if what != "y" or not fed:
                assert_bits(what, got, expected[what], f"{content} past the target lengths")


@pytest.mark.parametrize("loss", [MeanSquaredError, NegativeLogLikelihood])
@pytest.mark.parametrize(("target_lengths", "count"), [(None, 15), ((5, 1, 3), 9), ((0, 2, 0), 2)])
def test_a_sum_is_the_count_times_the_mean(
    loss: type[Any], target_lengths: tuple[int, ...] | None, count: int
) -> None:
    """The mean is that of the valid targets, in the loss and in every gradient."""
    name = "loss/nll-mean/ragged" if loss is NegativeLogLikelihood else "loss/mse-mean/ragged"
    network, params, data = problem(name)
    ends = None if target_lengths is None else np.array(target_lengths)
    data = data._replace(target_lengths=ends)
    total, mean = (
        Problem((*network[:-1], loss(reduction=r)), params, data).differentiate()
        for r in ("sum", "mean")
    )
    for what in mean.keys() - {"y"}:
        assert_near(f"{what} of the sum", total[what], count * mean[what], 2**-48)


# Words.


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_hot_words_are_an_embedding_by_the_input_weights(variant: str, direction: str) -> None:
    """[OneHot, W_ih] is [table = W_ihᵀ, W_ih = the identity]: every sum has one term that is not 0.

    So the outputs are the same to the bit, and the table's gradient is that of W_ih, transposed. Two
    directions have two tables, side by side.
    """
    options = {**VARIANTS[variant], "hidden_size": HIDDEN, "direction": direction}
    direct = Recurrent(spec=Spec(input_size=VOCABULARY, **options))
    width = len(GATES[direct.spec.cell]) * HIDDEN
    through = Recurrent(spec=Spec(input_size=direct.spec.num_directions * width, **options))
    random = np.random.default_rng(3)
    shapes = (OneHot(vocabulary=VOCABULARY), direct, SOFTMAX, NLL)
    params = each(lambda a: random.uniform(-1, 1, a.shape), zeros(shapes))
    x = random.integers(0, VOCABULARY, (ROWS, STEPS))
    data = Data(x, np.array(WITH_0), random.integers(0, 4, (ROWS, STEPS)), np.array(WITH_0))
    one_hot = Problem(shapes, params, data).differentiate()

    layer: tuple[Weights, ...] = params[1][0]  # type: ignore[index,assignment]
    table = np.concatenate([w.W_ih for w in layer]).T
    blocks = np.split(np.eye(len(layer) * width), len(layer))
    same = tuple(w._replace(W_ih=block) for w, block in zip(layer, blocks, strict=True))
    embedded = Problem(
        (Embedding(vocabulary=VOCABULARY, size=table.shape[1]), through, SOFTMAX, NLL),
        (Table(table), (same,), *params[2:]),
        data,
    ).differentiate()
    got = embedded.pop("dparams[0].table")
    expected = np.concatenate([one_hot[f"dparams[1][0][{d}].W_ih"] for d in range(len(layer))])
    assert_near("the table's gradient, against that of W_ih,", got, expected.T, 2**-48)
    for what, value in embedded.items():
        if what in ("y", "loss"):
            assert_bits(
                what, value, one_hot[what], "one-hot words must give the same as their rows"
            )
        elif not what.endswith("W_ih"):
            assert_near(what, value, one_hot[what], 2**-48)


@pytest.mark.parametrize("name", [n for n in EXAMPLES if is_free(EXAMPLES[n].network)])
def test_free_running_is_teacher_forcing_on_its_own_words(name: str) -> None:
    """The words fed are 0, then those found likeliest; outputs and gradients are those of a teacher.

    A loss without words as targets has no teacher, and is left out of the comparison.
    """
    task = problem(name)
    words = task.words()
    assert words is not None
    assert words.any(), "nothing but word 0 is fed, which shows little"
    found = task.differentiate()
    k = next(k for k, layer in enumerate(task.network) if isinstance(layer, Decoder))
    outputs = run_network(task.network[: k + 1], task.params[: k + 1], task.data)
    expected = np.concatenate([0 * words[:, :1], np.argmax(outputs, axis=-1)[:, :-1]], axis=1)
    assert (words == expected).all(), f"the words fed are {words}, expected {expected}"
    for what, got in task.differentiate(words).items():
        assert_bits(what, got, found[what], "the words must be those that it feeds itself")
    if not isinstance(task.network[-1], NegativeLogLikelihood):
        return
    decoding = task.network[k]
    assert isinstance(decoding, Decoder)
    taught = (*task.network[:k], taught_version(decoding), *task.network[k + 1 :])
    targets = np.concatenate([words[:, 1:], np.argmax(outputs, axis=-1)[:, -1:]], axis=1)
    data = task.data._replace(targets=targets)
    free = task._replace(data=data).differentiate()
    for what, got in Problem(taught, task.params, data).differentiate().items():
        assert_bits(what, got, free[what], "a teacher with its own words must give the same")


def taught_version(layer: Decoder) -> Decoder:
    """The same decoder, fed the targets."""
    return Decoder(**{**vars(layer), "words": "teacher"})


def test_a_teacher_feeds_the_targets_before_it() -> None:
    """The last target changes no output, the others those of the steps after them."""
    task = problem("decoder/lstm/1-layer/both-teacher-tanh")
    y, targets = task.differentiate()["y"], task.data.targets
    assert targets is not None
    for step in range(4):
        changed = targets.copy()
        changed[:, step] = (changed[:, step] + 1) % 6
        other = task._replace(data=task.data._replace(targets=changed)).differentiate()["y"]
        differ = [bool((other[:, s] != y[:, s]).all(axis=-1).all()) for s in range(4)]
        assert differ == [s > step for s in range(4)], (
            f"target {step} changed: the outputs that differ are {differ}"
        )


def test_a_free_decoder_encodes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's own words come from the context computed once."""
    encoded = mock.Mock(wraps=vjp)
    checked = mock.Mock(wraps=check_arguments)
    monkeypatch.setattr("reference.networks.network.vjp", encoded)
    monkeypatch.setattr("reference.networks.network.check_arguments", checked)
    problem("decoder/of-encoder/both-free").differentiate()
    calls = encoded.call_count, checked.call_count
    assert calls == (1, 1), f"{calls[0]} runs of the encoder, {calls[1]} checks, expected 1 of each"


# Row 003 of the tutorials.


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_mini_batch_unrolled_by_hand(variant: str) -> None:
    """A loop over the cell gives the same, a static run and one with lengths the same bits."""
    spec = Spec(**VARIANTS[variant], input_size=3, hidden_size=5)
    x = np.array(MINI_BATCH)
    random = np.random.default_rng(4)
    w = Weights(*(random.uniform(-0.5, 0.5, shape) for shape in weight_shapes(spec, 0).values()))  # type: ignore[arg-type]
    params: Params = ((w,),)
    state = (np.zeros((4, 5)),) * (2 if spec.cell == "lstm" else 1)
    states = [
        state := CELL_STEP[spec.cell](spec, w, affine(x[:, t], w.W_ih, w.b_ih), state)[0]
        for t in range(2)
    ]
    static = run(spec, params, x)
    by_hand = {"y": np.stack([s[0] for s in states], axis=1), "h_n": states[1][0][None]}
    if static.c_n is not None:
        by_hand["c_n"] = states[1][1][None]
    for name, want in by_hand.items():  # a product of more rows may add up in another order
        got = named(static, "")[f".{name}"]
        assert np.abs(got - want).max() < 1e-15, f"{name}: the loop by hand must give the same"

    full = run(spec, params, x, lengths=np.array([2, 2, 2, 2]))
    for name, got in named(full, "").items():
        assert_bits(name, got, named(static, "")[name], "lengths of all steps must change nothing")
    short = run(spec, params, x, lengths=np.array([2, 1, 2, 2]))
    assert not short.y[1, 1].any(), "the output past the length must be 0"
    assert_bits("h_n of row 1", short.h_n[0, 1], static.y[1, 0], "its state after one step")
    rest = np.array([0, 2, 3])
    assert_bits("y of the others", short.y[rest], static.y[rest], "another row's length")
    assert (static.h_n[0, 1] != short.h_n[0, 1]).all(), "a step of zeros must change the state"


# In other arithmetics.


@pytest.mark.parametrize(
    ("name", "arithmetic"),
    [
        (name, arithmetic)
        for k, name in enumerate(NETWORKS)
        for j, arithmetic in enumerate(ARITHMETICS)
        if (k + j) % 3 == 0  # a third of the pairs, with every network and every arithmetic
    ],
)
def test_every_tensor_has_a_radius(name: str, arithmetic: str) -> None:
    """Finite, and above 0 for the loss and somewhere in every tensor."""
    network, options = NETWORKS[name]
    inputs = draw(NetworkCase(id=name, network=network, dtype="bfloat16", **options))  # type: ignore[arg-type]
    truth = evaluate(inputs, lambda a: a)
    found = radii(
        lambda lift: list(evaluate(inputs, lift).values()),
        list(truth.values()),
        ARITHMETICS[arithmetic],
        seed=[0],
        samples=3,
    )
    for (what, value), radius in zip(truth.items(), found, strict=True):
        assert radius.sigma.shape == value.shape, f"{what}: radii of shape {radius.sigma.shape}"
        assert np.isfinite(radius.sigma).all(), f"{what}: a radius is not finite"
        assert np.isfinite(radius.freedom), f"{what}: the freedom is not finite"
        assert radius.sigma.any(), f"{what}: every radius is 0"


def test_samples_are_no_leading_axes() -> None:
    """An exact array has one, a rounded one several, and a network takes both."""
    network, params, data = problem("dense/sequence/tanh/bias")
    lift = Rounding(ARITHMETICS["float32"], 3, [0]).array
    empty, first, *rest = each(lift, params)
    lifted = (empty, first._replace(W=first.W * 1.0), *rest)
    found = differentiate(network, lifted, data._replace(x=lift(data.x)))
    assert found.loss.shape == (3,), f"a loss of shape {found.loss.shape}, expected one a sample"


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_agrees_with_its_radius(name: str) -> None:
    """The specification in float32 is a correct implementation: it is judged as any backend is."""
    network, options = NETWORKS[name]
    inputs = draw(NetworkCase(id=name, network=network, dtype="float32", **options))  # type: ignore[arg-type]
    assert isinstance(inputs, NetworkInputs)
    truth = evaluate(inputs, lambda a: a)
    found = radii(
        lambda lift: list(evaluate(inputs, lift).values()),
        list(truth.values()),
        ARITHMETICS["float32"],
        seed=[0],
        samples=16,
    )
    narrow = Problem(network, inputs.params, inputs.data).map(lambda a: a.astype(np.float32))
    words = free_words(network, inputs.params, inputs.data)
    got = narrow.differentiate(words)
    verdict = judge(
        {what: value.astype(np.float64) for what, value in got.items()},
        {what: str(value.dtype) for what, value in got.items()},
        "float32",
        {what: Expected(v, r) for (what, v), r in zip(truth.items(), found, strict=True)},
        ARITHMETICS["float32"],
    )
    assert verdict.outcome == "agrees", f"{verdict.outcome}: {verdict.reason}; {verdict.worst}"

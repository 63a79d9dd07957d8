"""Every bad network, parameter and batch is refused with a ``ValueError`` that says what and where.

Each row of the tables is something bad and the message that it must get: the place, what was given and
what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from reference import Spec
from reference.networks.layers import (
    Affine,
    Data,
    Decoder,
    Dense,
    FinalState,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    OneHot,
    Readout,
    Recurrent,
    Vector,
    Vectors,
)
from reference.networks.network import differentiate, free_words, run
from reference.networks.shapes import zeros
from reference.trees import each, named
from tests.reference.test_arguments import (
    NOT_AN_ARRAY,
    NOT_FINITE,
    NOT_FLOATS,
    as_type,
    doubled,
    holding,
    masked,
    of,
)
from tests.reference.test_networks import (
    EXAMPLES,
    LAST,
    MSE,
    NLL,
    NUMBERS,
    SOFTMAX,
    WORDS,
    Problem,
    problem,
    rnn,
)

SIZES: list[Any] = [0, -1, True, np.True_, 3.0, "3", None, (3,), [3], np.int64(3), np.array(3)]
SIZES += [np.array([3, 4]), float("nan")]
"""None of them is an int of at least 1."""

WORDS_BY = Decoder(spec=rnn("lstm", 6).spec, steps=4, units=6, context="both", words="teacher",
                   word_size=2, bridge="tanh", activation="softmax")  # fmt: skip
"""A decoder that reads a context of four numbers."""
CONTEXT = Vector(size=4)


def after(*layers: Any) -> Network:
    """Layers that follow numbers and a recurrent network of three units."""
    return (NUMBERS, rnn(), *layers)


def decoding(**changes: Any) -> Network:
    """The decoder with a change, after its context."""
    return (CONTEXT, replace(WORDS_BY, **changes), NLL)


def sized(spec: Spec, **changes: Any) -> Spec:
    return replace(spec, **changes)


def given(value: Any) -> str:
    """Return the value as a message shows it."""
    return re.escape(repr(value))


class MyDense(Dense):
    """A layer of which the specification knows nothing."""


class MyVectors(Vectors):
    """A class derived from Vectors, which is refused too."""


NOT_NETWORKS: list[Any] = [None, (), [], [NUMBERS, MSE], NUMBERS, "network", {0: NUMBERS}, iter(())]
NOT_LAYERS: list[tuple[Any, str]] = [
    (Vectors, "type"),
    (None, "NoneType"),
    ("Vectors", "str"),
    (2, "int"),
    (rnn().spec, "Spec"),
    ((NUMBERS,), "tuple"),
    (Affine(np.ones((2, 2)), None), "Affine"),
    (MyDense(units=4), "MyDense"),
    (MyVectors(size=2), "MyVectors"),
]
CHOICE_FIELDS: dict[str, Callable[[Any], Network]] = {
    "network[2].activation": lambda v: after(Readout(units=4, activation=v)),
    "network[1].activation": lambda v: (NUMBERS, Dense(units=4, activation=v)),
    "network[1].context": lambda v: decoding(context=v),
    "network[1].words": lambda v: decoding(words=v),
    "network[1].bridge": lambda v: decoding(bridge=v),
    "network[2].reduction": lambda v: (NUMBERS, SOFTMAX, NegativeLogLikelihood(reduction=v)),
    "network[1].reduction": lambda v: (NUMBERS, MeanSquaredError(reduction=v)),
}
NOT_CHOICES: list[Any] = [
    "Tanh",
    "sigmoid",
    "",
    None,
    True,
    0,
    np.tanh,
    ["tanh"],
    {"tanh"},
    ("mean",),
    np.array(["tanh", "mean"]),
]
SOME_CHOICES, SOME_SIZES = (
    [NOT_CHOICES[k] for k in (0, 3, -1)],
    [*SIZES[:4], None, np.array([3, 4])],
)
"""For all fields but the first, which are checked by the same lines."""
SIZE_FIELDS: dict[str, Callable[[Any], Network]] = {
    "network[0].size": lambda v: (Vectors(size=v), MSE),
    "network[0].size (of a vector)": lambda v: (Vector(size=v), MSE),
    "network[0].vocabulary": lambda v: (OneHot(vocabulary=v), rnn()),
    "network[0].vocabulary (of an embedding)": lambda v: (replace(WORDS, vocabulary=v), rnn()),
    "network[0].size (of an embedding)": lambda v: (replace(WORDS, size=v), rnn()),
    "network[2].units": lambda v: after(Readout(units=v)),
    "network[1].units": lambda v: (NUMBERS, Dense(units=v)),
    "network[1].units (of a decoder)": lambda v: decoding(units=v),
    "network[1].steps": lambda v: decoding(steps=v),
}
NOT_STEPS: list[Any] = [
    *("first", "", None, 3, -1, [0, 3], {0, 3}, {"every"}, range(2), (), (0, 0), (1, 0, 1)),
    *((-1,), (0, -3), (0.0,), (True,), ("0",), (None,), ((0,),), (np.int64(1),), ("every",)),
    *(np.array([0, 3]), np.array("every"), np.array(["every"])),
]
NOT_SPECS: list[Any] = [None, {}, "gru", Spec, rnn()]
NOT_BIASES: list[Any] = [1, 0, None, "no", np.False_, np.array([1, 2])]
NOT_WORD_SIZES: list[Any] = [-1, True, None, "2", [2], 2.0, np.int64(2), np.array([1, 2])]
OTHER_STEPS: dict[str, Network] = {
    "Readout": after(Readout(units=2, at=(0, 3))),
    "Decoder": decoding()[:2],
}
"""Networks whose steps are not those of the input, by the layer that makes them."""

BAD_NETWORKS: list[tuple[Any, str]] = [
    *((bad, r"^network: .* given, expected a tuple of layers$") for bad in NOT_NETWORKS),
    *(((bad, MSE), rf"^network\[0\]: {kind} given, expected a layer") for bad, kind in NOT_LAYERS),
    *((after(bad, MSE), rf"^network\[2\]: {kind} given, expected a layer") for bad, kind in NOT_LAYERS),
    # choices and sizes
    *(
        (network(bad), rf"^{re.escape(where)}: {given(bad)} given, expected one of \('")
        for k, (where, network) in enumerate(CHOICE_FIELDS.items())
        for bad in (NOT_CHOICES if k == 0 else SOME_CHOICES)
    ),
    *(
        (network(bad), rf"^{re.escape(where.split()[0])}: {given(bad)} given, expected a Python int of at le")
        for k, (where, network) in enumerate(SIZE_FIELDS.items())
        for bad in (SIZES if k == 0 else SOME_SIZES)
    ),
    *(
        (after(Readout(units=4, at=bad)), rf"^network\[2\]\.at: {given(bad)} given, expected 'every', 'last' or a tuple of different Python ints from 0$")
        for bad in NOT_STEPS
    ),
    *(
        (network(bad), rf"^network\[1\]\.spec: {given(bad)} given, expected a Spec$")
        for network in (lambda v: (NUMBERS, Recurrent(spec=v)), lambda v: decoding(spec=v))
        for bad in NOT_SPECS
    ),
    *(
        ((NUMBERS, Dense(units=4, bias=bad)), rf"^network\[1\]\.bias: {given(bad)} given, expected True or False$")
        for bad in NOT_BIASES
    ),
    *(
        (decoding(word_size=bad), rf"^network\[1\]\.word_size: {given(bad)} given, expected a Python int, 0 where no word is fed$")
        for bad in NOT_WORD_SIZES
    ),
    (
        decoding(word_size=-1, spec=sized(WORDS_BY.spec, input_size=3)),
        r"^network\[1\]\.word_size: -1 given, expected a Python int, 0 where no word is fed$",
    ),
    # the order of layers
    *(
        ((layer,), rf"^network\[0\]: {re.escape(str(layer))} given, expected an input layer first$")
        for layer in (rnn(), FinalState(), LAST, Dense(units=4), WORDS_BY, NLL, MSE)
    ),
    *(
        (after(layer), r"^network\[2\]: .* given, expected input layers in the first place only$")
        for layer in (NUMBERS, CONTEXT, OneHot(vocabulary=3), WORDS)
    ),
    ((NUMBERS, NUMBERS), r"^network\[1\]: Vectors\(size=2\) given, expected input layers in the first"),
    (after(MSE, Dense(units=4)), r"^network\[2\]: Mean.* given, expected a loss in the last place only$"),
    (after(SOFTMAX, NLL, NLL), r"^network\[3\]: Neg.* given, expected a loss in the last place only$"),
    (after(MSE, MSE), r"^network\[2\]: MeanSquared.* given, expected a loss in the last place only$"),
    # what a layer reads
    ((Vector(size=2), rnn()), r"^network\[1\]: Recurrent reads a sequence, but Vector\(size=2\) passes on a vector$"),
    (after(FinalState(), rnn(width=3)), r"^network\[3\]: Recurrent reads a sequence, but FinalState\(\) passes on a v"),
    (after(LAST, rnn(width=4)), r"^network\[3\]: Recurrent reads a sequence, but Readout\(.*'last'.* on a vector$"),
    ((CONTEXT, LAST), r"^network\[1\]: Readout reads a sequence, but Vector\(size=4\) passes on a vector$"),
    (after(LAST, LAST), r"^network\[3\]: Readout reads a sequence, but Readout\(.* passes on a vector$"),
    (after(LAST, Dense(units=4), LAST), r"^network\[4\]: Readout reads a sequence, but Dense\(.* on a vector$"),
    ((Vectors(size=4), WORDS_BY), r"^network\[1\]: Decoder reads a vector, but Vectors\(size=4\) passes on a sequence$"),
    (after(WORDS_BY), r"^network\[2\]: Decoder reads a vector, but Recurrent\(.*\) passes on a sequence$"),
    ((NUMBERS, FinalState()), r"^network\[1\]: FinalState reads a Recurrent, but Vectors\(size=2\) is before it$"),
    ((CONTEXT, FinalState()), r"^network\[1\]: FinalState reads a Recurrent, but Vector\(size=4\) is before it$"),
    (after(Dense(units=3), FinalState()), r"^network\[3\]: FinalState reads a Recurrent, but Dense\(.*before it$"),
    (after(FinalState(), FinalState()), r"^network\[3\]: FinalState reads a Recurrent, but FinalState\(\) is"),
    ((*decoding()[:2], FinalState()), r"^network\[2\]: FinalState reads a Recurrent, but Decoder\(.*before it$"),
    *(
        ((*before, NLL), rf"^network\[{len(before)}\]: a likelihood reads a softmax, but .* is before it$")
        for before in [
            *((NUMBERS,), after(), after(FinalState()), after(LAST), (NUMBERS, Dense(units=4))),
            *(after(Readout(units=4, activation=g)) for g in ("tanh", "relu")),
            *(decoding(activation=g)[:2] for g in ("identity", "tanh", "relu")),
            after(SOFTMAX, Dense(units=4)),
        ]
    ),
    # steps that are not those of the input
    *(
        (
            (*before, layer, *then),
            rf"^network\[{len(before)}\]: {type(layer).__name__} given after {kind}\(.*, whose steps are not those of the input",
        )
        for kind, before in OTHER_STEPS.items()
        for layer, then in [
            (rnn(width=2 if kind == "Readout" else 6), ()),
            (rnn(width=2 if kind == "Readout" else 6), (FinalState(), replace(WORDS_BY, spec=sized(WORDS_BY.spec, input_size=5)))),
            (LAST, (MSE,)),
            (Readout(units=2, at=(3,)), ()),
        ]
    ),
    ((*OTHER_STEPS["Decoder"], Dense(units=3), LAST), r"^network\[3\]: Readout given after Decoder\("),
    ((*OTHER_STEPS["Readout"], WORDS_BY), r"^network\[3\]: Decoder reads a vector, but Readout\(.* on a sequence$"),
    ((*OTHER_STEPS["Decoder"], WORDS_BY), r"^network\[2\]: Decoder reads a vector, but Decoder\(.* on a sequence$"),
    # widths
    ((NUMBERS, rnn(width=3)), r"^network\[1\]\.spec\.input_size: 3 given, but Vectors\(size=2\) passes on 2 num"),
    ((OneHot(vocabulary=7), rnn()), r"^network\[1\]\.spec\.input_size: 2 given, but OneHot\(.*\) passes on 7 num"),
    ((WORDS, rnn(width=7)), r"^network\[1\]\.spec\.input_size: 7 given, but Embedding\(.*\) passes on 2 numbers"),
    (after(rnn()), r"^network\[2\]\.spec\.input_size: 2 given, but Recurrent\(.*\) passes on 3 numbers a step$"),
    (after(SOFTMAX, rnn()), r"^network\[3\]\.spec\.input_size: 2 given, but Readout\(.*\) passes on 4 numbers"),
    (
        (NUMBERS, rnn(direction="bidirectional"), rnn(width=3)),
        r"^network\[2\]\.spec\.input_size: 3 given, but Recurrent\(.*\) passes on 6 numbers a step$",
    ),
    # specs
    ((NUMBERS, rnn(batch_first=False)), r"^network\[1\]\.spec: Spec\(.*\) given, expected batch_first=True in a network$"),
    (
        decoding(spec=sized(WORDS_BY.spec, batch_first=False)),
        r"^network\[1\]\.spec: Spec\(.*\) given, expected batch_first=True in a network$",
    ),
    *(
        (decoding(spec=sized(WORDS_BY.spec, direction=d)), rf"^network\[1\]\.spec\.direction: '{d}' given, expected 'forward'$")
        for d in ("reverse", "bidirectional")
    ),
    # decoders
    (decoding(words="none"), r"^network\[1\]\.word_size: 2 given for words='none', expected 0 where no word is fed"),
    *(
        (decoding(words=w, word_size=0), rf"^network\[1\]\.word_size: 0 given for words='{w}', .* at least 1 where one is$")
        for w in ("teacher", "free")
    ),
    (
        decoding(words="none", word_size=0, context="state"),
        r"^network\[1\]: context='state' and words='none' given: no step would read anything; feed words",
    ),
    *(
        (decoding(**change), rf"^network\[1\]\.spec\.input_size: 6 given, but a step reads {n} numbers: the word's {m} and")
        for change, n, m in [
            ({"word_size": 3}, 7, 3),
            ({"context": "state"}, 2, 2),
            ({"words": "none", "word_size": 0}, 4, 0),
        ]
    ),
    (
        (Vector(size=3), WORDS_BY),
        r"^network\[1\]\.spec\.input_size: 6 given, but a step reads 5 numbers: .* the context's 3$",
    ),
    *(
        (decoding(context="input", bridge=b), rf"^network\[1\]\.bridge: '{b}' given, but the context makes no state; expected 'none'$")
        for b in ("identity", "tanh")
    ),
    (
        decoding(bridge="none"),
        r"^network\[1\]\.bridge: 'none' given, but a context of 4 numbers is no state of 3; expected 'identity' or 'tanh'$",
    ),
    (
        decoding(bridge="none", context="state", spec=sized(WORDS_BY.spec, input_size=2)),
        r"^network\[1\]\.bridge: 'none' given, but a context of 4 numbers is no state of 3; expected",
    ),
]  # fmt: skip


def names(table: list[Any]) -> list[str]:
    """Return each row's message as its name; pytest numbers the repetitions."""
    return [re.sub(r"[\\^]", "", row[-1].partition(":")[0]) for row in table]


@pytest.mark.parametrize(("network", "message"), BAD_NETWORKS, ids=names(BAD_NETWORKS))
def test_a_bad_network_is_refused(network: Any, message: str) -> None:
    """Before its parameters and data, whatever those are."""
    for call in (run, differentiate, free_words):
        with pytest.raises(ValueError, match=message):
            call(network, None, None)  # type: ignore[arg-type]


GOOD = {
    "numbers": "recurrent/dense-between",
    "sequence": "loss/mse-mean/ragged",
    "classes": "loss/nll-mean/ragged",
    "some": "loss/nll/some",
    "last": "readout/last/identity",
    "dense-first": "recurrent/after-softmax",
    "vector": "dense/vector/tanh/bias",
    "no-bias": "dense/sequence/tanh/no-bias",
    "one-hot": "input/one-hot",
    "loss-alone": "input/vectors/loss-alone",
    "taught": "decoder/lstm/1-layer/both-teacher-tanh",
    "free": "decoder/lstm/1-layer/both-free-tanh",
    "unbridged": "decoder/gru-after/2-layer/state-teacher-none",
    "wordless": "decoder/lstm/1-layer/both-none-none",
    "encoded": "decoder/of-encoder/both-teacher",
}
"""The examples that the tables below change."""


class Row(NamedTuple):
    """A good example, what is changed of it, and the message."""

    good: str
    change: Callable[[Problem], Problem]
    message: str


def to_params(change: Callable[[Any], Any]) -> Callable[[Problem], Problem]:
    return lambda p: p._replace(params=change(p.params))


def to_layer(number: int, change: Callable[[Any], Any]) -> Callable[[Problem], Problem]:
    """Change the parameters of one layer."""
    return to_params(lambda p: (*p[:number], change(p[number]), *p[number + 1 :]))


def to_field(number: int, field: str, change: Callable[[Any], Any]) -> Callable[[Problem], Problem]:
    """Change one field of them."""
    return to_layer(number, lambda p: p._replace(**{field: change(getattr(p, field))}))


def to_data(field: str, change: Callable[[Any], Any]) -> Callable[[Problem], Problem]:
    """Change one field of the data."""
    return lambda p: p._replace(data=p.data._replace(**{field: change(getattr(p.data, field))}))


ONE_TYPE = [
    (as_type(np.float32), "dtype float32 given, "),
    (as_type(np.float16), "dtype float16 given, "),
]
NO_ARRAY = [
    (change, message) for change, message in NOT_AN_ARRAY if not message.startswith("tuple")
]
"""A tuple is a tuple of parameters."""
BAD_ARRAYS = [*NO_ARRAY, *NOT_FLOATS, *ONE_TYPE, *NOT_FINITE]
PARTS = [("numbers", 0, "table"), ("numbers", 2, "W"), ("numbers", 4, "b"), ("encoded", 3, "table")]
"""An array of every kind that is directly in a layer's parameters. The first row is the first array of its
network, whose dtype all others must have."""

BAD_PARAMETERS: list[Row] = [
    *(
        Row("numbers", to_params(change), r"^params: .*expected a tuple with one entry for each of 6 layers$")
        for change in (of(None), of(()), list, lambda p: p[:-1], lambda p: (*p, ()), lambda p: p[1], iter,
                       lambda p: dict(enumerate(p)), lambda p: p[0].table)
    ),
    *(
        Row(good, to_field(k, field, change), rf"^params\[{k}\]\.{field}: {message}")
        for good, k, field in PARTS[1:]
        for change, message in BAD_ARRAYS
    ),
    *(
        Row("numbers", to_field(0, "table", change), rf"^params\[0\]\.table: {message}")
        for change, message in [*NO_ARRAY, *NOT_FLOATS, *NOT_FINITE]
    ),
    *(
        Row(good, to_field(k, field, lambda a: (a, a)), rf"^params\[{k}\]\.{field}: not given, expected shape \(")
        for good, k, field in PARTS
    ),
    Row("numbers", to_field(0, "table", as_type(np.float32)),
        r"^params\[1\]\[0\]\[0\]\.W_ih: dtype float64 given, .* float32"),
    *(
        Row(good, to_field(k, field, of(None)), rf"^params\[{k}\]\.{field}: not given, expected shape \(")
        for good, k, field in PARTS
    ),
    *(
        Row(good, to_field(k, field, lambda a: a[:-1]), rf"^params\[{k}\]\.{field}: shape .* given, expected .* \(")
        for good, k, field in PARTS
    ),
    Row("numbers", to_field(0, "table", lambda a: a.T), r"^params\[0\]\.table: shape \(2, 7\) given, expected .*\(7, 2\)$"),
    Row("numbers", to_field(2, "W", lambda a: a.T), r"^params\[2\]\.W: shape \(3, 5\) given, expected .*\(5, 3\)$"),
    Row("numbers", to_field(2, "W", lambda a: a[0]), r"^params\[2\]\.W: shape \(3,\) given, expected .*\(5, 3\)$"),
    Row("numbers", to_field(2, "b", lambda a: a[:, None]), r"^params\[2\]\.b: shape \(5, 1\) given, expected .*\(5,\)$"),
    Row("numbers", to_field(2, "b", lambda a: a[0, ...]), r"^params\[2\]\.b: .* given, expected"),
    # layers
    *(
        Row("numbers", to_layer(k, change), rf"^params\[{k}\]\.{first}: not given, expected shape")
        for k, first in [(0, "table"), (2, "W")]
        for change in (of(None), of(()), tuple, list, lambda p: p._asdict(), lambda p: p[0])
    ),
    *(
        Row("numbers", to_layer(k, change), rf"^params\[{k}\]\S*: (not )?given, (expected|but)")
        for k in (1, 3)
        for change in (of(None), of(()), list, lambda p: p[0], lambda p: (*p, *p), lambda p: (tuple(p[0][0]),),
                       lambda p: p[0][0].W_ih, lambda p: ((p[0][0]._replace(W_hh=None),),))
    ),
    Row("numbers", to_layer(1, lambda p: (p[0], p[0])), r"^params\[1\]\[1\]\[0\]\.W_ih: given, but the network has no such par"),
    Row("numbers", lambda p: p._replace(params=(p.params[0], p.params[3], *p.params[2:])),
        r"^params\[1\]\[0\]\[0\]\.W_ih: shape \(9, 5\) given, expected .*\(12, 2\)$"),
    *(
        Row("numbers", to_layer(5, of(extra)), r"^params\[5\]\S*: given, but the network has no such parameter$")
        for extra in (np.ones(3), Affine(np.ones((4, 3)), None), [], {}, 0.0)
    ),
    Row("no-bias", to_field(1, "b", of(np.ones(4))), r"^params\[1\]\.b: given, but the network has no such parameter$"),
    Row("vector", to_layer(0, of(np.ones(3))), r"^params\[0\]: given, but the network has no such parameter$"),
    # decoders
    Row("taught", to_field(1, "bridge", of(())), r"^params\[1\]\.bridge\[0\]\[0\]\.W: not given, expected shape \(3, 4\)$"),
    Row("taught", to_field(1, "bridge", lambda b: (b[0][:1],)), r"^params\[1\]\.bridge\[0\]\[1\]\.W: not given, expected shape"),
    Row("taught", to_field(1, "bridge", lambda b: (*b, *b)), r"^params\[1\]\.bridge\[1\]\[0\]\.W: given, but the network has no"),
    Row("taught", to_field(1, "bridge", lambda b: b[0]), r"^params\[1\]\.bridge\[0\]\[0\]\.W: not given, expected shape"),
    Row("taught", to_field(1, "bridge", lambda b: ((b[0][0]._replace(b=None), b[0][1]),)), r"^params\[1\]\.bridge\[0\]\[0\]\.b: not"),
    Row("taught", to_field(1, "output", lambda a: a._replace(W=a.W.T)), r"^params\[1\]\.output\.W: shape \(3, 6\) given, expected"),
    Row("taught", to_field(1, "output", lambda a: a._replace(b=None)), r"^params\[1\]\.output\.b: not given, expected shape \(6,\)$"),
    Row("taught", to_field(1, "rnn", of(())), r"^params\[1\]\.rnn\[0\]\[0\]\.W_ih: not given, expected shape \(12, 6\)$"),
    Row("unbridged", to_field(1, "bridge", of(((Affine(np.ones((3, 3)), np.ones(3)),),))),
        r"^params\[1\]\.bridge\[0\]\[0\]\.W: given, but the network has no such parameter$"),
    Row("wordless", to_field(1, "table", of(np.ones((6, 2)))), r"^params\[1\]\.table: given, but the network has no such"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "change", "message"), BAD_PARAMETERS, ids=names(BAD_PARAMETERS))
def test_bad_parameters_are_refused(good: str, change: Any, message: str) -> None:
    """Before the data, whatever those are."""
    task = change(problem(GOOD[good]))
    for call in (run, differentiate, free_words):
        for data in (task.data, None):
            with pytest.raises(ValueError, match=message):
                call(task.network, task.params, data)  # type: ignore[arg-type]


NOT_INTEGERS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda a: a.tolist(), "list given, expected an array of integers$"),
    (of(1), "int given, expected an array of integers$"),
    (of(np.int64(1)), "int64 given, expected an array of integers$"),
    (of("a word"), "str given, expected an array of integers$"),
    (masked, "MaskedArray given, expected an array of integers$"),
    (as_type(np.float64), "dtype float64 given, expected an array of integers$"),
    (as_type(np.bool_), "dtype bool given, expected an array of integers$"),
    (as_type(np.object_), "dtype object given, expected an array of integers$"),
    (as_type(np.str_), r"dtype <U\d+ given, expected an array of integers$"),
    (as_type(np.complex128), "dtype complex128 given, expected an array of integers$"),
    (as_type("m8[s]"), r"dtype timedelta64\[s\] given, expected an array of integers$"),
]


def past_the_end(classes: int) -> list[tuple[Callable[[Any], Any], str]]:
    """Words and classes that are none."""
    return [
        (
            holding(number, 0, 0),
            rf"{number} given, expected 0 … {classes - 1} \(a vocabulary of {classes}\)$",
        )
        for number in (-1, classes, 10**6)
    ]


LENGTHS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda n: n.tolist(), "list given, expected a plain NumPy array$"),
    (of(3), "int given, expected a plain NumPy array$"),
    (masked, "MaskedArray given, expected a plain NumPy array$"),
    (as_type(np.float64), "dtype float64 given, expected integers$"),
    (as_type(np.bool_), "dtype bool given, expected integers$"),
    (holding(-1, 1), "-1 at row 1 given, expected 0 … T = 5$"),
    (holding(6, 2), "6 at row 2 given, expected 0 … T = 5$"),
    (lambda n: n[:2], r"shape \(2,\) given, expected \(B,\) = \(3,\)$"),
    (lambda n: n[:, None], r"shape \(3, 1\) given, expected \(B,\) = \(3,\)$"),
    (doubled, r"shape \(2, 3\) given, expected \(B,\) = \(3,\)$"),
]

BAD_DATA: list[Row] = [
    *(
        Row("sequence", lambda p, v=value: p._replace(data=v(p.data)), rf"^data: {kind} given, expected Data$")
        for value, kind in [(of(None), "NoneType"), (tuple, "tuple"), (Data._asdict, "dict"), (lambda d: d.x, "ndarray"),
                            (of(Data), "type")]
    ),
    # words
    *(Row(good, to_data("x", c), f"^x: {m}") for good, k in [("classes", 1), ("one-hot", 4)] for c, m in [*NOT_INTEGERS[::k], *past_the_end(7)]),
    Row("classes", to_data("x", of(None)), r"^x: NoneType given, expected an array of integers$"),
    *(
        Row("classes", to_data("x", change), rf"^x: shape {shape} given, expected words \(B, T\), both at least 1$")
        for change, shape in [(lambda x: x[0], r"\(5,\)"), (lambda x: x[..., None], r"\(3, 5, 1\)"), (doubled, r"\(2, 3, 5\)"),
                              (lambda x: x[:0], r"\(0, 5\)"), (lambda x: x[:, :0], r"\(3, 0\)"), (of(np.array(1)), r"\(\)")]
    ),
    # numbers
    Row("loss-alone", to_data("x", holding(np.nan, 0, 4, 1)), r"^x: nan at \(0, 4, 1\) given, inside the row's length; expected finite"),
    *(Row(good, to_data("x", c), f"^x: {m}") for good in ("last", "vector") for c, m in [*NOT_AN_ARRAY, *NOT_FLOATS]),
    *(Row(good, to_data("x", c), rf"^x: {m}expected that of params, float64$") for good in ("last", "vector") for c, m in ONE_TYPE),
    *(Row("vector", to_data("x", c), f"^x: {m}$") for c, m in NOT_FINITE),
    *(
        Row("last", to_data("x", change), rf"^x: shape {shape} given, expected \(\.\.\., B, T, N\) with N = 2, no axis of 0$")
        for change, shape in [(lambda x: x[0], r"\(5, 2\)"), (lambda x: x[..., :1], r"\(3, 5, 1\)"), (lambda x: x[:0], r"\(0, 5, 2\)"),
                              (lambda x: x[:, :0], r"\(3, 0, 2\)"), (lambda x: x[..., None], r"\(3, 5, 2, 1\)"),
                              (lambda x: doubled(x)[:0], r"\(0, 3, 5, 2\)")]
    ),
    *(
        Row("vector", to_data("x", change), rf"^x: shape {shape} given, expected \(\.\.\., B, N\) with N = 2, no axis of 0$")
        for change, shape in [(lambda x: x[0], r"\(2,\)"), (lambda x: x[:, :1], r"\(3, 1\)"), (lambda x: x[:0], r"\(0, 2\)")]
    ),
    # lengths
    *(Row("last", to_data("lengths", c), f"^lengths: {m}") for c, m in LENGTHS),
    *(Row("encoded", to_data("lengths", c), f"^lengths: {m}") for c, m in LENGTHS[::4]),
    Row("last", to_data("lengths", holding(0, 2)), r"^lengths: 0 at row 2 given, but the readout needs a last valid step$"),
    *(Row(good, to_data("lengths", of(np.ones(3, int))), rf"^lengths: given, but {reader} reads the input, expected a Recurrent; leave")
      for good, reader in [("vector", r"Dense\(.*\)"), ("taught", r"Decoder\(.*\)"), ("wordless", r"Decoder\(.*\)"),
                           ("dense-first", r"Dense\(.*\)"), ("no-bias", r"Dense\(.*\)"), ("loss-alone", r"MeanSquaredError\(.*\)")]),
    Row("loss-alone", lambda p: Problem(p.network[:1], p.params[:1], p.data._replace(lengths=np.full(3, 5))),
        r"^lengths: given, but no layer reads the input, expected a Recurrent; leave them out$"),
    # steps that are read
    *(
        Row("some", lambda p, at=at: p._replace(network=(*p.network[:2], Readout(units=4, at=at, activation="softmax"), NLL)),
            rf"^network\[2\]\.at: {re.escape(str(at))} given, expected steps below T = 5$")
        for at in ((5,), (0, 7), (4, 5))
    ),
    # targets
    *(Row("sequence", to_data("targets", as_type(dtype)), rf"^targets: dtype {dtype} given, expected that of all other numbers, float64$")
      for dtype in ("float16", "float32")),
    Row("sequence", lambda p: to_data("targets", as_type(np.float64))(p.map(as_type(np.float32))),
        r"^targets: dtype float64 given, expected that of all other numbers, float32$"),
    *(Row("sequence", to_data("targets", holding(value, 2, 2, 3)), r"^targets: NaN or infinity given, expected finite numbers where")
      for value in (np.nan, np.inf, -np.inf)),
    Row("sequence", to_data("targets", of(None)), r"^targets: None given, expected numbers of shape \(3, 5, 4\)$"),
    Row("classes", to_data("targets", of(None)), r"^targets: None given, expected classes of shape \(3, 5\)$"),
    Row("taught", to_data("targets", of(None)), r"^targets: None given, expected classes of shape \(3, 4\)$"),
    *(Row("sequence", to_data("targets", c), f"^targets: {m}") for c, m in [*NOT_AN_ARRAY[:5], *NOT_AN_ARRAY[6:], *NOT_FLOATS]),
    *(Row(good, to_data("targets", c), f"^targets: {m}") for good in ("classes", "taught", "free") for c, m in NOT_INTEGERS[::5]),
    *(Row("classes", to_data("targets", c), f"^targets: {m}") for c, m in past_the_end(4)),
    *(Row(good, to_data("targets", c), f"^targets: {m}") for good in ("taught", "free") for c, m in past_the_end(6)),
    Row("taught", to_data("targets", holding(6, 1, 3)), r"^targets: 6 given, expected 0 … 5"),
    *(
        Row("sequence", to_data("targets", change), rf"^targets: shape {shape} given, expected \(3, 5, 4\)$")
        for change, shape in [(lambda t: t[:2], r"\(2, 5, 4\)"), (lambda t: t[:, :1], r"\(3, 1, 4\)"), (lambda t: t[..., 0], r"\(3, 5\)"),
                              (lambda t: t[..., :1], r"\(3, 5, 1\)"), (doubled, r"\(2, 3, 5, 4\)"), (lambda t: t.swapaxes(0, 1), r"\(5, 3, 4\)")]
    ),
    *(
        Row("classes", to_data("targets", change), rf"^targets: shape {shape} given, expected \(3, 5\)$")
        for change, shape in [(lambda t: t[:2], r"\(2, 5\)"), (lambda t: t[:, :4], r"\(3, 4\)"), (lambda t: t[..., None], r"\(3, 5, 1\)"),
                              (lambda t: t[0], r"\(5,\)"), (lambda t: t.T, r"\(5, 3\)"), (lambda t: np.eye(4)[t].astype(int), r"\(3, 5, 4\)")]
    ),
    Row("some", to_data("targets", lambda t: np.zeros((3, 5), int)), r"^targets: shape \(3, 5\) given, expected \(3, 2\)$"),
    Row("last", to_data("targets", lambda t: t[:, None]), r"^targets: shape \(3, 1, 4\) given, expected \(3, 4\)$"),
    Row("taught", to_data("targets", lambda t: t[:, :3]), r"^targets: shape \(3, 3\) given, expected \(3, 4\)$"),
    Row("encoded", to_data("targets", lambda t: np.zeros((3, 5), int)), r"^targets: shape \(3, 5\) given, expected \(3, 4\)$"),
    Row("loss-alone", to_data("targets", lambda t: t[..., :1]), r"^targets: shape \(3, 5, 1\) given, expected \(3, 5, 2\)$"),
    # target lengths
    *(Row("sequence", to_data("target_lengths", c), f"^target_lengths: {m}") for c, m in LENGTHS),
    Row("taught", to_data("target_lengths", holding(5, 0)), r"^target_lengths: 5 at row 0 given, expected 0 … T = 4$"),
    *(
        Row(good, to_data("target_lengths", of(np.zeros(3, int))),
            r"^target_lengths: all 0 given, expected at least one valid target$")
        for good in ("sequence", "classes", "some", "taught", "free")
    ),
    *(
        Row(good, to_data("target_lengths", of(np.ones(3, int))), r"^target_lengths: given, but the output is one vector; leave them")
        for good in ("last", "vector")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("good", "change", "message"), BAD_DATA, ids=names(BAD_DATA))
def test_bad_data_are_refused(good: str, change: Any, message: str) -> None:
    """Every function that takes data refuses them."""
    task = change(problem(GOOD[good]))
    for call in (run, differentiate, free_words):
        with pytest.raises(ValueError, match=message):
            call(*task)


@pytest.mark.parametrize("content", [np.nan, np.inf, -np.inf])
def test_numbers_inside_a_length_must_be_finite(content: float) -> None:
    """Past it, nothing reads them."""
    task = problem(GOOD["last"])
    bad = to_data("x", holding(content, 2, 2, 0))(task)
    for call in (run, differentiate):
        with pytest.raises(
            ValueError, match=rf"^x: {content} at \(2, 2, 0\) given, inside the row's length; exp"
        ):
            call(*bad)
    past = to_data("x", holding(content, 2, 3, 0))(task)
    assert (run(*past) == run(*task)).all(), f"{content} past the length changes y"


def test_a_network_without_a_loss_has_no_gradients() -> None:
    """The message says in what it ends."""
    network, params, data = problem(GOOD["last"])
    with pytest.raises(ValueError, match=r"^network: it ends in Readout\(.*\), expected a loss$"):
        differentiate(network[:-1], params[:-1], data)


def test_a_one_hot_word_takes_the_type_of_parameters() -> None:
    """Without parameters there is no type to take."""
    for network in [(OneHot(vocabulary=7),), (OneHot(vocabulary=7), MSE)]:
        with pytest.raises(
            ValueError, match=r"^network: .* given, expected a layer with parameters"
        ):
            run(network, zeros(network), Data(np.zeros((3, 5), int)))


@pytest.mark.parametrize("good", GOOD)
def test_what_the_tables_change_is_accepted(good: str) -> None:
    """Finite outputs, in any integer type of words, targets and lengths."""
    task = problem(GOOD[good])
    y = run(*task)
    assert np.isfinite(y).all(), f"{good}: y is not finite"
    for dtype in ("int8", "uint8", "int32", "uint64"):
        data = Data(
            *(a if a is None or a.dtype.kind == "f" else a.astype(dtype) for a in task.data)
        )
        assert (run(*task[:2], data) == y).all(), (
            f"words and lengths of type {dtype} give another y"
        )


def test_leading_axes_of_numbers_are_accepted() -> None:
    """Those of x alone, of a sequence and of a vector; of a decoder's, where it feeds no words."""
    for good in ("last", "vector", "wordless"):
        task = problem(GOOD[good])
        y = run(*to_data("x", doubled)(task))
        assert y.shape == (2, *run(*task).shape), f"{good}: y has shape {y.shape}"


def test_zeros_are_parameters_of_every_example() -> None:
    """The shapes that are checked are those that are made."""
    for name, example in EXAMPLES.items():
        y = run(example.network, zeros(example.network), problem(name).data)
        assert np.isfinite(y).all(), f"{name}: y of parameters of 0 is not finite"


def test_targets_without_a_loss_are_not_read() -> None:
    """Their lengths are not read either."""
    network, params, data = problem(GOOD["sequence"])
    y = run(network, params, data)
    odd = data._replace(targets=np.ones(7, np.float16), target_lengths=np.array([99]))
    assert (run(network[:-1], params[:-1], odd) == y).all(), "the targets change y"


def test_a_readout_of_every_step_may_follow_a_decoder() -> None:
    """The readout of every step selects none, like a dense layer."""
    network: Network = (*decoding()[:2], SOFTMAX, NLL)
    y = run(network, zeros(network), Data(np.ones((3, 4)), None, np.zeros((3, 4), int)))
    assert y.shape == (3, 4, 4), f"y has shape {y.shape}, expected (3, 4, 4)"


# Leading axes: none, those of all, or those of x alone.


def stacked(*names: str, shape: tuple[int, ...] = (2,)) -> Callable[[Problem], Problem]:
    """Leading axes on the arrays whose names start so."""

    def changed(task: Problem) -> Problem:
        arrays = {**named(task.params, "params"), "x": task.data.x}
        made = iter(
            np.broadcast_to(a, (*shape, *a.shape)) if n.startswith(names) else a
            for n, a in arrays.items()
        )
        params = each(lambda _: next(made), task.params)
        return task._replace(params=params, data=task.data._replace(x=next(made)))

    return changed


RNN_FIRST = r"params\[1\]\[0\]\[0\]\.W_ih"
BAD_AXES: list[Row] = [
    Row("last", stacked("params[2].W"), rf"^params\[2\]\.W: leading axes \(2,\) given, expected the \(\) of {RNN_FIRST}$"),
    Row("last", stacked("params[1]"), rf"^params\[2\]\.W: leading axes \(\) given, expected the \(2,\) of {RNN_FIRST}$"),
    Row("numbers", stacked("params[0]"), rf"^{RNN_FIRST}: leading axes \(\) given, expected the \(2,\) of params\[0\]\.table$"),
    Row("taught", stacked("params[1].bridge[0][1].b", "x"), r"^params\[1\]\.bridge\[0\]\[1\]\.b: leading axes \(2,\) given, expected the \(\) of"),
    Row("vector", lambda p: stacked("params[2].b", shape=(3,))(stacked("params[1]", "params[2].W", "x", shape=(3, 3))(p)),
        r"^params\[2\]\.b: leading axes \(3,\) given, expected the \(3, 3\) of params\[1\]\.W$"),
    Row("numbers", stacked("params", shape=(2, 0)), r"^params\[0\]\.table: leading axes \(2, 0\) given, expected none of 0$"),
    # x
    Row("last", stacked("params"), rf"^x: leading axes \(\) given, expected the \(2,\) of {RNN_FIRST}$"),
    Row("vector", stacked("params"), r"^x: leading axes \(\) given, expected the \(2,\) of params\[1\]\.W$"),
    Row("last", lambda p: stacked("params", shape=(3,))(stacked("x")(p)),
        rf"^x: leading axes \(2,\) given, expected the \(3,\) of {RNN_FIRST}$"),
    Row("wordless", lambda p: stacked("params", shape=(1,))(stacked("x")(p)), r"^x: leading axes \(2,\) given, expected the \(1,\) of params"),
    *(Row(good, stacked("x"), r"^x: leading axes \(2,\) given, expected the \(\) of params\[1\]\.table$") for good in ("taught", "free", "unbridged")),
    # words that a decoder feeds itself
    Row("free", stacked("params", "x"), r"^words: None given, but each slice of the leading axes \(2,\) of params\[1\]\.table would feed words of "),
]  # fmt: skip


@pytest.mark.parametrize(("good", "change", "message"), BAD_AXES, ids=names(BAD_AXES))
def test_bad_leading_axes_are_refused(good: str, change: Any, message: str) -> None:
    """The message names the argument; nothing is computed."""
    task = change(problem(GOOD[good]))
    for call in (run, differentiate, free_words):
        with pytest.raises(ValueError, match=message):
            call(*task)


# Words that are fed to a free-running decoder.

BAD_WORDS: list[tuple[str, Callable[[Any], Any], str]] = [
    *(("free", c, f"^words: {m}") for c, m in [*NOT_INTEGERS[::2], *past_the_end(6)]),
    *(
        ("free", change, rf"^words: shape {shape} given, expected \(3, 4\)$")
        for change, shape in [(lambda w: w[:, :3], r"\(3, 3\)"), (lambda w: w[:2], r"\(2, 4\)"), (doubled, r"\(2, 3, 4\)"),
                              (lambda w: np.c_[w, w], r"\(3, 8\)"), (lambda w: w.T, r"\(4, 3\)")]
    ),
    *((good, of(np.zeros((3, 4), int)), r"^words: given, but no decoder runs freely; leave them out$")
      for good in ("taught", "wordless", "sequence", "vector")),
]  # fmt: skip


@pytest.mark.parametrize(("good", "change", "message"), BAD_WORDS, ids=names(BAD_WORDS))
def test_bad_words_are_refused(good: str, change: Any, message: str) -> None:
    """Every function that takes words refuses them; a decoder's own words are accepted."""
    task = problem(GOOD[good])
    words = free_words(*task)
    for call in (run, differentiate):
        call(*task, words)
        with pytest.raises(ValueError, match=message):
            call(*task, change(words))

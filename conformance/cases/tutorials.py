"""The tutorials' examples as named cases, with their own sizes and inputs, and a few more shapes.

000   the notation of the cells, zero padding, outputs at every step or at some
001   sliding windows into a BasicRNNCell, and an output layer
002   one-hot words, a state of 3, an output layer on the last state, dense layers, softmax
003   five neurons over a mini-batch of two steps
004   language models, vector to sequence, encoder and decoder, both directions, stacks
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.cases.axes import CELLS, DTYPES
from conformance.cases.case import Case, NetworkCase
from reference import Spec
from reference.networks.layers import (
    Decoder,
    Dense,
    Embedding,
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

# The sliding windows printed in the tutorial of row 001, and the mini-batch of row 003.
WINDOWS = tuple(
    tuple(tuple(float(row + 3 * step + k) for k in range(1, 4)) for step in range(5))
    for row in range(6)
)
MINI_BATCH = (
    ((0.0, 1.0, 2.0), (9.0, 8.0, 7.0)),
    ((3.0, 4.0, 5.0), (0.0, 0.0, 0.0)),
    ((6.0, 7.0, 8.0), (6.0, 5.0, 4.0)),
    ((9.0, 0.0, 1.0), (3.0, 2.0, 1.0)),
)
SEQUENCES: dict[str, Any] = {"batch": 4, "steps": 20, "ends": (13, 20, 1, 7)}
"""The data of row 000: four sequences, padded to seq_max_len = 20."""


def tutorial_cases() -> Iterator[Case | NetworkCase]:
    """Yield every row in every dtype, with gradients.

    Yields:
        The cases.

    """
    for dtype in DTYPES:
        yield from _recurrent_cases(dtype)
        for name, (network, data) in NETWORKS.items():
            yield NetworkCase(id=f"tutorial/{name}/{dtype}", network=network, dtype=dtype, **data)


def _recurrent_cases(dtype: str) -> Iterator[Case]:
    """Yield the rows that are a recurrent network alone."""
    for cell, options in CELLS.items():
        # Zero padding changes nothing where lengths are given, and does change the states where
        # dynamic_rnn is called without them.
        spec = Spec(**options, input_size=3, hidden_size=5)
        for name, lengths in (("with", "ragged"), ("without", "full")):
            yield Case(id=f"tutorial/000-zero-padding-{name}-lengths/{cell}/{dtype}", spec=spec,
                       dtype=dtype, lengths=lengths, padding=0.0, gradients=True,
                       **SEQUENCES)  # fmt: skip
    for bias in (True, False):
        yield Case(id=f"tutorial/001-sliding-window/{'bias' if bias else 'no-bias'}/{dtype}",
                   spec=Spec(cell="vanilla", input_size=3, hidden_size=7, bias=bias), dtype=dtype,
                   batch=6, steps=5, x=WINDOWS, scale=0.05, gradients=True)  # fmt: skip
    yield Case(id=f"tutorial/003-mini-batch/{dtype}",
               spec=Spec(cell="vanilla", input_size=3, hidden_size=5), dtype=dtype,
               batch=4, steps=2, x=MINI_BATCH, scale=0.1, gradients=True)  # fmt: skip


def deep_sums() -> Iterator[Case]:
    """Yield cases with sums deep enough to show how a kernel accumulates.

    The sums are products of a thousand positive inputs, and gradients of weights and biases over 250 rows.

    Yields:
        The cases.

    """
    for dtype in DTYPES:
        for cell, options in CELLS.items():
            yield Case(id=f"deep-sum/{cell}/{dtype}",
                       spec=Spec(**options, input_size=1000, hidden_size=5),
                       dtype=dtype, batch=2, steps=3, one_sign=True)  # fmt: skip
        for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm"):
            yield Case(id=f"gradients/deep-sum/{cell}/{dtype}", spec=spec(cell, 4, 5),
                       dtype=dtype, batch=250, steps=3, gradients=True)  # fmt: skip


def many_rows() -> Iterator[Case]:
    """Yield cases with so many rows that an adapter chooses another way to multiply.

    They combine lengths, layers and directions.

    Yields:
        The cases.

    """
    for dtype in DTYPES:
        for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm"):
            both = spec(cell, 4, 5, num_layers=2, direction="bidirectional")
            yield Case(id=f"gradients/many-rows/{cell}/{dtype}", spec=both, dtype=dtype,
                       batch=11, steps=6, lengths="ragged", padding=2.0**15,
                       gradients=True)  # fmt: skip


def large_states() -> Iterator[Case]:
    """Yield cases whose cell state grows above 3, where some LSTMs clip it by default.

    Yields:
        The cases.

    """
    for dtype in DTYPES:
        yield Case(id=f"large-state/lstm/{dtype}",
                   spec=Spec(cell="lstm", forget_bias=4.0, input_size=4, hidden_size=5),
                   dtype=dtype, batch=3, steps=20, one_sign=True)  # fmt: skip


def spec(cell: str, input_size: int, hidden_size: int, **options: object) -> Spec:
    """Make the spec of one of ``CELLS``.

    Args:
        cell: the name of the cell.
        input_size: I.
        hidden_size: H.
        options: further fields of the spec.

    Returns:
        The spec.

    """
    return Spec(**CELLS[cell], input_size=input_size, hidden_size=hidden_size, **options)  # type: ignore[arg-type]  # Spec checks them


def recurrent(cell: str, input_size: int, hidden_size: int, **options: object) -> Recurrent:
    """Make a recurrent layer of one of ``CELLS``.

    Args:
        cell: the name of the cell.
        input_size: I.
        hidden_size: H.
        options: further fields of the spec.

    Returns:
        The layer.

    """
    return Recurrent(spec=spec(cell, input_size, hidden_size, **options))


def _outputs(cell: str, readout: Readout) -> Network:
    """Make row 000: h_t of a cell, o_t = g(W_oh h_t + b_o) at every step or at some, and a loss."""
    loss = NegativeLogLikelihood() if readout.activation == "softmax" else MeanSquaredError()
    return (Vectors(size=3), recurrent(cell, 3, 5), readout, loss)


def _words_to_class(first: OneHot | Embedding, width: int) -> Network:
    """Make row 002: thirty words, the last state, an output layer, dense layers, softmax."""
    return (
        first,
        recurrent("vanilla-tanh", width, 3),
        Readout(units=8, at="last"),
        Dense(units=6, activation="tanh"),
        Dense(units=4, activation="softmax"),
        NegativeLogLikelihood(),
    )


def _language_model(cell: str, **options: object) -> Network:
    """Make row 004: the next word after every word, and the sequence loss."""
    width = 12 if options.get("direction") == "bidirectional" else 6
    return (
        Embedding(vocabulary=11, size=4),
        recurrent(cell, 4, width // (1 + (width == 12)), **options),
        Readout(units=11, activation="softmax"),
        NegativeLogLikelihood(reduction="sum" if options else "mean"),
    )


def _decoder(
    cell: str,
    context: int,
    hidden_size: int,
    *,
    into: str,
    words: str,
    bridge: str,
    layers: int = 1,
) -> Decoder:
    """Make the decoder of row 004: five steps over nine words."""
    word_size = 0 if words == "none" else 4
    width = word_size + (0 if into == "state" else context)
    return Decoder(
        spec=spec(cell, width, hidden_size, num_layers=layers),
        steps=5,
        units=9,
        context=into,  # type: ignore[arg-type]  # one of the Literal's values
        words=words,  # type: ignore[arg-type]  # one of the Literal's values
        word_size=word_size,
        bridge=bridge,  # type: ignore[arg-type]  # one of the Literal's values
        activation="softmax",
    )


def _picture_to_words(cell: str, words: str) -> Network:
    """Make row 004, vector to sequence: the context is a new bias at every step."""
    body = _decoder(cell, 7, 6, into="input", words=words, bridge="none")
    return (Vector(size=7), body, NegativeLogLikelihood())


def _encoder_decoder(encoder: Recurrent, cell: str, hidden_size: int, **options: Any) -> Network:
    """Make row 004: words in, the final state as context, words out."""
    width = encoder.spec.output_size
    return (
        Embedding(vocabulary=11, size=4),
        encoder,
        FinalState(),
        _decoder(cell, width, hidden_size, **options),
        NegativeLogLikelihood(),
    )


SOFTMAX = Readout(units=4, activation="softmax")
EVERY, TARGETS = (
    dict(SEQUENCES, target_ends=SEQUENCES["ends"]),
    {"batch": 3, "target_ends": (5, 2, 4)},
)
SENTENCES = {"batch": 3, "steps": 6, "ends": (6, 2, 5), "target_ends": (6, 2, 5)}
PAIRS = {"batch": 3, "steps": 6, "ends": (6, 2, 5), "target_ends": (5, 3, 1)}
ENCODER, WIDER = recurrent("lstm", 4, 6), recurrent("vanilla-tanh", 4, 3, direction="bidirectional")

NETWORKS: dict[str, tuple[Network, dict[str, Any]]] = {
    **{f"000-outputs/every/softmax/{cell}": (_outputs(cell, SOFTMAX), EVERY)
       for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm")},
    "000-outputs/every/identity/vanilla-tanh": (_outputs("vanilla-tanh", Readout(units=2)), EVERY),
    "000-outputs/last/identity/vanilla-tanh":
        (_outputs("vanilla-tanh", Readout(units=2, at="last")), SEQUENCES),
    "000-outputs/last/softmax/vanilla-tanh":
        (_outputs("vanilla-tanh", Readout(units=4, at="last", activation="softmax")), SEQUENCES),
    "000-outputs/some/identity/vanilla-tanh":
        (_outputs("vanilla-tanh", Readout(units=2, at=(19, 0, 7))), {"batch": 4, "steps": 20}),
    "000-outputs/some/softmax/vanilla-tanh":
        (_outputs("vanilla-tanh", Readout(units=4, at=(3, 11), activation="softmax")),
         {"batch": 4, "steps": 20}),
    "001-output-layer": (
        (Vectors(size=3), recurrent("vanilla-tanh", 3, 7), Readout(units=7), MeanSquaredError()),
        {"batch": 6, "steps": 5, "x": WINDOWS, "scale": 0.05}),
    "002-one-hot": (_words_to_class(OneHot(vocabulary=400), 400), {"batch": 5, "steps": 30}),
    "002-embedding":
        (_words_to_class(Embedding(vocabulary=400, size=7), 7), {"batch": 5, "steps": 30}),
    **{f"004-sequence-loss/{cell}": (_language_model(cell), SENTENCES)
       for cell in ("vanilla-tanh", "gru-after", "gru-before", "lstm")},
    "004-bidirectional": (_language_model("lstm", direction="bidirectional"), SENTENCES),
    "004-stacked": (_language_model("vanilla-tanh", num_layers=3), SENTENCES),
    **{f"004-vector-to-sequence/{words}-words": (_picture_to_words("lstm", words), TARGETS)
       for words in ("none", "teacher", "free")},
    "004-encoder-decoder/context-only":
        (_encoder_decoder(ENCODER, "lstm", 6, into="input", words="none", bridge="none"), PAIRS),
    "004-encoder-decoder/initial-state/teacher":
        (_encoder_decoder(ENCODER, "lstm", 6, into="state", words="teacher", bridge="none"), PAIRS),
    "004-encoder-decoder/initial-state/free":
        (_encoder_decoder(ENCODER, "vanilla-tanh", 5, into="state", words="free", bridge="tanh"),
         PAIRS),
    "004-encoder-decoder/every-step/teacher":
        (_encoder_decoder(ENCODER, "vanilla-tanh", 5, into="input", words="teacher", bridge="none"),
         PAIRS),
    "004-encoder-decoder/both/teacher":
        (_encoder_decoder(WIDER, "lstm", 8, into="both", words="teacher", bridge="identity"), PAIRS),
    "004-encoder-decoder/both/stacked":
        (_encoder_decoder(recurrent("vanilla-tanh", 4, 3, num_layers=2), "lstm", 4, into="both",
                         words="teacher", bridge="tanh", layers=2), PAIRS),
    "004-encoder-decoder/both/free":
        (_encoder_decoder(WIDER, "vanilla-tanh", 5, into="both", words="free", bridge="tanh"), PAIRS),
}  # fmt: skip
"""The networks, each with its sizes, input and lengths."""

"""The training tasks: a network, and fifty batches of real data.

    characters    the next character of The Zen of Python, the text of Python's module ``this``
    forecasting   the vector after a sliding window of five, in the series of tutorial row 001

Hyperparameters are powers of two, or nearly: exact in every dtype, so that differences measure
arithmetic.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from conformance.cases.case import TrainingCase
from conformance.cases.tutorials import recurrent
from reference.networks.layers import (
    Data,
    Embedding,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    Readout,
    Vectors,
)
from reference.networks.optimisers import Adam, Clip, GradientDescent, Momentum, Optimiser

STEPS = 50
DTYPES = ("float64", "float32")


@cache
def _zen() -> str:
    """Return the text, which the module prints on import and keeps as rot13."""
    with contextlib.redirect_stdout(io.StringIO()):
        this = importlib.import_module("this")
    return codecs.decode(this.s, "rot13")


@cache
def characters() -> tuple[Network, tuple[Data, ...]]:
    """Make the task of predicting the next character.

    A batch has four rows of twelve characters; each row reads on in a quarter of the text.

    Returns:
        The network and its batches.

    """
    alphabet = sorted(set(_zen()))
    text = np.array([alphabet.index(c) for c in _zen()])
    batch, steps = 4, 12
    starts = np.arange(batch)[:, None] * (len(text) // batch - 1)
    stride = (len(text) // batch - 1 - steps) // STEPS
    places = [starts + k * stride + np.arange(steps) for k in range(STEPS)]
    network: Network = (
        Embedding(vocabulary=len(alphabet), size=8),
        recurrent("lstm", 8, 16),
        Readout(units=len(alphabet), activation="softmax"),
        NegativeLogLikelihood(),
    )
    return network, tuple(Data(text[at], None, text[at + 1]) for at in places)


@cache
def forecasting() -> tuple[Network, tuple[Data, ...]]:
    """Make the task of predicting the next vector of a series.

    A batch has six windows, in 1/128; batch k starts at k + 1.

    Returns:
        The network and its batches.

    """
    series = np.arange(1.0, 128.0)
    windows = np.arange(6)[:, None, None] + 3 * np.arange(6)[:, None] + np.arange(3)  # (6, 6, 3)
    batches = [series[windows + k] / 128 for k in range(STEPS)]
    network: Network = (
        Vectors(size=3),
        recurrent("vanilla-tanh", 3, 7),
        Readout(units=3, at="last"),
        MeanSquaredError(),
    )
    return network, tuple(Data(b[:, :5], None, b[:, 5]) for b in batches)


TASKS: dict[str, Callable[[], tuple[Network, tuple[Data, ...]]]] = {
    "characters": characters,
    "forecasting": forecasting,
}
OPTIMISERS: dict[str, Optimiser] = {
    "sgd": GradientDescent(rate=0.5),
    "momentum": Momentum(rate=0.125, momentum=0.875),
    "adam": Adam(rate=2**-6, beta1=1 - 2**-3, beta2=1 - 2**-7, epsilon=2**-13),
}
CLIPS: dict[tuple[str, str], Clip] = {
    ("characters", "sgd"): Clip(most=0.3125),
    ("characters", "adam"): Clip(most=0.3125),
    ("forecasting", "sgd"): Clip(most=0.5),
    ("forecasting", "adam"): Clip(most=0.125),
}
"""The clipping of gradients, set so that some steps are clipped and some are not."""


def training_cases() -> Iterator[TrainingCase]:
    """Yield every task with every optimiser, in the dtypes that people train in without mixing them.

    Yields:
        The cases.

    """
    for task in TASKS:
        for name, optimiser in OPTIMISERS.items():
            for dtype in DTYPES:
                yield TrainingCase(id=f"training/{task}/{name}/{dtype}", task=task, dtype=dtype,
                                   optimiser=optimiser, clip=CLIPS.get((task, name)))  # fmt: skip

"""Alternate calls in one process, so that a change of the machine's speed affects all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference import Array

WARMUP = 3


def alternate(calls: Sequence[Callable[[], Any]], rounds: int) -> Array:
    """Time calls that alternate, in alternating order, after warm-up rounds.

    Args:
        calls: the calls.
        rounds: number of rounds that count.

    Returns:
        Seconds ``(calls, rounds)``.
    """
    seconds = np.empty((len(calls), WARMUP + rounds))
    for number in range(WARMUP + rounds):
        order = range(len(calls)) if number % 2 else reversed(range(len(calls)))
        for which in order:
            started = time.perf_counter()
            calls[which]()
            seconds[which, number] = time.perf_counter() - started
    return seconds[:, WARMUP:]


def interval(figures: Array) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of the median.

    Args:
        figures: the values.

    Returns:
        Lower and upper end.
    """
    chosen = np.random.default_rng(0).choice(figures, (2000, len(figures)))
    low, high = np.quantile(np.median(chosen, axis=1), [0.025, 0.975])
    return float(low), float(high)

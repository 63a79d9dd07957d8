"""Calls that take turns in one process, so that a change of the machine's speed meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference import Array

WARMUP = 3


def in_turn(calls: Sequence[Callable[[], Any]], rounds: int) -> Array:
    """Seconds of every call ``(calls, rounds)``, forth and back, after rounds that do not count."""
    seconds = np.empty((len(calls), WARMUP + rounds))
    for number in range(WARMUP + rounds):
        order = range(len(calls)) if number % 2 else reversed(range(len(calls)))
        for which in order:
            started = time.perf_counter()
            calls[which]()
            seconds[which, number] = time.perf_counter() - started
    return seconds[:, WARMUP:]


def interval(figures: Array) -> tuple[float, float]:
    """Bootstrap 95 % interval of the median."""
    chosen = np.random.default_rng(0).choice(figures, (2000, len(figures)))
    low, high = np.quantile(np.median(chosen, axis=1), [0.025, 0.975])
    return float(low), float(high)

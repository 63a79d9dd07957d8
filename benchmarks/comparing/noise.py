"""The noise of a row: how much comparisons of identical code differ, and the smallest change that they can detect.

Pairs of processes of identical code have changes d (``verdict.py``) whose true value is 0. Which process is called
head is arbitrary, so −d is as likely as d. Comparisons of ``pairs`` such pairs are drawn, and each is judged like a
real one, by its median and the bootstrap interval of the median:

    budget       the change that 99 % of comparisons of identical code stay within, or else cannot tell from 0
    detectable   the smallest slowdown that 95 % of comparisons report as slower, with that budget
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.comparing.verdict import Noise
from records.timing import LEVEL

FALSE_ALARMS = 0.01
POWER = 0.95
DRAWN, RESAMPLES = 1000, 400
LEAST_PAIRS = 6
"""Fewest pairs of identical code; fewer cannot show an event of one in a hundred comparisons."""


def estimate_noise(changes: Sequence[float], pairs: int) -> Noise:
    """Estimate the noise of comparisons from pairs of identical code.

    Args:
        changes: log(head / base) of every pair of identical code.
        pairs: number of pairs of a comparison.

    Returns:
        Budget and detectable change, as shares of the row's time.

    Raises:
        ValueError: fewer than ``LEAST_PAIRS`` changes.
    """
    if len(changes) < LEAST_PAIRS:
        raise ValueError(f"{len(changes)} changes given, expected {LEAST_PAIRS} or more")
    random = np.random.default_rng(0)
    drawn = random.choice([*changes, *(-d for d in changes)], (DRAWN, pairs))
    again = random.integers(pairs, size=(RESAMPLES, pairs))
    medians = np.median(drawn[:, again], axis=2)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    value = np.median(drawn, axis=1)
    changed = np.where((low > 0) | (high < 0), abs(value), 0.0)
    budget = np.quantile(changed, 1 - FALSE_ALARMS, method="higher")
    needed = np.maximum(-low, budget - value)
    return Noise(*np.expm1([budget, np.quantile(needed, POWER)]).tolist())

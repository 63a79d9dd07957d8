"""What identical code differs by from one comparison to the next, and how small a change is found at all.

Pairs of processes of identical code have changes d (``comparison.py``) whose true value is 0; which of
the two is called head is chance, so -d is as likely as d. Comparisons of ``pairs`` such pairs are drawn,
and each is judged as a real one is, by its median and the bootstrap interval of that:

    budget       what at most 1 % of comparisons of identical code exceed while they exclude no change
    detectable   the smallest slowdown that 95 % of comparisons call slower, given that budget
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
"""With fewer, what happens once in a hundred comparisons cannot be told at all."""


def noise(changes: Sequence[float], pairs: int) -> Noise:
    """What comparisons of so many pairs differ by, from the changes of pairs of identical code.

    Raises ``ValueError`` for fewer than LEAST_PAIRS changes.
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

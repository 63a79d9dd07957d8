"""What is fuzzed: rounds of one structure each, drawn by their numbers.

The cases of a round have one spec, sizes and dtype, so that a backend that compiles does so once; those of
a group within it share their lengths too, so that their truths are computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.cases.fuzzed import CHOICES, Ends, FuzzedCase

GROUPS, CASES_PER_GROUP = 32, 4
"""128 cases a round: a compilation of half a second is 4 ms of each."""

LAYERS = (1, 1, 1, 1, 2, 2, 3)
"""How often each number is drawn: deeper networks take longer, and show little more."""
BATCH, STEPS, WIDTH = 4, 16, 8
"""The largest of each."""

SHARED = ("cell", "direction", "state", "bias", "layout", "compared", "dtype")
"""What all cases of a round have alike, beside layers, sizes, and whether there are lengths."""


def draw_structure(seed: int, number: int, runs: Callable[[FuzzedCase], bool]) -> FuzzedCase:
    """One case with what all of a round have in common, such that it ``runs``."""
    random = np.random.default_rng([seed, number])
    while True:
        words: dict[str, Any] = {name: str(random.choice(CHOICES[name])) for name in SHARED}
        batch, steps, i, h = (int(random.integers(1, most + 1))
                              for most in (BATCH, STEPS, WIDTH, WIDTH))  # fmt: skip
        lengths = bool(random.integers(2))
        found = FuzzedCase(
            **words,
            layers=int(random.choice(LAYERS)),
            ends=(steps,) * batch if lengths else None,
            padding="pad-zero" if lengths else "pad-none",
            size=(batch, steps, i, h),
            weights="plain",
            inputs="plain",
            seed=0,
        )
        if runs(found):
            return found


def draw_groups(seed: int, number: int, of: FuzzedCase) -> Iterator[list[FuzzedCase]]:
    """The cases of a round of that structure, those together that share their lengths."""
    random = np.random.default_rng([seed, number, 1])
    for group in range(GROUPS):
        ends = None if of.ends is None else _ends(random, of)
        first = seed * 10**9 + number * 1000 + group * CASES_PER_GROUP
        yield [_looking(random, of, ends, first + k) for k in range(CASES_PER_GROUP)]


def _ends(random: np.random.Generator, of: FuzzedCase) -> Ends:
    """Lengths from 0 to T, either end as often as all between."""
    batch, steps, _, _ = of.size
    return tuple(
        int(random.choice([0, steps, int(random.integers(steps + 1))])) for _ in range(batch)
    )


def _looking(
    random: np.random.Generator, of: FuzzedCase, ends: Ends | None, seed: int
) -> FuzzedCase:
    """A case whose numbers look as is drawn; drawn again where a relu does not stand them."""
    while True:
        looks: dict[str, Any] = {
            name: str(random.choice(CHOICES[name])) for name in ("weights", "inputs")
        }
        if ends is not None:
            looks["padding"] = str(
                random.choice([p for p in CHOICES["padding"] if p != "pad-none"])
            )
        made = of.with_changes(**looks, ends=ends, seed=seed)
        if made is not None:
            return made

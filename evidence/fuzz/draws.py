"""Draw the cases of a round from its number; all cases of a round have one structure.

The cases of a round share spec, sizes and dtype, so that a backend compiles once. The cases of a group within
it share their lengths too, so that their truths are computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.cases.fuzzed import CHOICES, Ends, FuzzedCase

GROUPS, CASES_PER_GROUP = 32, 4
"""Groups in a round and cases in a group: with 128 cases a round, half a second of compilation is 4 ms per case."""

LAYERS = (1, 1, 1, 1, 2, 2, 3)
"""The numbers of layers to draw from: deeper networks are rare, because they are slow and show little more."""
BATCH, STEPS, WIDTH = 4, 16, 8
"""The largest batch size, number of steps and width."""

SHARED = ("cell", "direction", "state", "bias", "layout", "compared", "dtype")
"""The values that all cases of a round share, besides layers, sizes, and the presence of lengths."""


def draw_structure(seed: int, number: int, runs: Callable[[FuzzedCase], bool]) -> FuzzedCase:
    """Draw the structure of a round.

    Args:
        seed: the seed of the run.
        number: the number of the round.
        runs: returns True for a structure that can run.

    Returns:
        A case with the values that all cases of the round share.

    """
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


def draw_groups(seed: int, number: int, structure: FuzzedCase) -> Iterator[list[FuzzedCase]]:
    """Draw the cases of a round in groups that share their lengths.

    Args:
        seed: the seed of the run.
        number: the number of the round.
        structure: the structure of the round.

    Yields:
        The cases of a group.

    """
    random = np.random.default_rng([seed, number, 1])
    for group in range(GROUPS):
        ends = None if structure.ends is None else _ends(random, structure)
        first = seed * 10**9 + number * 1000 + group * CASES_PER_GROUP
        yield [_draw_transforms(random, structure, ends, first + k) for k in range(CASES_PER_GROUP)]


def _ends(random: np.random.Generator, structure: FuzzedCase) -> Ends:
    """Draw lengths from 0 to T; 0 and T are each as likely as all values in between."""
    batch, steps, _, _ = structure.size
    return tuple(
        int(random.choice([0, steps, int(random.integers(steps + 1))])) for _ in range(batch)
    )


def _draw_transforms(
    random: np.random.Generator, structure: FuzzedCase, ends: Ends | None, seed: int
) -> FuzzedCase:
    """Draw the transforms of a case's numbers, and again if a relu cannot run with them."""
    while True:
        transforms: dict[str, Any] = {
            name: str(random.choice(CHOICES[name])) for name in ("weights", "inputs")
        }
        if ends is not None:
            transforms["padding"] = str(
                random.choice([p for p in CHOICES["padding"] if p != "pad-none"])
            )
        case = structure.with_changes(**transforms, ends=ends, seed=seed)
        if case is not None:
            return case

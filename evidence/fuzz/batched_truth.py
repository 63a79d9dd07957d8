"""Compute the truths of several cases of one shape in one broadcast call.

The cost of a small network is that of its NumPy calls: eight networks together cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from backends import Inputs
from conformance.draw import digest
from conformance.evaluate import evaluate
from conformance.truth import Truth
from reference.rounding import ARITHMETICS, Radius, deviations, radius
from reference.trees import each


def batch_truths(inputs: Sequence[Inputs]) -> list[Truth]:
    """Compute the truths of several inputs of one spec, sizes and lengths.

    Args:
        inputs: the inputs.

    Returns:
        The truths; their radii differ from those computed alone only by their random samples.

    """
    joined = _stack_inputs(inputs)
    values = evaluate(joined, lambda a: a)
    versions = [digest(item) for item in inputs]

    @cache
    def spread(arithmetic: str) -> list[dict[str, Radius]]:
        a = ARITHMETICS[arithmetic]
        spread_samples = deviations(lambda lift: list(evaluate(joined, lift).values()),
                           list(values.values()), a, seed=list(bytes.fromhex(versions[0])))  # fmt: skip
        return [
            {name: radius(d[:, k], a) for name, d in zip(values, spread_samples, strict=True)}
            for k in range(len(inputs))
        ]

    def radii_of(k: int) -> Callable[[str], dict[str, Radius]]:
        return lambda arithmetic: spread(arithmetic)[k]

    return [
        Truth(item, version, {name: a[k] for name, a in values.items()}, radii_of(k))
        for k, (item, version) in enumerate(zip(inputs, versions, strict=True))
    ]


def _stack_inputs(inputs: Sequence[Inputs]) -> Inputs:
    """Stack all inputs into one, with an additional first axis."""
    first, *others = inputs

    def join(name: str) -> Any:
        trees = [getattr(item, name) for item in others]
        return each(lambda *arrays: np.stack(arrays), getattr(first, name), *trees)

    return replace(first, **{name: join(name) for name in ("params", "x", "h0", "c0", "incoming")})

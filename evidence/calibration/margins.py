"""Compare one result with its radius, and collect the worst figures of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import msgspec
from rich.console import Console

from backends import Inputs, Result, Unsupported
from conformance.agreement import Expected, judge
from conformance.evaluate import evaluate
from conformance.truth import truth
from evidence.calibration.families import Family, draw_inputs
from evidence.calibration.implementations import Implementation
from records.schema import Outcome
from reference import Array
from reference.rounding import (
    ARITHMETICS,
    K_ACT,
    SAMPLES,
    Arithmetic,
    Lift,
    Radius,
    radii,
)

Figures: TypeAlias = dict[str, Any]
"""A part of the record, as JSON holds it."""

CONSOLE = Console(stderr=True)

OUTCOMES: tuple[Outcome, ...] = ("differs", "inconclusive", "agrees")
"""The outcomes, worst first."""
WORST = ("max_error", "mean_error", "rms_error", "rms_to_limit", "margin", "bound_to_signal")
"""The figures whose largest value a row keeps."""


class Measured(NamedTuple):
    """A result compared with its radius: the outcome, each tensor's figures, and error / σ̂."""

    outcome: Outcome
    tensors: list[Figures]
    errors: list[Array]


def measure(result: Result, inputs: Inputs, k_act: float = K_ACT) -> Measured:
    """Compare a result with its radius.

    Args:
        result: the result.
        inputs: the inputs that it is for.
        k_act: the K_ACT of the radius.

    Returns:
        The outcome, the figures and the errors.

    Raises:
        ValueError: the result is not finite or has wrong shapes, so that there are no figures.

    """
    t = truth(inputs)
    arithmetic = replace(ARITHMETICS[inputs.dtype], k_act=k_act)
    radii_by_name = (
        t.radii(inputs.dtype)  # cached
        if k_act == K_ACT
        else compute_radii(inputs, t.values, arithmetic, list(bytes.fromhex(t.version)))
    )
    expected = {k: Expected(v, radii_by_name[k]) for k, v in t.values.items()}
    got = result.tensors
    verdict = judge(got, result.dtypes, inputs.dtype, expected, arithmetic)
    if verdict.margin is None:
        raise ValueError(f"{inputs.spec} in {inputs.dtype}: {verdict.reason}: nothing to measure")
    tensors, errors = [], []
    for k, e in expected.items():
        figures = msgspec.structs.asdict(verdict.tensors[k]) | {"freedom": e.radius.freedom}
        tensors.append(figures | {"rms_to_limit": figures["rms_error"] / figures["rms_limit"]})
        errors.append((got[k] - e.value) / e.sigma)
    return Measured(verdict.outcome, tensors, errors)


def compute_radii(
    inputs: Inputs,
    values: Mapping[str, Array],
    arithmetic: Arithmetic,
    seed: Sequence[int],
    samples: int = SAMPLES,
) -> dict[str, Radius]:
    """Compute the radius of every tensor without the cache.

    Args:
        inputs: the inputs.
        values: the tensors in float64.
        arithmetic: the arithmetic.
        seed: the seed of the samples.
        samples: the number of samples.

    Returns:
        The radii by tensor.

    """

    def compute(lift: Lift) -> list[Array]:
        return list(evaluate(inputs, lift).values())

    radii_by_name = radii(compute, list(values.values()), arithmetic, seed=seed, samples=samples)
    return dict(zip(values, radii_by_name, strict=True))


def run_draws(
    implementation: Implementation, name: str, family: Family, dtype: str, seeds: Sequence[int]
) -> Iterator[tuple[Inputs, Result]]:
    """Run an implementation on several draws of a family.

    Args:
        implementation: the implementation.
        name: the name of the family.
        family: the family.
        dtype: the dtype.
        seeds: the seed of each draw.

    Yields:
        The inputs and the result of each draw that the implementation supports.

    """
    for seed in seeds:
        inputs = draw_inputs(name, family, dtype, seed)
        with suppress(Unsupported):
            yield inputs, implementation(inputs)


def worst_row(results: Sequence[Measured]) -> Figures:
    """Combine several results in one row of the worst figures.

    Args:
        results: the results.

    Returns:
        The row.

    """
    tensors = [t for h in results for t in h.tensors]
    return {
        "outcome": min((h.outcome for h in results), key=OUTCOMES.index),
        "freedom": min(t["freedom"] for t in tensors),
        **{name: max((t[name] for t in tensors), key=abs) for name in WORST},
    }

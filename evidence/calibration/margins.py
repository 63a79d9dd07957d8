"""One result held to the radius, and the worst of several."""

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
"""Part of what was found, as JSON holds it."""

CONSOLE = Console(stderr=True)

OUTCOMES: tuple[Outcome, ...] = ("differs", "inconclusive", "agrees")
"""The worst first."""
WORST = ("max_error", "mean_error", "rms_error", "rms_to_limit", "margin", "bound_to_signal")
"""The figures of which a row has the largest."""


class Measured(NamedTuple):
    """A result held to the radius: its outcome, each tensor's figures, and error / σ̂."""

    outcome: Outcome
    tensors: list[Figures]
    errors: list[Array]


def measure(answer: Result, inputs: Inputs, k_act: float = K_ACT) -> Measured:
    """Judge ``answer`` by the radius with that K_ACT; raises ``ValueError`` where it has no figures."""
    t = truth(inputs)
    arithmetic = replace(ARITHMETICS[inputs.dtype], k_act=k_act)
    found = (
        t.radii(inputs.dtype)  # cached
        if k_act == K_ACT
        else compute_radii(inputs, t.values, arithmetic, list(bytes.fromhex(t.version)))
    )
    expected = {k: Expected(v, found[k]) for k, v in t.values.items()}
    got = answer.tensors
    verdict = judge(got, answer.dtypes, inputs.dtype, expected, arithmetic)
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
    """The radius of every tensor, computed and not cached."""

    def compute(lift: Lift) -> list[Array]:
        return list(evaluate(inputs, lift).values())

    found = radii(compute, list(values.values()), arithmetic, seed=seed, samples=samples)
    return dict(zip(values, found, strict=True))


def run_draws(
    implementation: Implementation, name: str, family: Family, dtype: str, seeds: Sequence[int]
) -> Iterator[tuple[Inputs, Result]]:
    """What ``implementation`` makes of several draws; none where it does not support the family."""
    for seed in seeds:
        inputs = draw_inputs(name, family, dtype, seed)
        with suppress(Unsupported):
            yield inputs, implementation(inputs)


def worst_row(held: Sequence[Measured]) -> Figures:
    """The figures of several tensors and draws in one row, the worst of each."""
    tensors = [t for h in held for t in h.tensors]
    return {
        "outcome": min((h.outcome for h in held), key=OUTCOMES.index),
        "freedom": min(t["freedom"] for t in tensors),
        **{name: max((t[name] for t in tensors), key=abs) for name in WORST},
    }

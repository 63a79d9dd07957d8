"""The radius: the specification is run K times in an arithmetic, and the spread is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from reference.rounding.arithmetic import ARITHMETICS, Arithmetic
from reference.rounding.array import Rounding
from reference.spec import Array

SAMPLES = 64
"""K. The estimate of a standard deviation from 64 samples is off by 9 %, from 16 by 18 %."""

DOUBLE = 2.0**-53
"""The unit roundoff of float64, in which the truth itself is computed."""

FLOOR = 0.1
"""The least σ̂ of an element, as a share of its tensor's RMS σ̂."""

TAIL = 3.5
"""σ that the largest sample may be off: of 64 normal ones it is more in 3 % of cases, and where errors grow
exponentially much more, which the root of a mean of so few squares does not see."""

FEWER = 4
"""How many times fewer errors a sample's mean square must vary by; that of 64 is known to 20 %."""

OVERFLOW = 2.0**400
"""σ of what comes of numbers that are too large for the type, and may be anything."""

Lift: TypeAlias = Callable[[Array], Array]


class Radius(NamedTuple):
    """How far the elements of one tensor stray in some arithmetic.

    ``sigma`` is the standard deviation of every element, without a floor. ``freedom`` is the
    number of independent errors that a tensor's elements amount to: (tr C)² / tr C² for their
    correlation matrix C; 1 where they all move together.
    """

    sigma: Array
    freedom: float


def radii(
    compute: Callable[[Lift], Sequence[Array]],
    truth: Sequence[Array],
    arithmetic: Arithmetic,
    *,
    seed: Sequence[int],
    samples: int = SAMPLES,
    at_once: int = SAMPLES,
) -> list[Radius]:
    """Return the radius of every result: σ = √(mean over K samples of (ỹ − y)²), and the freedom.

    Args:
        compute: ``compute(lift)`` runs the specification on arguments that were made with ``lift``.
        truth: The results without rounding.
        arithmetic: The arithmetic under test.
        seed: Seed of the random numbers.
        samples: K.
        at_once: Samples that share one broadcast call; fewer need less memory.

    Returns:
        A radius for every result.
    """
    found = deviations(compute, truth, arithmetic, seed=seed, samples=samples, at_once=at_once)
    return [radius(part, arithmetic) for part in found]


def scale(arithmetic: Arithmetic) -> float:
    """Return by how much the spread is smaller than the one that is simulated.

    The truth is a float64 run, with rounding errors of its own. Held to it, another float64 run
    is off by both: there σ grows by √2. In every wider arithmetic the truth's share is nothing.
    Noise as small as float64's would be lost in the float64 that simulates it, so it is simulated
    at float32's size and the spread scaled down: to first order the spread is linear in u.

    Args:
        arithmetic: The arithmetic under test.

    Returns:
        A factor of the spread.
    """
    return math.sqrt(2) * 2.0**-29 if arithmetic.u_op == DOUBLE else 1.0


def deviations(
    compute: Callable[[Lift], Sequence[Array]],
    truth: Sequence[Array],
    arithmetic: Arithmetic,
    *,
    seed: Sequence[int],
    samples: int = SAMPLES,
    at_once: int = SAMPLES,
) -> list[Array]:
    """Return ỹ − y of every result and sample, as large as it is simulated.

    Args:
        compute: ``compute(lift)`` runs the specification on arguments that were made with ``lift``.
        truth: The results without rounding.
        arithmetic: The arithmetic under test.
        seed: Seed of the random numbers.
        samples: K.
        at_once: Samples that share one broadcast call; fewer need less memory.

    Returns:
        Deviations (K, ...) of every result.
    """
    simulated = arithmetic
    if arithmetic.u_op == DOUBLE:
        float32 = ARITHMETICS["float32"]
        simulated = replace(
            float32, k_act=arithmetic.k_act, least=arithmetic.least, largest=math.inf
        )
    found: list[list[Array]] = [[] for _ in truth]
    for start in range(0, samples, at_once):
        some = min(at_once, samples - start)
        rounding = Rounding(simulated, some, [*seed, start], scale(arithmetic))
        with np.errstate(over="ignore", invalid="ignore"):  # overflow is what an arithmetic may do
            for parts, noisy, y in zip(found, compute(rounding.array), truth, strict=True):
                parts.append(cast(Any, noisy).values - y)
    return [np.concatenate(parts) for parts in found]


def radius(deviation: Array, arithmetic: Arithmetic) -> Radius:
    """Return σ and freedom; σ is at least 1 / TAIL of the largest deviation.

    tr C² is estimated from the inner products of different samples, whose mean square it is. The mean square
    of a sample varies by 2/ν; where it varies by that of far fewer errors, ν is theirs.

    Args:
        deviation: K deviations (K, ...).
        arithmetic: The arithmetic under test.

    Returns:
        The radius of the tensor.
    """
    finite = np.isfinite(deviation).all(axis=0)
    if not finite.all():
        sigma = radius(np.where(finite, deviation, 0), arithmetic).sigma
        return Radius(np.where(finite, sigma, OVERFLOW), 1.0)
    most = np.abs(deviation).max(axis=0)  # whose square may be too small a number
    ratio = np.divide(deviation, most, out=np.zeros_like(deviation), where=most > 0)
    sigma = np.maximum(most * np.sqrt((ratio**2).mean(axis=0)), most / TAIL)
    moving = sigma > 0
    normal = deviation[:, moving] / floored(sigma, moving)[moving]
    if not normal.size:
        return Radius(scale(arithmetic) * sigma, 1.0)
    products = normal @ normal.T / normal.shape[1]
    different = products[~np.eye(len(products), dtype=bool)]
    freedom = 1 / np.mean(different**2)
    varying = 2 / max((normal**2).mean(axis=1).var(), DOUBLE)
    if varying < freedom / FEWER:  # a rare event moves many elements at once
        freedom = varying
    return Radius(scale(arithmetic) * sigma, float(max(1.0, freedom)))


def floored(sigma: Array, inexact: Array) -> Array:
    """Return σ̂: σ with every element at least ``FLOOR`` of the RMS over the inexact ones.

    Args:
        sigma: σ of every element.
        inexact: Mask of the elements that may be off.

    Returns:
        σ̂ of every element.
    """
    return np.maximum(sigma, FLOOR * rms(sigma, inexact))


def rms(values: Array, among: Array) -> float:
    """Return the root mean square over some elements.

    Args:
        values: Numbers.
        among: Mask of the elements that count.

    Returns:
        Their RMS; 0 where there are none.
    """
    chosen = values[among]
    most = float(np.abs(chosen).max(initial=0.0))  # whose square may be too small or too large
    return most * math.sqrt(float(np.mean((chosen / most) ** 2))) if 0 < most < math.inf else most

"""The one place that decides whether a result agrees with the truth.

    bound    = Z · σ̂ + u_out · |y|
    margin   = |ŷ − y| / bound
    agrees         every margin ≤ 1 and RMS(error / σ̂) ≤ its limit, in every tensor
    differs        otherwise; and whenever a shape or dtype is wrong, a value is not finite, or an
                   element that no rounding touches is not exact
    inconclusive   where the truth holds what is larger than any number of the type; or where only tensors
                   with Z · RMS σ̂ > max(1 %, 32 u_store, 32 u_operand) · RMS |y| are in doubt:
                   inside so wide a bound agreement says nothing, and outside it nothing either,
                   because the radius is of first order and such errors are not

Exact elements count neither for σ̂'s floor nor for the RMS.

A check of the maximum misses drift; the RMS sees it, but its limit must know how many independent
errors a tensor holds. A thousand independent ones average to 1; a handful that move together, as
in one row of four units, are all 2 or all 3 now and then in correct code. The square of the RMS is
about χ²/ν with ν the radius's freedom, so the limit is that law's quantile at Z standard deviations, and
at least RMS_FLOOR: of one single error it is Z, as the maximum's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from records.schema import Element, Outcome, TensorResult
from reference import Array
from reference.rounding import OVERFLOW, Arithmetic, Radius, floored, rms

Z = 8.0
"""Radii that a correct element may be off; docs/calibration.md has the evidence."""

RMS_FLOOR = 2.0
"""The limit of RMS(error / σ̂) where a tensor holds very many independent errors; correct 16-bit
code reaches 1.96 where the errors of many steps are alike (docs/calibration.md)."""

UNDECIDED = 0.01
"""A bound above this share of the signal says nothing."""


@dataclass(frozen=True)
class Expected:
    """One tensor's truth and its radius."""

    value: Array
    radius: Radius

    @cached_property
    def exact(self) -> Array:
        """Which elements no rounding touches: in the padding, of rows of length 0, of words unused."""
        return self.radius.sigma == 0

    @cached_property
    def sigma(self) -> Array:
        """σ̂, floored."""
        return floored(self.radius.sigma, ~self.exact)


@dataclass(frozen=True)
class Verdict:
    """The outcome, why, and the figures of every tensor; ``margins`` by element for the card."""

    outcome: Outcome
    reason: str
    tensors: dict[str, TensorResult]
    worst: Element | None
    margins: dict[str, Array]

    @property
    def margin(self) -> float | None:
        """The largest margin of all tensors; None where one is not finite."""
        found = [t.margin for t in self.tensors.values()]
        return None if not found or None in found else max(m for m in found if m is not None)


def judge(
    got: Mapping[str, Array],
    dtypes: Mapping[str, str],
    dtype: str,
    expected: Mapping[str, Expected],
    arithmetic: Arithmetic,
) -> Verdict:
    """Hold ``got``, whose framework dtypes were ``dtypes``, to ``expected`` in ``arithmetic``."""
    if why := _misfit(got, dtypes, dtype, expected):
        return Verdict("differs", why, {}, None, {})
    tensors, margins = {}, {}
    wrong, doubted = [], []
    overflow = [
        why for name, e in expected.items() if (why := _overflow(name, e, arithmetic, dtype))
    ]
    for name, e in expected.items():
        error = got[name] - e.value
        margins[name] = _ratio(np.abs(error), bound(e, arithmetic))
        tensors[name] = result = _figures(error, margins[name], e)
        if overflow:
            doubted = overflow
        elif not np.isfinite(got[name]).all() and _may_overflow(e, dtype):
            doubted.append(f"{name}: its errors are as large as it is, and may overflow {dtype}")
        elif why := _broken(got[name], margins[name], e):
            wrong.append(f"{name}: {why}")
        elif is_undecided(e, arithmetic):
            doubted.append(f"{name}: the bound is {_in_words(result.bound_to_signal)}")
        elif why := _beyond(margins[name], result):
            wrong.append(f"{name}: {why}")
    outcome: Outcome = "differs" if wrong else "inconclusive" if doubted else "agrees"
    worst = _worst(got, expected, margins, arithmetic)
    return Verdict(outcome, "; ".join(wrong or doubted), tensors, worst, margins)


def bound(e: Expected, arithmetic: Arithmetic) -> Array:
    """How far every element of a correct result may be off; 0 where no rounding touches it."""
    return np.where(e.exact, 0.0, Z * e.sigma + arithmetic.u_out * np.abs(e.value))


def is_undecided(e: Expected, arithmetic: Arithmetic, share: float = 1.0) -> bool:
    """Whether the bound is so large a share of the signal that it says nothing, or ``share`` of that."""
    coarsest = max(arithmetic.u_store, arithmetic.u_operand)
    return bound_to_signal(e) > share * max(UNDECIDED, 32 * coarsest)


def _may_overflow(e: Expected, dtype: str) -> bool:
    """Whether another run may overflow on the way, though no sample did: float16 ends at 65504."""
    return dtype == "float16" and bound_to_signal(e) >= 1


def bound_to_signal(e: Expected) -> float:
    """Z · RMS σ̂ / RMS |y|, at most OVERFLOW, as where all signal is 0; 0 where all is exact."""
    allowed, signal = Z * rms(e.sigma, ~e.exact), rms(e.value, ~e.exact)
    return allowed / signal if allowed < OVERFLOW * signal else OVERFLOW * bool(allowed)


def _in_words(share: float) -> str:
    return f"{share:.1%} of the signal" if share < OVERFLOW else "more than 0, which the signal is"


def _worst(
    got: Mapping[str, Array],
    expected: Mapping[str, Expected],
    margins: Mapping[str, Array],
    arithmetic: Arithmetic,
) -> Element:
    """The element with the largest margin of all."""
    name = max(margins, key=lambda tensor: float(margins[tensor].max()))
    index = np.unravel_index(int(np.argmax(margins[name])), margins[name].shape)
    e = expected[name]
    value, sigma = float(e.value[index]), float(e.sigma[index])
    allowed = float(bound(e, arithmetic)[index])
    return Element(name, [int(i) for i in index], _finite(got[name][index]), value, sigma, allowed)


def _misfit(
    got: Mapping[str, Array],
    dtypes: Mapping[str, str],
    dtype: str,
    expected: Mapping[str, Expected],
) -> str:
    """What is wrong with the tensors' presence, shapes or dtypes; empty where nothing is."""
    if missing := expected.keys() - got.keys():
        return f"{', '.join(sorted(missing))}: not returned"
    if extra := got.keys() - expected.keys():
        return f"{', '.join(sorted(extra))}: returned, but this network has none"
    for name, e in expected.items():
        if got[name].shape != e.value.shape:
            return f"{name}: shape {got[name].shape} returned, expected {e.value.shape}"
        if dtypes.get(name) != dtype:
            return f"{name}: dtype {dtypes.get(name)} returned, expected {dtype}"
    return ""


def _ratio(error: Array, bound: Array) -> Array:
    """error / bound, where 0 / 0 is 0 and anything not finite is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / bound)
    return np.where(np.isfinite(ratio), ratio, np.inf)


def _figures(error: Array, margins: Array, e: Expected) -> TensorResult:
    inexact = ~e.exact
    normal = np.copysign(_ratio(np.abs(error), e.sigma), error)
    return TensorResult(
        margin=_finite(margins.max()),
        max_error=_finite(np.abs(normal[inexact]).max(initial=0.0)),
        rms_error=_finite(rms(normal, inexact)),
        rms_limit=rms_limit(e.radius.freedom),
        mean_error=_mean(normal[inexact]),
        bound_to_signal=bound_to_signal(e),
    )


def _overflow(name: str, e: Expected, arithmetic: Arithmetic, dtype: str) -> str:
    """Where the truth is no number of that type, or comes of what is none: then it may be anything."""
    beyond = int(((np.abs(e.value) > arithmetic.largest) | (e.radius.sigma >= OVERFLOW)).sum())
    if not beyond:
        return ""
    return f"{name}: {beyond} of {e.value.size} are, or come of, numbers larger than any {dtype}"


def _broken(got: Array, margins: Array, e: Expected) -> str:
    """What no width of the bound excuses; empty where nothing is."""
    if not np.isfinite(got).all():
        return f"{int((~np.isfinite(got)).sum())} of {got.size} elements are not finite"
    if (margins[e.exact] > 0).any():
        return (
            f"{int((margins[e.exact] > 0).sum())} of {int(e.exact.sum())} elements that no rounding "
            "touches (in the padding, of rows of length 0, of unused words) are not exact"
        )
    return ""


def _beyond(margins: Array, result: TensorResult) -> str:
    """How the errors are larger than rounding explains; empty where they are not."""
    if (margins > 1).any():
        return f"{int((margins > 1).sum())} of {margins.size} elements are beyond the bound"
    rms_error = math.inf if result.rms_error is None else result.rms_error
    if rms_error > result.rms_limit:
        return f"the RMS of error / σ̂ is {rms_error:.2f}, above {result.rms_limit:.2f}"
    return ""


def rms_limit(freedom: float) -> float:
    """The most that RMS(error / σ̂) may be: √(χ²/ν) at Z, by Wilson and Hilferty (1931)."""
    spread = 2 / (9 * freedom)
    return max(RMS_FLOOR, float((1 - spread + Z * math.sqrt(spread)) ** 1.5))


def _mean(values: Array) -> float | None:
    """The mean; None where it is not finite, 0 of nothing."""
    if not np.isfinite(values).all():
        return None
    return float(values.mean()) if values.size else 0.0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

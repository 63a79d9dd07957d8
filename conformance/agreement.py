"""Decide whether a result agrees with the truth. No other module decides it.

    bound    = Z · σ̂ + u_out · |y|
    margin   = |ŷ − y| / bound
    agrees         every margin ≤ 1 and RMS(error / σ̂) ≤ its limit, in every tensor
    differs        otherwise; and whenever a shape or dtype is wrong, a value is not finite, or an
                   element that no rounding touches is not exact
    inconclusive   the truth holds a number beyond the dtype's range; or every doubtful tensor has
                   Z · RMS σ̂ > max(1 %, 32 u_store, 32 u_operand) · RMS |y|. A bound that wide proves
                   nothing: errors inside it are no evidence of agreement, and errors outside it are
                   no evidence of a fault, because the radius is a first-order estimate

Exact elements count neither for σ̂'s floor nor for the RMS.

The maximum misses drift; the RMS sees it. The RMS limit depends on how many independent errors a tensor
holds. A thousand independent errors average to 1. A handful that move together, as in one row of four
units, are all 2 or all 3 now and then in correct code. The square of the RMS follows about χ²/ν, where ν is
the radius's freedom, so the limit is that law's quantile at Z standard deviations, and at least
RMS_FLOOR. For one single error the limit is Z, the same as for the maximum.
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
"""The number of radii that a correct element may be off; docs/results/calibration.md has the evidence."""

RMS_FLOOR = 2.0
"""The limit of RMS(error / σ̂) for a tensor with very many independent errors. Correct 16-bit code reaches
1.96 when the errors of many steps are alike (docs/results/calibration.md).
"""

UNDECIDED = 0.01
"""The largest share of the signal that a bound may take before a check proves nothing."""


@dataclass(frozen=True)
class Expected:
    """One tensor's truth and its radius."""

    value: Array
    radius: Radius

    @cached_property
    def exact(self) -> Array:
        """The mask of elements that no rounding touches: padding, rows of length 0, unused words."""
        return self.radius.sigma == 0

    @cached_property
    def sigma(self) -> Array:
        """The radius σ̂ per element, floored."""
        return floored(self.radius.sigma, ~self.exact)


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison, the reason for it, and the figures of every tensor.

    ``margins`` holds the margin of every element, for the failure card.
    """

    outcome: Outcome
    reason: str
    tensors: dict[str, TensorResult]
    worst: Element | None
    margins: dict[str, Array]

    @property
    def margin(self) -> float | None:
        """The largest margin of all tensors; None if one is not finite."""
        found = [t.margin for t in self.tensors.values()]
        return None if not found or None in found else max(m for m in found if m is not None)


def judge(
    got: Mapping[str, Array],
    dtypes: Mapping[str, str],
    dtype: str,
    expected: Mapping[str, Expected],
    arithmetic: Arithmetic,
) -> Verdict:
    """Compare a result with the truth and decide its outcome.

    Args:
        got: the backend's tensors, by name, in float64.
        dtypes: the framework's dtype of every tensor.
        dtype: the dtype that every tensor must have.
        expected: the truth and radius of every tensor.
        arithmetic: the arithmetic that the backend declares.

    Returns:
        The verdict, with the worst element and the margins of all elements.

    """
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
            doubted.append(
                f"{name}: errors are as large as the values themselves and may overflow {dtype}"
            )
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
    """Return how far each element of a correct result may be off.

    Args:
        e: a tensor's truth and radius.
        arithmetic: the arithmetic of the result.

    Returns:
        An array of the tensor's shape; 0 where no rounding touches the element.

    """
    return np.where(e.exact, 0.0, Z * e.sigma + arithmetic.u_out * np.abs(e.value))


def is_undecided(e: Expected, arithmetic: Arithmetic, share: float = 1.0) -> bool:
    """Return True if the bound is too large a share of the signal for a check to prove anything.

    Args:
        e: a tensor's truth and radius.
        arithmetic: the arithmetic of the result.
        share: a factor on the largest share that is accepted; below 1 is stricter.

    Returns:
        True if agreement would prove nothing.

    """
    coarsest = max(arithmetic.u_store, arithmetic.u_operand)
    return bound_to_signal(e) > share * max(UNDECIDED, 32 * coarsest)


def _may_overflow(e: Expected, dtype: str) -> bool:
    """Return True if another run may overflow in float16 although no sample did."""
    return dtype == "float16" and bound_to_signal(e) >= 1


def bound_to_signal(e: Expected) -> float:
    """Return Z · RMS σ̂ / RMS |y|.

    Args:
        e: a tensor's truth and radius.

    Returns:
        The ratio, at most OVERFLOW, which also stands for a signal of 0; 0 if every element is exact.

    """
    allowed, signal = Z * rms(e.sigma, ~e.exact), rms(e.value, ~e.exact)
    return allowed / signal if allowed < OVERFLOW * signal else OVERFLOW * bool(allowed)


def _in_words(share: float) -> str:
    return f"{share:.1%} of the signal" if share < OVERFLOW else "more than 0, and the signal is 0"


def _worst(
    got: Mapping[str, Array],
    expected: Mapping[str, Expected],
    margins: Mapping[str, Array],
    arithmetic: Arithmetic,
) -> Element:
    """Return the element with the largest margin."""
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
    """Return a complaint about missing or extra tensors, shapes or dtypes; empty if there is none."""
    if missing := expected.keys() - got.keys():
        return f"{', '.join(sorted(missing))}: not returned"
    if extra := got.keys() - expected.keys():
        return f"{', '.join(sorted(extra))}: returned, but this network has no such tensor"
    for name, e in expected.items():
        if got[name].shape != e.value.shape:
            return f"{name}: shape {got[name].shape} returned, expected {e.value.shape}"
        if dtypes.get(name) != dtype:
            return f"{name}: dtype {dtypes.get(name)} returned, expected {dtype}"
    return ""


def _ratio(error: Array, bound: Array) -> Array:
    """Return error / bound, where 0 / 0 is 0 and anything not finite is infinite."""
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
    """Return a complaint if the truth exceeds the dtype's range or comes from such numbers; else empty."""
    beyond = int(((np.abs(e.value) > arithmetic.largest) | (e.radius.sigma >= OVERFLOW)).sum())
    if not beyond:
        return ""
    return f"{name}: {beyond} of {e.value.size} elements exceed, or come from numbers that exceed, the range of {dtype}"


def _broken(got: Array, margins: Array, e: Expected) -> str:
    """Return a complaint about errors that no bound excuses; empty if there is none."""
    if not np.isfinite(got).all():
        return f"{int((~np.isfinite(got)).sum())} of {got.size} elements are not finite"
    if (margins[e.exact] > 0).any():
        return (
            f"{int((margins[e.exact] > 0).sum())} of {int(e.exact.sum())} elements that no rounding "
            "touches (in the padding, of rows of length 0, of unused words) are not exact"
        )
    return ""


def _beyond(margins: Array, result: TensorResult) -> str:
    """Return a complaint if the errors are larger than rounding explains; else empty."""
    if (margins > 1).any():
        return f"{int((margins > 1).sum())} of {margins.size} elements are beyond the bound"
    rms_error = math.inf if result.rms_error is None else result.rms_error
    if rms_error > result.rms_limit:
        return f"the RMS of error / radius is {rms_error:.2f}, above {result.rms_limit:.2f}"
    return ""


def rms_limit(freedom: float) -> float:
    """Return the largest RMS(error / σ̂) of a correct tensor: √(χ²/ν) at Z, by Wilson and Hilferty (1931).

    Args:
        freedom: ν, the number of independent errors that the tensor holds.

    Returns:
        The limit, at least RMS_FLOOR.

    """
    spread = 2 / (9 * freedom)
    return max(RMS_FLOOR, float((1 - spread + Z * math.sqrt(spread)) ** 1.5))


def _mean(values: Array) -> float | None:
    """Return the mean; None if it is not finite, 0 for an empty array."""
    if not np.isfinite(values).all():
        return None
    return float(values.mean()) if values.size else 0.0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

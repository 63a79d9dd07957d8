"""Whether a row became faster or slower between two sides that were timed in turn, in one run.

A pair are two processes right after one another, one of either side. Its figure is

    d_k = log (median ratio of head / median ratio of base),  ratio = seconds / the limit's, as in timing.py

The row's change is the median of the pairs', and its interval a bootstrap that draws pairs, then samples in
both processes of each. Where the two sides have other versions of a framework, its matrix products may have
changed too, and ratios to them do not see it: so the limit itself is compared as well, by the fastest sample
of every process, since there is nothing to divide it by.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from reports.records import Measurement
from reports.timing import LEVEL, RESAMPLES, Timing, ratios, timings

Verdict: TypeAlias = Literal["faster", "slower", "same", "ambiguous"]
Samples: TypeAlias = Sequence[float]


@dataclass(frozen=True)
class Change:
    """log(head / base): above 0, head takes longer."""

    value: float
    low: float
    high: float

    def verdict(self, budget: float) -> Verdict:
        """What it says where identical code may differ by the share ``budget``.

        ``same``: all of the interval lies within the budget. ``ambiguous``: it holds 0 and more than
        the budget, or a change that the budget has room for.
        """
        most = math.log1p(budget)
        if self.low > 0 and self.value > most:
            return "slower"
        if self.high < 0 and self.value < -most:
            return "faster"
        return "same" if -most <= self.low and self.high <= most else "ambiguous"

    def __str__(self) -> str:
        low, value, high = (math.expm1(x) for x in (self.low, self.value, self.high))
        return f"{value:+.1%} ({low:+.1%} to {high:+.1%})"


@dataclass(frozen=True)
class Comparison:
    """One row of both sides."""

    base: Timing
    head: Timing
    budget: float
    same_products: bool
    """The framework is the same on both sides, and so is the limit."""

    @cached_property
    def change(self) -> Change:
        """Of the row against its limit."""
        return self._change("ratio", ratios)

    @cached_property
    def of_limit(self) -> Change | None:
        """Of the limit itself, in seconds; None where it is the same."""
        return None if self.same_products else self._change("limit", _fastest)

    @property
    def refused(self) -> Measurement | None:
        """The first process of either side that has no speed."""
        return self.base.refused or self.head.refused

    @property
    def differs(self) -> bool:
        """Whether a side has no speed for a reason that is no mere lack of support."""
        return bool(self.refused and self.refused.outcome != "unsupported")

    @property
    def verdict(self) -> Verdict:
        """Of the row against its limit and of the limit: slower where one of them is."""
        if self.refused:
            return "ambiguous"
        found = [c.verdict(self.budget) for c in (self.change, self.of_limit) if c]
        worst: tuple[Verdict, ...] = ("slower", "ambiguous", "faster", "same")
        return next(word for word in worst if word in found)

    @property
    def changes(self) -> list[float]:
        """Of the row against its limit, in every pair."""
        return [_of_pair(*pair) for pair in self._pairs(ratios)]

    def _change(self, what: str, of: Callable[[Measurement], Samples]) -> Change:
        return change(self._pairs(of), f"{self.base.first.row} {what}")

    def _pairs(self, of: Callable[[Measurement], Samples]) -> list[tuple[Samples, Samples]]:
        both = zip(self.base.measurements, self.head.measurements, strict=True)
        return [(of(b), of(h)) for b, h in both]


def comparisons(
    base: Iterable[Measurement],
    head: Iterable[Measurement],
    budget: Callable[[Timing], float],
    *,
    same_products: bool,
) -> list[Comparison]:
    """The rows that both sides have timed in as many processes each, in the order of ``timings``.

    ``budget`` says what identical code may differ by in a row.
    """
    of_head = {t.first.row: t for t in timings(head)}
    found = []
    for t in timings(base):
        other = of_head.get(t.first.row)
        if other and len(other.measurements) == len(t.measurements):
            found.append(Comparison(t, other, budget(t), same_products))
    return found


def change(pairs: Sequence[tuple[Samples, Samples]], seed: str) -> Change:
    """The median of the pairs' changes, and its interval; the same ``seed``, the same interval."""
    drawn = random.Random(seed)  # statistics, no secret

    def again() -> float:
        some = drawn.choices(pairs, k=len(pairs))
        return _typical([(_resampled(b, drawn), _resampled(h, drawn)) for b, h in some])

    found = sorted(again() for _ in range(RESAMPLES))
    outside = round((1 - LEVEL) / 2 * RESAMPLES)
    return Change(_typical(pairs), found[outside], found[-1 - outside])


def _fastest(m: Measurement) -> Samples:
    return [min(m.limit_seconds)]


def _typical(pairs: Sequence[tuple[Samples, Samples]]) -> float:
    return statistics.median(_of_pair(*pair) for pair in pairs)


def _of_pair(base: Samples, head: Samples) -> float:
    return math.log(statistics.median(head) / statistics.median(base))


def _resampled(samples: Samples, drawn: random.Random) -> Samples:
    return drawn.choices(samples, k=len(samples))

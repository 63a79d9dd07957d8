"""Whether a row became faster or slower between two sides that were timed in turn, in one run.

A pair are two processes that took a sample each in turn. Its changes, one of every two neighbouring samples, are

    d_k = log (head_k / base_k)

The row's change is the median of the pairs' medians, and its interval a bootstrap that draws pairs, then d_k
within each. On one processor, time is that for which the process had it: other processes' is not in it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from records.schema import Measurement
from records.timing import Timing, interval, median_of_medians, timings

Verdict: TypeAlias = Literal["faster", "slower", "same", "ambiguous"]


class Noise(NamedTuple):
    """What comparisons of a row can tell, as shares of its time."""

    budget: float
    """Identical code may differ by so much."""
    detectable: float
    """A change that is so large is found."""


NOTHING_KNOWN = Noise(0.0, 0.0)
"""For comparisons whose change is looked at, not their verdict."""


@dataclass(frozen=True)
class Change:
    """log(head / base): above 0, head takes longer."""

    value: float
    low: float
    high: float

    def verdict(self, noise: Noise) -> Verdict:
        """What it says of a row with that noise.

        ``same``: no change that would be found lies in the interval. ``ambiguous``: one does, and so does
        none at all; or the budget has room for the change.
        """
        budget, found = (math.log1p(share) for share in (noise.budget, max(noise)))
        if self.low > 0 and self.value > budget:
            return "slower"
        if self.high < 0 and self.value < -budget:
            return "faster"
        return "same" if -found <= self.low and self.high <= found else "ambiguous"

    def __str__(self) -> str:
        low, value, high = (math.expm1(x) for x in (self.low, self.value, self.high))
        return f"{value:+.1%} ({low:+.1%} to {high:+.1%})"


@dataclass(frozen=True)
class Comparison:
    """One row of both sides."""

    base: Timing
    head: Timing
    noise: Noise

    @cached_property
    def change(self) -> Change:
        """Of the processor's time, where it was measured."""
        return change(self._pairs(_own), f"{self.base.first.row} own")

    @cached_property
    def by_clock(self) -> Change:
        """Of the time that a clock on the wall says."""
        return change(self._pairs(_by_clock), f"{self.base.first.row} by clock")

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
        """That of the change; ``ambiguous`` where by the clock alone head is slower.

        For then it waits, or others had its processor: nobody can say which.
        """
        if self.refused or self.slower_by_clock_alone:
            return "ambiguous"
        return self.change.verdict(self.noise)

    @property
    def slower_by_clock_alone(self) -> bool:
        """Whether the processor's time does not say so."""
        found, seen = (c.verdict(self.noise) for c in (self.change, self.by_clock))
        return seen == "slower" != found

    @property
    def changes(self) -> list[float]:
        """The median of every pair."""
        return [statistics.median(d) for d in self._pairs(_own)]

    def _pairs(self, of: Callable[[Measurement], Sequence[float]]) -> list[list[float]]:
        """The changes of every pair."""
        both = zip(self.base.measurements, self.head.measurements, strict=True)
        return [_changes(of(base), of(head)) for base, head in both]


def comparisons(
    base: Iterable[Measurement], head: Iterable[Measurement], noise: Callable[[Timing], Noise]
) -> list[Comparison]:
    """The rows that both sides have timed in as many processes each, in the order of ``timings``.

    ``noise`` says what can be told of a row.
    """
    of_head = {t.first.row: t for t in timings(head)}
    found = []
    for t in timings(base):
        other = of_head.get(t.first.row)
        if other and len(other.measurements) == len(t.measurements):
            found.append(Comparison(t, other, noise(t)))
    return found


def joined(one: Comparison, other: Comparison) -> Comparison:
    """One row, the pairs of both together, held to what ``one`` alone promises to find."""
    base, head = (
        Timing((*getattr(one, side).measurements, *getattr(other, side).measurements))
        for side in ("base", "head")
    )
    return Comparison(base, head, one.noise)


def change(pairs: Sequence[Sequence[float]], seed: str) -> Change:
    """The median of the pairs' medians, and its interval; the same ``seed``, the same interval."""
    return Change(median_of_medians(pairs), *interval(pairs, seed, median_of_medians))


def _changes(base: Sequence[float], head: Sequence[float]) -> list[float]:
    # Where one process ended early, the last samples of the other have no neighbours.
    return [math.log(h / b) for b, h in zip(base, head, strict=False)]


def _own(m: Measurement) -> Sequence[float]:
    return m.processor_seconds or m.seconds


def _by_clock(m: Measurement) -> Sequence[float]:
    return m.seconds

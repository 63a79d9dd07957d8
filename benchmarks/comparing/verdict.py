"""Decide whether a row became faster or slower from base to head.

The two processes of a pair alternate, so each sample of head has a neighbour of base. The changes of a pair are

    d_k = log (head_k / base_k)

The row's change is the median of the pairs' medians. Its interval comes from a bootstrap that draws pairs, then d_k
within each pair. On one processor, changes are those of CPU time, which excludes other processes.
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
    """The noise of a row, in shares of its time."""

    budget: float
    """The most that identical code differs by."""
    detectable: float
    """The smallest change that is found."""


NO_NOISE = Noise(0.0, 0.0)
"""The noise for comparisons whose verdict does not matter."""


@dataclass(frozen=True)
class Change:
    """A change log(head / base) with its 95 % interval; above 0, head takes longer."""

    value: float
    low: float
    high: float

    def verdict(self, noise: Noise) -> Verdict:
        """Return the verdict for a row.

        ``slower`` and ``faster`` exclude 0 and exceed the budget. ``same`` means that the interval excludes every
        detectable change. Anything else is ``ambiguous``.

        Args:
            noise: the row's noise.

        Returns:
            The verdict.
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
    """A row, timed on both sides."""

    base: Timing
    head: Timing
    noise: Noise

    @cached_property
    def change(self) -> Change:
        """Change of the CPU time, or of the wall time where CPU time was not measured."""
        return estimate_change(self._pairs(_cpu_seconds), f"{self.base.first.row} own")

    @cached_property
    def wall_change(self) -> Change:
        """Change of the wall time."""
        return estimate_change(self._pairs(_wall_seconds), f"{self.base.first.row} by clock")

    @property
    def refused(self) -> Measurement | None:
        """The first measurement of either side that has no speed, or None."""
        return self.base.refused or self.head.refused

    @property
    def differs(self) -> bool:
        """True if a side has no speed for a reason other than lack of support."""
        return bool(self.refused and self.refused.outcome != "unsupported")

    @property
    def verdict(self) -> Verdict:
        """Verdict on the change; ``ambiguous`` if only the wall time is slower.

        In that case head waits more, or other processes took its processor; the figures cannot tell which.
        """
        if self.refused or self.slower_in_wall_time_only:
            return "ambiguous"
        return self.change.verdict(self.noise)

    @property
    def slower_in_wall_time_only(self) -> bool:
        """True if head's wall time is slower and its CPU time is not."""
        found, seen = (c.verdict(self.noise) for c in (self.change, self.wall_change))
        return seen == "slower" != found

    @property
    def changes(self) -> list[float]:
        """Median change of every pair."""
        return [statistics.median(d) for d in self._pairs(_cpu_seconds)]

    def _pairs(self, of: Callable[[Measurement], Sequence[float]]) -> list[list[float]]:
        """Return the changes of every pair."""
        both = zip(self.base.measurements, self.head.measurements, strict=True)
        return [_changes(of(base), of(head)) for base, head in both]


def compare_rows(
    base: Iterable[Measurement], head: Iterable[Measurement], noise: Callable[[Timing], Noise]
) -> list[Comparison]:
    """Compare the rows that both sides timed in equally many processes.

    Args:
        base: measurements of base.
        head: measurements of head.
        noise: returns the noise of a row.

    Returns:
        One comparison per row, in the order of ``timings``.
    """
    of_head = {t.first.row: t for t in timings(head)}
    found = []
    for t in timings(base):
        other = of_head.get(t.first.row)
        if other and len(other.measurements) == len(t.measurements):
            found.append(Comparison(t, other, noise(t)))
    return found


def join(one: Comparison, other: Comparison) -> Comparison:
    """Join two comparisons of one row.

    Args:
        one: the first comparison.
        other: the second one.

    Returns:
        A comparison with the pairs of both, and the noise of ``one``.
    """
    base, head = (
        Timing((*getattr(one, side).measurements, *getattr(other, side).measurements))
        for side in ("base", "head")
    )
    return Comparison(base, head, one.noise)


def estimate_change(pairs: Sequence[Sequence[float]], seed: str) -> Change:
    """Estimate a change.

    Args:
        pairs: changes of every pair.
        seed: seed of the bootstrap; equal seeds give equal intervals.

    Returns:
        The median of the pairs' medians, with its interval.
    """
    return Change(median_of_medians(pairs), *interval(pairs, seed, median_of_medians))


def _changes(base: Sequence[float], head: Sequence[float]) -> list[float]:
    # If one process ended early, the last samples of the other one have no neighbours.
    return [math.log(h / b) for b, h in zip(base, head, strict=False)]


def _cpu_seconds(m: Measurement) -> Sequence[float]:
    return m.processor_seconds or m.seconds


def _wall_seconds(m: Measurement) -> Sequence[float]:
    return m.seconds

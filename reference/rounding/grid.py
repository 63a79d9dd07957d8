"""Rounding to grids whose places are shifted at random: equal values err alike, unlike ones do not.

A kernel rounds equal values equally: at every step of a sequence that has come to rest, and in every row of
a batch of equal rows, its error is the same, and such errors add up. Errors drawn anew at every operation
would not. So a sample rounds to a grid, as a kernel does, and only where its places are is random:

    t = v / g,   n = ⌊t⌉,   d = α n + β − ⌊α n + β⌉,   v' = g (⌊t + d⌉ − d)

g is a power of two times a constant. α and β are uniform on (0, 1), and belong to a sample, a kind of
operation and a unit (the place on the last axis), for as long as the specification runs. Over the samples
the error is uniform on (−g/2, g/2), and those of different places n are independent.

Where a fine grid is simulated by one that is much coarser, as float64's is, values that the fine one would
tell apart share a place on the coarse one, and would err alike; there n counts finer places.

An elementary function is an approximation, whose error is one of its argument, and may be much the same for
all arguments of a region. So in half of the samples n is the place of the argument, not of the value, which
where the function has saturated is the same for many; and in the others the error is one share of the grid,
away from 0 or towards it: an odd function has an odd error, which adds up where values swing. (Grids are not
odd: then b and −b, added one after the other, would be off by as much, and their sum exact.)
"""

from __future__ import annotations

import math

import numpy as np

from reference.spec import Array

EVEN = math.sqrt(8 / 3 * math.log(2))
"""Where the last power of two stands for v: the factor at which its mean square over all v is that of v."""

FINER = 2.0**20
"""Places between two of a coarse grid that are told apart."""

_EXPONENT = np.int64(0x7FF0000000000000)
"""The bits of a float64 that are its exponent."""
_LEAST = float(np.finfo(np.float64).tiny)


def magnitude(v: Array) -> Array:
    """Return the largest power of two that is at most |v|; 0 below the smallest normal number.

    Args:
        v: Values.

    Returns:
        Powers of two, in the shape of v.
    """
    return (v.view(np.int64) & _EXPONENT).view(np.float64)


def _in_grid(v: Array, spacing: Array) -> Array:
    """t = v / g."""
    g = np.maximum(spacing, _LEAST)
    return np.divide(v, g, out=g) if g.shape == v.shape else v / g


def _to_grid(v: Array, t: Array, spacing: Array, d: Array) -> Array:
    """v' = g (⌊t + d⌉ − d)."""
    n = np.rint(d)
    d -= n
    d += t
    np.rint(d, out=n)
    n -= d
    n *= spacing
    n += v
    return _as_infinite(n, v)


def _as_infinite(rounded: Array, v: Array) -> Array:
    """Keep infinite values as they are; a grid of infinite spacing has no places."""
    lost = np.isnan(rounded)
    if lost.any():
        np.copyto(rounded, v, where=lost)
    return rounded


class Grids:
    """The grids of K samples.

    Args:
        samples: K.
        random: The random numbers.
        coarse: Whether they stand for much finer grids.
    """

    def __init__(self, samples: int, random: np.random.Generator, *, coarse: bool) -> None:
        self.samples = samples
        self._finer = FINER if coarse else 1.0
        self._random = random
        self._biased = random.random(samples) < 0.5
        self._drawn: dict[tuple[str | int, ...], Array] = {}

    def rounded(self, v: Array, spacing: Array, kind: str) -> Array:
        """Round values to grids; a value stays where the spacing is 0 or it is infinite.

        Args:
            v: Values (K or 1, ...).
            spacing: The spacing of the grid at every value.
            kind: The kind of operation, whose grids it shares.

        Returns:
            Rounded values (K, ...).
        """
        t = _in_grid(v, spacing)
        return _to_grid(v, t, spacing, self._places(t, kind))

    def approximated(
        self, v: Array, spacing: Array, argument: Array, step: Array, kind: str
    ) -> Array:
        """Round a function's values by its argument in half of the samples, and by one share in the others.

        Args:
            v: Values (K or 1, ...).
            spacing: The spacing of the grid at every value.
            argument: The function's argument.
            step: The spacing in which arguments are told apart.
            kind: The name of the function.

        Returns:
            Rounded values (K, ...).
        """
        places = self._places(_in_grid(argument, step), kind)
        by_argument = _to_grid(v, _in_grid(v, spacing), spacing, places)
        _, share = self._draws(f"bias of {kind}", v)
        biased = self._biased.reshape(-1, *(1,) * (v.ndim - 1))
        by_share = v + np.copysign(spacing, v) * (share - 0.5)
        return _as_infinite(np.where(biased, by_share, by_argument), v)

    def _places(self, t: Array, kind: str) -> Array:
        """Return d, whose whole part does not matter."""
        alpha, beta = self._draws(kind, t)
        n = np.rint(t if self._finer == 1 else t * self._finer)
        d = np.multiply(alpha, n, out=n) if len(n) == self.samples else alpha * n
        d += beta
        return d

    def _draws(self, kind: str, v: Array) -> Array:
        """Return α and β of every sample and unit, in axes that fit ``v``."""
        units = v.shape[1:][-1:]  # of a single number, a loss, none
        key = kind, *units
        if key not in self._drawn:
            self._drawn[key] = self._random.random((2, self.samples, *units))
        return self._drawn[key].reshape(2, self.samples, *(1,) * (v.ndim - 2), *units)

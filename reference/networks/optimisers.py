"""How training changes the parameters, from the papers' equations; θ parameters, g gradients.

θ and g are one vector each, of all parameters together. An optimiser's ``update`` takes g and what it
remembers, and returns what is subtracted from θ, and what it remembers next.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from reference.spec import Array
from reference.sums import constant

Memory: TypeAlias = tuple[Array, ...]


@dataclass(frozen=True, kw_only=True)
class GradientDescent:
    """θ ← θ − rate · g."""

    rate: float

    def remember(self, g: Array) -> Memory:
        """Nothing."""
        return ()

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """Rate · g."""
        return g * self.rate, ()


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """v ← momentum · v + g;  θ ← θ − rate · v  (Polyak, 1964), v starting at 0."""

    rate: float
    momentum: float

    def remember(self, g: Array) -> Memory:
        """v = 0."""
        return (np.zeros_like(g, shape=g.shape),)

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """Rate · v."""
        v = memory[0] * self.momentum + g
        return v * self.rate, (v,)


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980), at step t = 1, 2, …, m and v starting at 0.

    m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
    ε "outside"   θ ← θ − rate · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)   (algorithm 1)
    ε "inside"    θ ← θ − rate_t · m / (√v + ε),  rate_t = rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ)  (section 2)
    """

    rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    placement: Literal["outside", "inside"] = "outside"

    def remember(self, g: Array) -> Memory:
        """m = v = 0 and β₁⁰ = β₂⁰ = 1; the powers are arrays, and round as such."""
        zero, one = np.zeros_like(g, shape=g.shape), constant(1.0, g)
        return zero, zero, one, one

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """As ``placement`` says."""
        m, v, power1, power2 = memory
        power1, power2 = power1 * self.beta1, power2 * self.beta2
        m = m * self.beta1 + g * (1 - self.beta1)
        v = v * self.beta2 + g * g * (1 - self.beta2)
        if self.placement == "outside":
            step = m / (1 - power1) * self.rate / (np.sqrt(v / (1 - power2)) + self.epsilon)
        else:
            rate = np.sqrt(1 - power2) / (1 - power1) * self.rate
            step = m * rate / (np.sqrt(v) + self.epsilon)
        return step, (m, v, power1, power2)


Optimiser: TypeAlias = GradientDescent | Momentum | Adam


@dataclass(frozen=True, kw_only=True)
class Clip:
    """By global norm (Pascanu et al., arXiv:1211.5063); ‖g‖ is over all parameters together.

    g ← g · min(1, most / (‖g‖ + epsilon))
    """

    most: float
    epsilon: float = 0.0

    def __call__(self, g: Array) -> Array:
        """The clipped gradients."""
        norm = np.sqrt(np.sum(g * g, axis=-1, keepdims=True))
        return g * (self.most / np.maximum(norm + self.epsilon, self.most))


Rule = TypeVar("Rule", bound=Optimiser | Clip)
BELOW_ONE = ("momentum", "beta1", "beta2")


def check_optimiser(optimiser: Optimiser, clip: Clip | None, dtype: np.dtype[Any]) -> None:
    """Raise ``ValueError`` for a hyperparameter that is no number of its range, or not in ``dtype``."""
    if not isinstance(optimiser, Optimiser):
        raise ValueError(f"optimiser: {type(optimiser).__name__} given, expected {Optimiser}")
    if not (clip is None or isinstance(clip, Clip)):
        raise ValueError(f"clip: {type(clip).__name__} given, expected a Clip or None")
    for owner in (optimiser, clip):
        for name, value in vars(owner).items() if owner else ():
            where = f"{type(owner).__name__}.{name}"
            if name == "placement":
                if not (isinstance(value, str) and value in ("outside", "inside")):
                    raise ValueError(f"{where}: {value!r} given, expected 'outside' or 'inside'")
                continue
            most = 1 if name in BELOW_ONE else math.inf
            zero = name in BELOW_ONE or (isinstance(owner, Clip) and name == "epsilon")
            rounded = _rounded(value, dtype)
            if not (0 < rounded < most or (zero and rounded == 0 == value)):
                expected = f"{'0 or ' if zero else ''}a number above 0 and below {most} in {dtype}"
                raise ValueError(f"{where}: {value!r} given, expected {expected}")


def _rounded(value: object, dtype: np.dtype[Any]) -> float:
    """The number as ``dtype`` has it, infinity where it overflows; NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    with np.errstate(all="ignore"), suppress(OverflowError):
        return float(dtype.type(float(value)))
    return math.inf


def in_floats(rule: Rule) -> Rule:
    """Its numbers as Python's, which take the dtype of the arrays that they meet; NumPy's do not."""
    floats: dict[str, Any] = {k: float(v) for k, v in vars(rule).items() if k != "placement"}
    return replace(rule, **floats)

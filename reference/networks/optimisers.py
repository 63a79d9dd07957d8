"""How training changes the parameters, from the papers' equations; θ parameters, g gradients.

θ and g are one vector each, of all parameters together. An optimiser's ``update`` takes g and its
memory, and returns the numbers that are subtracted from θ, and the next memory.
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
        """Return an empty memory.

        Args:
            g: Gradients of all parameters (..., P).

        Returns:
            ().
        """
        return ()

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """Return rate · g.

        Args:
            g: Gradients of all parameters (..., P).
            memory: ().

        Returns:
            The numbers that are subtracted from θ, (..., P); and the memory of the next step.
        """
        return g * self.rate, ()


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """v ← momentum · v + g;  θ ← θ − rate · v  (Polyak, 1964), v starting at 0."""

    rate: float
    momentum: float

    def remember(self, g: Array) -> Memory:
        """Return v = 0.

        Args:
            g: Gradients of all parameters (..., P).

        Returns:
            v.
        """
        return (np.zeros_like(g, shape=g.shape),)

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """Return rate · v.

        Args:
            g: Gradients of all parameters (..., P).
            memory: v.

        Returns:
            The numbers that are subtracted from θ, (..., P); and the memory of the next step.
        """
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
        """Return m = v = 0 and β₁⁰ = β₂⁰ = 1; the powers are arrays, and round as such.

        Args:
            g: Gradients of all parameters (..., P).

        Returns:
            m, v and the powers of β₁ and β₂.
        """
        zero, one = np.zeros_like(g, shape=g.shape), constant(1.0, g)
        return zero, zero, one, one

    def update(self, g: Array, memory: Memory) -> tuple[Array, Memory]:
        """Return the step of the equations with ε where ``placement`` says.

        Args:
            g: Gradients of all parameters (..., P).
            memory: m, v and the powers of β₁ and β₂.

        Returns:
            The numbers that are subtracted from θ, (..., P); and the memory of the next step.
        """
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
        """Clip gradients by their global norm.

        Args:
            g: Gradients of all parameters (..., P).

        Returns:
            The clipped gradients (..., P).
        """
        norm = np.sqrt(np.sum(g * g, axis=-1, keepdims=True))
        return g * (self.most / np.maximum(norm + self.epsilon, self.most))


Rule = TypeVar("Rule", bound=Optimiser | Clip)
BELOW_ONE = ("momentum", "beta1", "beta2")


def check_optimiser(optimiser: Optimiser, clip: Clip | None, dtype: np.dtype[Any]) -> None:
    """Check the hyperparameters of training.

    Args:
        optimiser: The optimiser.
        clip: The clipping of gradients, or None.
        dtype: The dtype of the parameters.

    Raises:
        ValueError: A hyperparameter is no number of its range, or is not one in ``dtype``.
    """
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
    """Return a number rounded to ``dtype``: infinity if it overflows, NaN if it is no number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    with np.errstate(all="ignore"), suppress(OverflowError):
        return float(dtype.type(float(value)))
    return math.inf


def in_floats(rule: Rule) -> Rule:
    """Return a rule with Python's floats, which take the dtype of the arrays that they meet.

    Args:
        rule: An optimiser or a clip, with any real numbers.

    Returns:
        The same rule.
    """
    floats: dict[str, Any] = {k: float(v) for k, v in vars(rule).items() if k != "placement"}
    return replace(rule, **floats)

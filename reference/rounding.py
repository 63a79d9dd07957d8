"""The rounding radius: how far a correct implementation may stray from the truth.

The specification is run K times on an array type that rounds at random like the arithmetic
under test (Monte Carlo arithmetic; Parker, 1997; Verificarlo), and the spread is measured. The
equations know nothing of it: they are the same code.

An arithmetic is four unit roundoffs. With ξ uniform on (−1, 1), drawn anew for every element:

    +, −, ×, ÷        v (1 + u_op ξ), then storage
    tanh, exp, σ      v (1 + k_act u_op ξ), then storage
    sums and matmul   v + s, then storage;  s has mean 0 and, for depth n with p₂ = Σ aₖ² bₖ²,
                      variance ⅔ u_operand² p₂ + ⅓ u_acc² · n/2 · max(p₂, v²)
    storage           v (1 + u_store ξ)

The max(p₂, v²) is for sums of one sign, whose partial sums are as large as the result.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from reference.cells import sigmoid
from reference.spec import Array
from reference.sums import outer, scatter, total

K_ACT = 3.0
"""How many u_op an elementary function may be off; docs/calibration.md has the evidence."""

SAMPLES = 64
"""K. The estimate of a standard deviation from 64 samples is off by 9 %, from 16 by 18 %."""

FLOOR = 0.1
"""The least σ̂ of an element, as a share of its tensor's RMS σ̂."""


@dataclass(frozen=True)
class Arithmetic:
    """Unit roundoffs of a matmul's operands, its accumulation, all else, and storage; 0 = exact."""

    name: str
    u_operand: float
    u_acc: float
    u_op: float
    u_store: float
    k_act: float = K_ACT
    """How many u_op an elementary function may be off."""
    u_sum: float = 0
    """Of the accumulation of plain sums, where it is not that of matrix products."""

    @property
    def u_out(self) -> float:
        """The unit roundoff of the type that results are returned in."""
        return self.u_store or self.u_op


ARITHMETICS: dict[str, Arithmetic] = {
    a.name: a
    for a in (
        Arithmetic("float64", 0, 2**-53, 2**-53, 0),
        Arithmetic("float32", 0, 2**-24, 2**-24, 0),
        Arithmetic("tf32", 2**-11, 2**-24, 2**-24, 0),
        Arithmetic("float16", 0, 2**-24, 2**-24, 2**-11),
        Arithmetic("float16-summed", 0, 2**-24, 2**-24, 2**-11, u_sum=2**-11),
        Arithmetic("float16-throughout", 0, 2**-11, 2**-11, 2**-11),
        Arithmetic("bfloat16", 0, 2**-24, 2**-24, 2**-8),
        Arithmetic("bfloat16-summed", 0, 2**-24, 2**-24, 2**-8, u_sum=2**-8),
        Arithmetic("bfloat16-throughout", 0, 2**-8, 2**-8, 2**-8),
    )
}
"""From the tightest to the loosest. float16 and bfloat16 accumulate in float32; the kernels that add
up plain sums in the 16-bit type, or compute in it throughout, have arithmetics of their own."""

_EXACT = {np.negative, np.positive, np.absolute, np.maximum, np.minimum}
_ROUNDED = {np.add, np.subtract, np.multiply, np.true_divide, np.sqrt}
_ELEMENTARY = {np.tanh, np.exp, np.log}
_QUESTION = {np.isfinite, np.isnan, np.less, np.less_equal, np.greater, np.greater_equal,
             np.equal, np.not_equal}  # fmt: skip
_FUNCTIONS = {np.where: 3, np.stack: 1, np.concatenate: 1, np.swapaxes: 3, np.sum: 1,
              np.max: 1}  # fmt: skip
"""Functions that are known, with the number of their positional arguments."""


class Rounding:
    """A source of rounding errors: one arithmetic, one stream of random numbers, K samples."""

    def __init__(self, arithmetic: Arithmetic, samples: int, seed: Sequence[int]) -> None:
        self.arithmetic = arithmetic
        self.samples = samples
        self._random = np.random.default_rng(seed)

    def array(self, value: Array) -> Array:
        """``value (…)`` as an exact array ``(1, …)`` that rounds from its first operation on."""
        return cast(Array, RoundingArray(np.asarray(value, np.float64)[None], self))

    def relative(self, v: Array, u: float) -> Array:
        """v (1 + u ξ), one ξ for every sample and element."""
        if not u:
            return v
        xi = self._random.random((self.samples, *v.shape[1:]))
        xi *= 2 * u
        xi += 1 - u
        return v * xi

    def stored(self, v: Array) -> Array:
        """v (1 + u_store ξ)."""
        return self.relative(v, self.arithmetic.u_store)

    def summed(self, v: Array, p2: Array, depth: int, u_operand: float, u_acc: float) -> Array:
        """A sum of ``depth`` products with their squares' sum ``p2``, then storage."""
        variance = (2 / 3) * u_operand**2 * p2
        variance = variance + (u_acc**2 * depth / 6) * np.maximum(p2, v * v)
        xi = self._random.random((self.samples, *v.shape[1:]))
        xi -= 0.5  # uniform with variance 1/12
        return self.stored(v + np.sqrt(12 * variance) * xi)


class RoundingArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Float64 values ``(K or 1, ...)`` whose every operation rounds at random.

    The first axis holds the samples. It knows the operations named in this file; any other
    raises ``TypeError``, so that no operation is silently exact.
    """

    def __init__(self, values: Array, rounding: Rounding) -> None:
        self.values = values
        self.rounding = rounding

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def ndim(self) -> int:
        return self.values.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> RoundingArray:
        return self._like(self.values[index])

    def reshape(self, *shape: int) -> RoundingArray:
        """The same values in another shape, in which the samples stay apart."""
        if shape[0] != len(self):
            raise _unknown(f"reshape to {shape}, which does not leave the samples apart,")
        return self._like(self.values.reshape(*shape))

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError(
            "RoundingArray: asked to become a plain array, where it would stop rounding; use an "
            "operation that it knows, or add the operation to reference/rounding.py"
        )

    def _like(self, values: Array) -> RoundingArray:
        return RoundingArray(values, self.rounding)

    def elementary(self, function: Callable[[Array], Array]) -> RoundingArray:
        """tanh, exp or σ: off by up to k_act u_op, then stored."""
        rounding = self.rounding
        u = rounding.arithmetic.k_act * rounding.arithmetic.u_op
        return self._like(rounding.stored(rounding.relative(function(self.values), u)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rounding, u_op = self.rounding, self.rounding.arithmetic.u_op
        if method != "__call__" or kwargs:
            raise _unknown(f"{ufunc.__name__}.{method} with {sorted(kwargs)}")
        values = [_values(i) for i in inputs]
        if ufunc in _QUESTION:
            return ufunc(*values)
        if ufunc in _EXACT:
            return self._like(ufunc(*values))
        if ufunc in _ROUNDED:
            return self._like(rounding.stored(rounding.relative(ufunc(*values), u_op)))
        if ufunc in _ELEMENTARY:
            return self.elementary(ufunc)
        if ufunc is np.matmul:
            a, b = values
            u = rounding.arithmetic
            p2 = (a * a) @ (b * b)
            return self._like(rounding.summed(a @ b, p2, a.shape[-1], u.u_operand, u.u_acc))
        raise _unknown(ufunc.__name__)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> RoundingArray:
        if function is np.zeros_like and kwargs.keys() == {"shape"}:
            return self._like(np.zeros(kwargs["shape"]))
        reduces = function in (np.sum, np.max)
        known = {"axis", "keepdims"} if reduces else {"axis"}
        if _FUNCTIONS.get(function) != len(args) or not kwargs.keys() <= known:
            raise _unknown(f"{function.__name__} with {len(args)} arguments and {sorted(kwargs)}")
        axes = args[1:] if function is np.swapaxes else (kwargs.get("axis"),)
        first = -self.ndim - (function is np.stack)  # the samples' axis in the result
        if function is not np.where and not all(first < (a or 0) < 0 for a in axes):
            raise _unknown(f"{function.__name__} along {axes}, with axes that count from the last "
                           "and leave the samples apart,")  # fmt: skip
        plain = [_values(a) for a in args]
        if function is np.sum:
            v, p2 = np.sum(plain[0], **kwargs), np.sum(plain[0] ** 2, **kwargs)
            u = self.rounding.arithmetic
            depth = plain[0].shape[axes[0]]
            return self._like(self.rounding.summed(v, p2, depth, u.u_operand, u.u_sum or u.u_acc))
        return self._like(function(*plain, **kwargs))


def _unknown(what: str) -> TypeError:
    return TypeError(
        f"RoundingArray: no rounding is known for {what}; add it to reference/rounding.py"
    )


@sigmoid.register(RoundingArray)
def _(a: Any) -> Any:  # type: ignore[misc]  # a RoundingArray stands in for an Array
    return a.elementary(sigmoid)


@outer.register(RoundingArray)
def _(d: Any, v: Any) -> Any:  # type: ignore[misc]
    """One product a step, added up in storage, as automatic differentiation does."""
    shares = [np.swapaxes(d[..., t, :, :], -1, -2) @ v[..., t, :, :] for t in range(d.shape[-3])]
    return reduce(operator.add, shares)


@total.register(RoundingArray)
def _(d: Any) -> Any:  # type: ignore[misc]
    return reduce(operator.add, [np.sum(d[..., t, :, :], axis=-2) for t in range(d.shape[-3])])


@scatter.register(RoundingArray)
def _(d: Any, words: Array, vocabulary: int) -> Any:  # type: ignore[misc]
    """Added up place by place in storage, as a gather's gradient is."""
    flat = d.reshape(*d.shape[:-3], -1, d.shape[-1])
    places = [np.flatnonzero(words == word) for word in range(vocabulary)]
    zero = np.zeros_like(d, shape=(d.shape[0], d.shape[-1]))
    found = [reduce(operator.add, [flat[..., k, :] for k in here]) if len(here) else zero
             for here in places]  # fmt: skip
    return np.stack(found, axis=-2)


def _values(a: Any) -> Any:
    """What an operand holds; of a list or tuple of operands, item by item, samples aligned."""
    if isinstance(a, RoundingArray):
        return a.values
    if isinstance(a, list | tuple) and any(isinstance(i, RoundingArray) for i in a):
        whole = [_values(i) if isinstance(i, RoundingArray) else np.asarray(i)[None] for i in a]
        samples = max(len(i) for i in whole)
        return [np.broadcast_to(i, (samples, *i.shape[1:])) for i in whole]
    return a


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
    """The radius of every result: σ = √(mean over K samples of (ỹ − y)²), and the freedom.

    ``compute(lift)`` runs the specification on arguments made with ``lift``; ``truth`` is what it
    gives without. ``at_once`` samples share one broadcast call; fewer need less memory.

    The truth is a float64 run, with rounding errors of its own. Held to it, another float64 run
    is off by both: there σ grows by √2. In every wider arithmetic the truth's share is nothing.
    Noise as small as float64's would be lost in the float64 that simulates it, so it is simulated
    at float32's size and the spread scaled down: to first order the spread is linear in u.
    """
    scale = 1.0
    if arithmetic.name == "float64":
        arithmetic = replace(ARITHMETICS["float32"], k_act=arithmetic.k_act)
        scale = math.sqrt(2) * 2.0**-29
    deviations: list[list[Array]] = [[] for _ in truth]
    for start in range(0, samples, at_once):
        rounding = Rounding(arithmetic, min(at_once, samples - start), [*seed, start])
        for found, noisy, y in zip(deviations, compute(rounding.array), truth, strict=True):
            found.append(cast(Any, noisy).values - y)
    return [_radius(np.concatenate(found), scale) for found in deviations]


def _radius(deviation: Array, scale: float) -> Radius:
    """σ and freedom from K deviations ``(K, ...)``.

    tr C² is estimated from the inner products of different samples, whose mean square it is.
    """
    sigma = np.sqrt((deviation**2).mean(axis=0))
    moving = sigma > 0
    normal = deviation[:, moving] / floored(sigma, moving)[moving]
    if not normal.size:
        return Radius(scale * sigma, 1.0)
    products = normal @ normal.T / normal.shape[1]
    different = products[~np.eye(len(products), dtype=bool)]
    return Radius(scale * sigma, float(max(1.0, 1 / np.mean(different**2))))


def floored(sigma: Array, inexact: Array) -> Array:
    """σ̂: ``sigma`` with every element at least ``FLOOR`` of the RMS over the ``inexact`` ones."""
    return np.maximum(sigma, FLOOR * rms(sigma, inexact))


def rms(values: Array, among: Array) -> float:
    """Root mean square over the elements where ``among`` is true; 0 where there are none."""
    chosen = values[among]
    return math.sqrt(float(np.mean(chosen * chosen))) if chosen.size else 0.0

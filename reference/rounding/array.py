"""An array that rounds at random at every operation, as an arithmetic says."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, cast

import numpy as np

from reference.cells import sigmoid
from reference.rounding.arithmetic import Arithmetic
from reference.rounding.grid import EVEN, Grids, magnitude
from reference.spec import Array
from reference.sums import outer, rows, scatter, total

_EXACT = {np.negative, np.positive, np.absolute, np.maximum, np.minimum}
_ROUNDED = {np.add, np.subtract, np.multiply, np.true_divide, np.sqrt}
_ELEMENTARY = {np.tanh, np.exp, np.log}
_NEVER_0 = (np.exp, sigmoid)
_QUESTION = {np.isfinite, np.isnan, np.less, np.less_equal, np.greater, np.greater_equal,
             np.equal, np.not_equal}  # fmt: skip
_FUNCTIONS = {np.where: 3, np.stack: 1, np.concatenate: 1, np.swapaxes: 3, np.sum: 1,
              np.max: 1}  # fmt: skip
"""Functions that are known, with the number of their positional arguments."""


class Rounding:
    """A source of rounding errors: one arithmetic, one stream of random numbers, K samples.

    Args:
        arithmetic: The arithmetic under test.
        samples: K.
        seed: Seed of the random numbers.
        scale: The factor by which the spread is made smaller afterwards (``radius.py``). Errors of
            underflow, which do not depend on a roundoff, are that much larger here.
    """

    def __init__(
        self, arithmetic: Arithmetic, samples: int, seed: Sequence[int], scale: float = 1.0
    ) -> None:
        self.arithmetic = arithmetic
        self._scale = scale
        random = np.random.default_rng(seed)
        self._composed = random.random(samples) < 0.5
        self._grids = Grids(samples, random, coarse=scale != 1)

    def array(self, value: Array) -> Array:
        """Return a value as an exact array that rounds from its first operation on.

        Args:
            value: Numbers (...).

        Returns:
            A ``RoundingArray`` (1, ...).
        """
        return cast(Array, RoundingArray(np.asarray(value, np.float64)[None], self))

    def operation(self, v: Array, kind: str) -> Array:
        """Round the value of an operation to a grid of 2 u_op |v|, then store it.

        Args:
            v: Values (K or 1, ...).
            kind: The name of the operation.

        Returns:
            Rounded values (K, ...).
        """
        a = self.arithmetic
        return self.stored(self._grids.rounded(v, self._spacing(v, a.u_op, a.least), kind))

    def elementary(self, function: Callable[[Array], Array], argument: Array) -> Array:
        """Round the value v of an elementary function to a grid of 2 k_act u_op |v|, then store it.

        exp and σ are never 0, but may be too small to be seen: then their error is not.

        Args:
            function: tanh, exp, log or σ.
            argument: Its argument (K or 1, ...).

        Returns:
            Rounded values (K, ...).
        """
        a, v, kind = self.arithmetic, function(argument), function.__name__
        spacing = self._spacing(v, a.k_act * a.u_op, a.least)
        if function in _NEVER_0:
            spacing = np.maximum(spacing, 2 * a.least / self._scale)
        step = self._spacing(argument, a.u_op, a.least)
        return self.stored(self._grids.approximated(v, spacing, argument, step, kind))

    def stored(self, v: Array) -> Array:
        """Round values to a grid of 2 u_store |v|; those above the largest number become infinite.

        Args:
            v: Values (K or 1, ...).

        Returns:
            Stored values.
        """
        a = self.arithmetic
        if a.u_store:
            v = self._grids.rounded(v, self._spacing(v, a.u_store, a.least_stored), "storage")
        if a.largest < np.inf and (over := np.abs(v) > a.largest).any():
            np.copyto(v, np.copysign(np.inf, v), where=over)
        return v

    def composed(self, axes: int) -> Array:
        """Return in which samples σ is composed of stored operations.

        Args:
            axes: The number of axes of the mask.

        Returns:
            A mask (K, 1, ...).
        """
        return self._composed.reshape(-1, *(1,) * (axes - 1))

    def summed(self, v: Array, p2: Array, depth: int, u_operand: float, u_acc: float) -> Array:
        """Round a sum of products, then store it.

        Args:
            v: Values (K or 1, ...).
            p2: The sum of the squares of the products, in the shape of v.
            depth: The number of products.
            u_operand: Unit roundoff of the operands.
            u_acc: Unit roundoff of the accumulation.

        Returns:
            Rounded values (K, ...).
        """
        size = np.maximum(np.sqrt(p2), np.abs(v))
        deviation = (u_acc * math.sqrt(depth / 6)) * size
        if u_operand:
            deviation = np.hypot(deviation, (u_operand * math.sqrt(2 / 3)) * np.sqrt(p2))
        spacing = (2 * math.sqrt(3) * EVEN) * magnitude(deviation)
        lost = (2 / self._scale) * np.minimum(size, self.arithmetic.least)
        return self.stored(self._grids.rounded(v, np.maximum(spacing, lost), "sum"))

    def _spacing(self, v: Array, u: float, least: float) -> Array:
        """2 u |v|, by the magnitude of v; and where v is near underflow, what that may make of it."""
        lost = np.abs(v)
        np.minimum(lost, least, out=lost)
        lost *= 2 / self._scale
        spacing = magnitude(v)
        spacing *= 2 * EVEN * u
        return np.maximum(spacing, lost, out=lost)


class RoundingArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Float64 values ``(K or 1, ...)`` whose every operation rounds at random.

    The first axis holds the samples. The class knows the operations named in this file; any other
    raises ``TypeError``, so that no operation is silently exact.

    Args:
        values: The values, with the samples first.
        rounding: The source of their errors.
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
        """Return the same values in another shape, in which the samples stay apart.

        Args:
            *shape: The shape, with the samples first.

        Returns:
            The array.

        Raises:
            TypeError: The shape would mix samples (``_unknown``).
        """
        if shape[0] != len(self):
            raise _unknown(f"reshape to {shape}, which does not leave the samples apart,")
        return self._like(self.values.reshape(*shape))

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError(
            "RoundingArray: asked to become a plain array, where it would stop rounding; use an "
            "operation that it knows, or add the operation to reference/rounding/array.py"
        )

    def _like(self, values: Array) -> RoundingArray:
        return RoundingArray(values, self.rounding)

    def elementary(self, function: Callable[[Array], Array]) -> RoundingArray:
        """Apply tanh, exp, log or σ: off by up to k_act u_op, then stored.

        Args:
            function: The function.

        Returns:
            Rounded values.
        """
        return self._like(self.rounding.elementary(function, self.values))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rounding = self.rounding
        if method != "__call__" or kwargs:
            raise _unknown(f"{ufunc.__name__}.{method} with {sorted(kwargs)}")
        values = [_values(i) for i in inputs]
        if ufunc in _QUESTION:
            return ufunc(*values)
        if ufunc in _EXACT:
            return self._like(ufunc(*values))
        if ufunc in _ROUNDED:
            return self._like(rounding.operation(ufunc(*values), ufunc.__name__))
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
            return self._like(self.rounding.summed(v, p2, depth, 0, u.u_sum or u.u_acc))
        return self._like(function(*plain, **kwargs))


def _unknown(what: str) -> TypeError:
    return TypeError(
        f"RoundingArray: no rounding is known for {what}; add it to reference/rounding/array.py"
    )


@sigmoid.register(RoundingArray)
def _(a: Any) -> Any:  # type: ignore[misc]  # a RoundingArray stands in for an Array
    whole = a.elementary(sigmoid)
    if not a.rounding.arithmetic.u_store:
        return whole
    return np.where(a.rounding.composed(a.ndim), 1 / (1 + np.exp(-a)), whole)


# Frameworks add up the gradient of a shared parameter step by step, or over all steps at once. Both are
# correct, and the radius is that of the coarser: by step where every partial sum is stored in 16 bits.


@outer.register(RoundingArray)
def _(d: Any, v: Any) -> Any:  # type: ignore[misc]  # an overload by singledispatch
    if not d.rounding.arithmetic.u_store:
        return np.swapaxes(rows(d), -1, -2) @ rows(v)
    shares = [np.swapaxes(d[..., t, :, :], -1, -2) @ v[..., t, :, :] for t in range(d.shape[-3])]
    return reduce(operator.add, shares)


@total.register(RoundingArray)
def _(d: Any) -> Any:  # type: ignore[misc]  # an overload by singledispatch
    if not d.rounding.arithmetic.u_store:
        return np.sum(rows(d), axis=-2)
    return reduce(operator.add, [np.sum(d[..., t, :, :], axis=-2) for t in range(d.shape[-3])])


@scatter.register(RoundingArray)
def _(d: Any, words: Array, vocabulary: int) -> Any:  # type: ignore[misc]  # an overload by singledispatch
    """Added up place by place in storage, as a gather's gradient is."""
    flat = d.reshape(*d.shape[:-3], -1, d.shape[-1])
    places = [np.flatnonzero(words == word) for word in range(vocabulary)]
    zero = np.zeros_like(d, shape=(d.shape[0], d.shape[-1]))
    found = [reduce(operator.add, [flat[..., k, :] for k in here]) if len(here) else zero
             for here in places]  # fmt: skip
    return np.stack(found, axis=-2)


def _values(a: Any) -> Any:
    """Return an operand's values; for a list or tuple, item by item, with the samples aligned."""
    if isinstance(a, RoundingArray):
        return a.values
    if isinstance(a, list | tuple) and any(isinstance(i, RoundingArray) for i in a):
        whole = [_values(i) if isinstance(i, RoundingArray) else np.asarray(i)[None] for i in a]
        samples = max(len(i) for i in whole)
        return [np.broadcast_to(i, (samples, *i.shape[1:])) for i in whole]
    return a

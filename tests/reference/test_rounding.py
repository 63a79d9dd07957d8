"""Rounding: every operation rounds as specified, and no other exists.

The mean and variance of each operation are measured over many samples of a fixed seed, and compared
with the table at the head of ``reference/rounding/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from reference import Array
from reference.cells import sigmoid
from reference.rounding import (
    ARITHMETICS,
    K_ACT,
    OVERFLOW,
    Arithmetic,
    Lift,
    Rounding,
    RoundingArray,
    radii,
)
from reference.sums import constant, outer, scatter, total

MANY = 40_000
"""Samples: the variance of so many uniform numbers is known to 0.5 %."""
WITHIN = 0.04
ODD = Arithmetic("odd", u_operand=3e-4, u_acc=2e-4, u_op=1e-4, u_store=4e-4)
"""Four roundoffs that differ, so that none can stand in for another."""
UNSTORED = Arithmetic("unstored", u_operand=3e-4, u_acc=2e-4, u_op=1e-4, u_store=0)
RNG = np.random.default_rng
A = np.array([[0.79, -1.53, 2.3], [-0.31, 0.62, 1.13]])
B = np.array([[1.27, 0.58, -3.1], [2.2, -0.71, 0.92]])
"""Nothing that is made of them is next to a power of two, where grids change."""


def lifted(arithmetic: Arithmetic, *arrays: Array, samples: int = MANY) -> list[Any]:
    rounding = Rounding(arithmetic, samples, [1, 2, 3])
    return [rounding.array(a) for a in arrays]


def even(v: Array) -> Array:
    """Return the spacing that grids derive from the size of v: its last power of two, times a constant."""
    return math.sqrt(8 / 3 * math.log(2)) * 2.0 ** np.floor(np.log2(np.abs(v)))


class Operation(NamedTuple):
    """An operation, and its standard deviation relative to the result, before storage."""

    compute: Callable[[Any, Any], Any]
    spread: float


ROUND = 1 / math.sqrt(3)
ROUNDED: dict[str, Operation] = {
    "+": Operation(lambda a, b: a + b, ROUND),
    "-": Operation(lambda a, b: a - b, ROUND),
    "*": Operation(lambda a, b: a * b, ROUND),
    "/": Operation(lambda a, b: a / b, ROUND),
    "scalar first": Operation(lambda a, b: 1 - a, ROUND),
    "scalar last": Operation(lambda a, b: b * 3, ROUND),
    "1 /": Operation(lambda a, b: 1 / b, ROUND),
    "plain array": Operation(lambda a, b: a + B, ROUND),
    "tanh": Operation(lambda a, b: np.tanh(a), K_ACT * ROUND),
    "exp": Operation(lambda a, b: np.exp(b), K_ACT * ROUND),
    "log": Operation(lambda a, b: np.log(abs(a)), K_ACT * ROUND),
    "sqrt": Operation(lambda a, b: np.sqrt(abs(a)), ROUND),
}


def held(noisy: Any, exact: Array, deviation: Array) -> None:
    """Assert the samples' mean and standard deviation, element by element."""
    values = noisy.values
    assert values.shape == (MANY, *exact.shape), f"shape {values.shape}"
    ratio = values.std(axis=0) / deviation
    assert np.abs(ratio - 1).max() < WITHIN, f"standard deviation / expected: {ratio}"
    off = np.abs(values.mean(axis=0) - exact) / deviation * math.sqrt(MANY)
    assert off.max() < 5, f"the mean is off by {off.max():.1f} of its standard deviations"


@pytest.mark.parametrize("arithmetic", [ODD, UNSTORED], ids=lambda a: a.name)
@pytest.mark.parametrize("name", ROUNDED)
def test_an_operation_rounds_by_its_unit_and_then_by_storage(
    name: str, arithmetic: Arithmetic
) -> None:
    compute, spread = ROUNDED[name]
    exact = compute(A, B)
    relative = math.hypot(spread * arithmetic.u_op, ROUND * arithmetic.u_store)
    held(compute(*lifted(arithmetic, A, B)), exact, relative * even(exact))


def test_the_logistic_function_is_one_operation_or_three_that_are_stored() -> None:
    """One operation unless values are stored in 16 bits."""
    exact = sigmoid(A)
    (a,) = lifted(UNSTORED, A)
    held(sigmoid(a), exact, K_ACT * ROUND * UNSTORED.u_op * even(exact))
    (a,) = lifted(ODD, A)
    found, three = sigmoid(a).values, a.rounding.composed(1)
    assert 0.49 < three.mean() < 0.51, "half of the samples"
    relative = ROUND * math.hypot(K_ACT * ODD.u_op, ODD.u_store)
    ratio = found[~three].std(axis=0) / (relative * even(exact))
    assert np.abs(ratio - 1).max() < WITHIN, f"standard deviation / expected: {ratio}"
    (again,) = lifted(ODD, A)
    ratio = found[three].std(axis=0) / (1 / (1 + np.exp(-again))).values.std(axis=0)
    assert np.abs(ratio - 1).max() < WITHIN, f"standard deviation / that of all three: {ratio}"


def test_what_is_larger_than_any_number_is_infinite() -> None:
    """Results follow: σ of a float16 below −11.09, where exp overflows, may be 0."""
    a16, a = ARITHMETICS["float16"], np.array([60000.0, -60000.0, 3.0])
    (x,) = lifted(a16, a, samples=8)
    twice = (x * 2).values
    assert (twice[:, :2] == [np.inf, -np.inf]).all()
    assert np.isfinite(twice[:, 2]).all()
    (b,) = lifted(a16, np.array([-11.5]), samples=64)
    with np.errstate(invalid="ignore"):
        found = sigmoid(b).values
    assert {float(v) > 0 for v in found.ravel()} == {True, False}
    (wide,) = lifted(ARITHMETICS["bfloat16"], a, samples=8)
    assert np.isfinite((wide * 2).values).all()


def test_what_comes_of_an_overflow_has_the_largest_radius() -> None:
    def compute(lift: Lift) -> list[Array]:
        v = lift(np.array([300.0, 3.0]))
        return [v * v * 2.0**-10, v * 2]

    first, second = radii(compute, compute(lambda a: a), ARITHMETICS["float16"], seed=[1])
    assert (first.sigma[0], first.freedom) == (OVERFLOW, 1.0)
    assert 0 < first.sigma[1] < 1
    assert second.sigma.max() < 1
    first, _ = radii(compute, compute(lambda a: a), ARITHMETICS["float64"], seed=[1])
    assert first.sigma.max() < 1


def test_a_single_number_rounds_as_others_do() -> None:
    (a,) = lifted(UNSTORED, np.float64(0.79))
    held(a * 3, np.float64(2.37), ROUND * UNSTORED.u_op * even(np.float64(2.37)))


def test_over_all_values_a_grid_is_as_coarse_as_the_values_are_large() -> None:
    v = 2.0 ** RNG(11).uniform(-3, 3, 100_000)
    assert np.mean((even(v) / v) ** 2) == pytest.approx(1, rel=0.01)


def test_roundings_are_bounded_and_uniform() -> None:
    (a,) = lifted(UNSTORED, A)
    relative = (np.asarray((a * 1).values) - A) / even(A) / UNSTORED.u_op
    assert np.abs(relative).max() <= 1 + 1e-9, "no rounding is larger than its unit"
    assert (relative**4).mean() == pytest.approx(1 / 5, rel=0.03), "uniform: E ξ⁴ = 1/5"


FINE = replace(UNSTORED, u_op=1e-7)
"""Between whose places other values lie."""


def correlation(*errors: Array) -> Array:
    """Return the correlation of every element of every result with every other, over the samples."""
    flat = np.concatenate([e.reshape(MANY, -1) for e in errors], axis=1)
    return np.abs(np.corrcoef(flat, rowvar=False) - np.eye(flat.shape[1]))


def test_roundings_of_unlike_values_are_independent() -> None:
    x, y = RNG(12).uniform(1, 2, (2, 4, 10))
    a, b = lifted(FINE, x, y)
    worst = correlation((a * 1).values - x, (b * 1).values - y, (a + 0).values - x).max()
    assert worst < 0.05, f"elements, values or operations correlate: {worst:.3f}"


def test_equal_values_of_one_unit_are_rounded_equally() -> None:
    """Every row and step has the same error, so errors add up as in a kernel."""
    (a,) = lifted(FINE, np.tile(RNG(13).uniform(1, 2, 5), (3, 4, 1)))
    one, again = (a * 1).values, (a * 1).values
    assert np.array_equal(one, again), "a step later"
    assert (one == one[:, :1, :1]).all(), "another row"
    units = correlation(one[:, 0, 0] - a.values[0, 0, 0])
    assert units.max() < 0.05, "other units, whose values are others, are rounded by themselves"


@pytest.mark.parametrize("function", [np.tanh, sigmoid], ids=["tanh", "sigmoid"])
def test_saturated_values_are_rounded_alike_in_half_of_the_samples(function: Any) -> None:
    """40, 41 and 45 all give 1: some kernels err by one constant, others by the argument."""
    (a,) = lifted(FINE, np.array([[40.0], [41.0], [45.0]]))
    values = function(a).values
    alike = values == values[:, :1]
    same = np.mean(alike.all(axis=1))
    assert 0.48 < same < 0.52, f"all three are rounded alike in {same:.1%} of the samples"
    error = values - 1
    apart = error[~alike.all(axis=(1, 2))]
    worst = np.abs(np.corrcoef(apart[..., 0], rowvar=False) - np.eye(3)).max()
    assert worst < 0.05, f"and in the others their errors correlate: {worst:.3f}"
    assert np.abs(error).max() <= K_ACT * FINE.u_op * even(np.float64(1)) * (1 + 1e-9)


def test_arguments_of_a_saturated_function_are_told_apart_as_finely_as_values_are() -> None:
    """40 and 40 + 10⁻⁹ are one place of float32's grid, and two of float64's, for which it stands."""
    for scale, expected in ((1.0, 1.0), (2.0**-29, 0.5)):
        a: Any = Rounding(FINE, MANY, [1, 2, 3], scale).array(np.array([[40.0], [40 + 1e-9]]))
        values = np.tanh(a).values
        alike = np.mean(values[:, 0] == values[:, 1])
        assert abs(alike - expected) < 0.02, f"scale {scale}: {alike:.1%} of the samples err alike"


def test_one_share_is_away_from_0_or_towards_it_on_either_side() -> None:
    """The error of an odd function is odd; an even one would cancel where values change sign."""
    (a,) = lifted(FINE, np.array([[0.3], [-0.3]]))
    found = np.tanh(a).values[..., 0]
    opposite = np.abs(found.sum(axis=1)) < 1e-12
    assert 0.48 < opposite.mean() < 0.52, f"in {opposite.mean():.1%} of the samples"


def test_opposite_values_are_rounded_apart() -> None:
    """b and −b are added to other numbers one after the other, and what is left is not exact."""
    (a,) = lifted(UNSTORED, np.array([[0.3], [-0.3]]))
    found = (a * 1).values[..., 0].sum(axis=1)
    assert found.std() > 0.3 * UNSTORED.u_op * 0.3


def test_the_error_of_an_approximation_is_one_share_in_half_of_the_samples() -> None:
    """In half of the samples all arguments err by one share of the grid; in the others unlike arguments err independently."""
    x = np.array([[0.30], [0.35], [0.40], [0.45]])
    (a,) = lifted(FINE, x)
    error = (np.tanh(a).values - np.tanh(x))[..., 0] / FINE.u_op
    alike = np.ptp(error, axis=1) < 1e-6
    assert 0.48 < alike.mean() < 0.52, f"one share in {alike.mean():.1%} of the samples"
    share = error[alike, 0]
    assert share.std() == pytest.approx(K_ACT * ROUND * even(np.array(0.3)), rel=WITHIN)
    worst = np.abs(np.corrcoef(error[~alike], rowvar=False) - np.eye(4)).max()
    assert worst < 0.05, f"in the others they correlate: {worst:.3f}"


@pytest.mark.parametrize("scale", [1.0, 2.0**-29])
def test_a_sequence_that_settles_is_rounded_as_one(scale: float) -> None:
    """h' = tanh(h / 2 + 1) comes to rest, and with it the error; on the coarse grid that stands for
    float64's it does not, since what a fine one tells apart is rounded apart."""
    rounding = Rounding(ARITHMETICS["float32"], 50, [1], scale)
    h: Any = rounding.array(np.zeros((1, 3)))
    steps = []
    for _ in range(60):
        h = np.tanh(h * 0.5 + 1)
        steps.append(h.values)
    settled = np.mean(steps[-1] == steps[-2])
    assert settled > 0.5 if scale == 1.0 else settled < 0.1, f"{settled:.0%} have come to rest"


def deviation_of_sum(a: Arithmetic, v: Array, p2: Array, depth: int) -> Array:
    """The formula of the design, written once more."""
    variance = 2 / 3 * a.u_operand**2 * p2
    variance = variance + 1 / 3 * a.u_acc**2 * depth / 2 * np.maximum(p2, v**2)
    return np.sqrt(even(np.sqrt(variance)) ** 2 + even(v) ** 2 * a.u_store**2 / 3)


MIXED = RNG(1).uniform(-1, 1, (2, 30))
POSITIVE = RNG(2).uniform(0.5, 1, (2, 30))
WEIGHTS = RNG(3).uniform(0.5, 1, (30, 3))
SUMS: dict[str, tuple[Array, bool]] = {
    "of both signs": (MIXED, False),
    "of one sign": (POSITIVE, True),
}
"""And whether v² is larger than p₂."""


@pytest.mark.parametrize(
    "arithmetic", [ODD, UNSTORED, ARITHMETICS["float32"], ARITHMETICS["tf32"]], ids=lambda a: a.name
)
@pytest.mark.parametrize("name", SUMS)
def test_a_product_of_matrices_spreads_as_specified(name: str, arithmetic: Arithmetic) -> None:
    x, one_sign = SUMS[name]
    v, p2 = x @ WEIGHTS, x**2 @ WEIGHTS**2
    assert (v**2 > p2).all() == one_sign, "the two cases take the two sides of the maximum"
    a, b = lifted(arithmetic, x, WEIGHTS)
    held(a @ b, v, deviation_of_sum(arithmetic, v, p2, 30))


PLAIN = replace(ODD, u_operand=0)
"""A plain sum has no operands that a product would round."""


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", SUMS)
def test_a_sum_spreads_as_specified(name: str, keepdims: bool) -> None:
    x, _ = SUMS[name]
    (a,) = lifted(ODD, x)
    v, p2 = x.sum(axis=-1, keepdims=keepdims), (x**2).sum(axis=-1, keepdims=keepdims)
    options = {"keepdims": True} if keepdims else {}
    held(np.sum(a, axis=-1, **options), v, deviation_of_sum(PLAIN, v, p2, 30))


def test_a_plain_sum_may_round_otherwise_than_a_product() -> None:
    x, _ = SUMS["of one sign"]
    apart = replace(ODD, u_sum=3e-3)
    a, b = lifted(apart, x, WEIGHTS)
    v, p2 = x.sum(axis=-1), (x**2).sum(axis=-1)
    held(np.sum(a, axis=-1), v, deviation_of_sum(replace(PLAIN, u_acc=3e-3), v, p2, 30))
    v, p2 = x @ WEIGHTS, x**2 @ WEIGHTS**2
    held(a @ b, v, deviation_of_sum(ODD, v, p2, 30))


# Sums over steps: one share a step where shares are stored in 16 bits, else all at once.


def deviation_of_shares(a: Arithmetic, shares: Array, deviations: Array) -> Array:
    """Return the deviation of the sum of ``shares`` (T, ...), each off by ``deviations``, added in order."""
    partial = np.add.accumulate(shares)[1:]
    adding = (even(partial) ** 2).sum(axis=0) * (a.u_op**2 + a.u_store**2) / 3
    return np.sqrt((deviations**2).sum(axis=0) + adding)


D, V = RNG(6).uniform(0.5, 1, (5, 4, 3)), RNG(7).uniform(-1, 1, (5, 4, 2))
"""Gradients and values (T, B, ·)."""


def test_the_gradient_of_shared_weights_is_added_up_in_storage() -> None:
    shares, squares = (np.einsum("tbm,tbn->tmn", d, v) for d, v in ((D, V), (D**2, V**2)))
    deviations = np.array([deviation_of_sum(ODD, v, p2, 4)
                           for v, p2 in zip(shares, squares, strict=True)])  # fmt: skip
    d, v = lifted(ODD, D, V)
    np.testing.assert_allclose(outer(D, V), shares.sum(axis=0), rtol=1e-14)
    held(outer(d, v), outer(D, V), deviation_of_shares(ODD, shares, deviations))
    d, v = lifted(UNSTORED, D, V)
    held(outer(d, v), outer(D, V), deviation_of_sum(UNSTORED, outer(D, V), squares.sum(axis=0), 20))


def test_the_gradient_of_a_shared_bias_is_added_up_in_storage() -> None:
    shares, squares = D.sum(axis=1), (D**2).sum(axis=1)
    deviations = np.array([deviation_of_sum(PLAIN, v, p2, 4)
                           for v, p2 in zip(shares, squares, strict=True)])  # fmt: skip
    (d,) = lifted(ODD, D)
    np.testing.assert_allclose(total(D), shares.sum(axis=0), rtol=1e-14)
    held(total(d), total(D), deviation_of_shares(ODD, shares, deviations))
    (d,) = lifted(UNSTORED, D)
    plain = replace(UNSTORED, u_operand=0)
    held(total(d), total(D), deviation_of_sum(plain, total(D), squares.sum(axis=0), 20))


def test_the_gradient_of_a_table_is_added_up_place_by_place() -> None:
    """Word 1 stands in three places, word 0 in one, where nothing is added; word 2 in none."""
    words = np.array([[1, 3], [1, 0], [3, 1]])
    x = RNG(8).uniform(0.5, 1, (3, 2, 4))  # (B, T, N)
    (d,) = lifted(ODD, x)
    exact, noisy = scatter(x, words, 4), scatter(d, words, 4)
    for word in range(4):
        there = x[words == word]
        np.testing.assert_allclose(exact[word], there.sum(axis=0) if len(there) else 0, rtol=1e-14)
        found = noisy[..., word, :]
        if len(there) > 1:
            held(found, exact[word], deviation_of_shares(ODD, there, np.zeros_like(there)))
        else:
            assert (found.values == exact[word]).all(), f"word {word}: nothing is added up"


def test_the_second_operation_adds_to_the_first() -> None:
    (a,) = lifted(UNSTORED, A)
    held(a * 1 / 1, A, math.sqrt(2) * ROUND * UNSTORED.u_op * even(A))


# Underflow: what is below the least number of a type may become 0, or twice as large.

LEAST = 2.0**-126
SMALL = A * LEAST
"""On both sides of it."""
UNDERFLOWING: dict[str, Callable[[Any], Any]] = {
    "an operation": lambda a: a * 1,
    "an elementary function": np.tanh,
    "a product of matrices": lambda a: a @ np.eye(3),
    "a sum": lambda a: np.sum(a[..., None], axis=-1),
}
"""Each gives such an argument back."""


@pytest.mark.parametrize("scale", [1.0, 2.0**-10])
@pytest.mark.parametrize("name", UNDERFLOWING)
def test_what_underflows_is_off_by_itself_and_at_most_by_the_least(name: str, scale: float) -> None:
    """However much smaller the spread is made afterwards."""
    a = Rounding(UNSTORED, MANY, [1, 2, 3], scale).array(SMALL)
    held(UNDERFLOWING[name](a), SMALL, ROUND * np.minimum(np.abs(SMALL), LEAST) / scale)


def test_terms_that_underflow_are_lost_even_where_they_cancel() -> None:
    (a,) = lifted(UNSTORED, np.array([[0.6, -0.6]]) * LEAST)
    held(np.sum(a, axis=-1), np.zeros(1), ROUND * math.sqrt(2) * 0.6 * np.array([LEAST]))


@pytest.mark.parametrize("scale", [1.0, 2.0**-10])
@pytest.mark.parametrize("function", [np.exp, sigmoid], ids=["exp", "sigmoid"])
def test_what_is_never_0_is_not_exact_where_it_is_too_small_to_be_seen(
    function: Any, scale: float
) -> None:
    a = Rounding(UNSTORED, MANY, [1, 2, 3], scale).array(np.array([-1000.0]))
    held(function(a), np.zeros(1), np.array([ROUND * LEAST / scale]))
    assert not np.tanh(a * 0).values.any(), "0 where a function is 0 is exact"


def test_storage_underflows_by_itself() -> None:
    """float16 underflows at numbers that float32 still holds."""
    (a,) = lifted(replace(ODD, least_stored=2.0**-25), A * 2.0**-25)
    held(a * 1, A * 2.0**-25, ROUND * np.minimum(np.abs(A), 1) * 2.0**-25)


@pytest.mark.parametrize("name", ARITHMETICS)
def test_every_arithmetic_underflows_where_its_type_does(name: str) -> None:
    """float16 keeps what is below its smallest normal number; half of its last place is lost there."""
    least = {"float64": 2.0**-1022, "float16": 2.0**-25}.get(
        name.removesuffix("-summed").removesuffix("-throughout"), LEAST
    )
    for x, low, high in ((least / 2, 0.5, 1), (least * 2.0**30, 0, 0.01)):
        (radius,) = radii(lambda lift, x=x: [lift(np.array([x])) * 1],  # type: ignore[misc]
                          [np.array([x])], ARITHMETICS[name], seed=[1],
                          samples=1000, at_once=1000)  # fmt: skip
        share = radius.sigma[0] / x
        assert low < share < high, f"{x:.3g}: σ is {share:.3g} of it"


# What is exact.


def test_a_lifted_array_starts_exact() -> None:
    (a,) = lifted(ODD, A)
    assert isinstance(a, RoundingArray)
    assert np.array_equal(a.values, A[None])
    assert (a.shape, a.ndim, a.dtype, len(a)) == ((1, 2, 3), 3, np.dtype(np.float64), 1)


COND = np.array([True, False, True])
EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "index": lambda a, b: a[..., 1:],
    "swapaxes": lambda a, b: np.swapaxes(a, -1, -2),
    "where": lambda a, b: np.where(COND, a, b),
    "where 0": lambda a, b: np.where(COND, a, 0),
    "stack": lambda a, b: np.stack([a, b], axis=-2),
    "concatenate": lambda a, b: np.concatenate([a, b], axis=-1),
    "concatenate unlike widths": lambda a, b: np.concatenate([a, b[..., :2]], axis=-1),
    "concatenate a width of 1": lambda a, b: np.concatenate([a, b[..., :1]], axis=-1),
    "negative": lambda a, b: -a,
    "absolute": lambda a, b: abs(a),
    "maximum": lambda a, b: np.maximum(a, 0),
    "minimum": np.minimum,
    "the largest": lambda a, b: np.max(a, axis=-1),
    "the largest, kept": lambda a, b: np.max(a, axis=-1, keepdims=True),
    "rows by number": lambda a, b: a[..., np.array([1, 0, 1]), :],
    "elements by number": lambda a, b: a[..., np.array([1, 0]), np.array([2, 0])],
    "another shape": lambda a, b: a.reshape(*a.shape[:-2], -1),
    "zeros": lambda a, b: np.zeros_like(a, shape=(*a.shape[:-1], 4)),
    "a number": lambda a, b: constant(0.1, a),
}


@pytest.mark.parametrize("name", EXACT)
def test_moving_values_is_exact(name: str) -> None:
    (a, b) = lifted(ODD, A, B)
    found = EXACT[name](a, b).values
    assert np.array_equal(found, EXACT[name](A, B)[None]), f"{name} changed values"


@pytest.mark.parametrize("name", EXACT)
def test_moving_keeps_the_samples_of_what_has_been_computed(name: str) -> None:
    """One operand is (1, …) still, the other has its K samples."""
    (a, b) = lifted(ODD, A, B, samples=5)
    noisy = a * 1
    found = EXACT[name](noisy, b).values
    assert found.shape == (5, *EXACT[name](A, B).shape)
    for k in range(5):
        assert np.array_equal(found[k], EXACT[name](noisy.values[k], B)), f"{name}, sample {k}"


QUESTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > 0,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "isfinite": lambda a, b: np.isfinite(a), "isnan": lambda a, b: np.isnan(a),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_a_plain_answer(name: str) -> None:
    found = QUESTIONS[name](*lifted(ODD, A, B))
    assert type(found) is np.ndarray
    assert np.array_equal(found, QUESTIONS[name](A, B)[None])


# What is refused.

UNKNOWN: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a function": (np.sin, "sin"),
    "a power": (lambda a: a**2, "power"),
    "a square": (np.square, "square"),
    "a root": (np.cbrt, "cbrt"),
    "a logarithm": (np.log1p, "log1p"),
    "expm1": (np.expm1, "expm1"),
    "a remainder": (lambda a: a % 2, "remainder"),
    "an integer quotient": (lambda a: a // 2, "floor_divide"),
    "a running sum": (lambda a: np.cumsum(a, axis=-1), "cumsum"),
    "a mean": (np.mean, "mean"),
    "a product": (np.prod, "prod"),
    "dot": (lambda a: np.dot(a, A.T), "dot"),
    "einsum": (lambda a: np.einsum("kij->ki", a), "einsum"),
    "tensordot": (lambda a: np.tensordot(a, A.T, 1), "tensordot"),
    "a norm": (np.linalg.norm, "norm"),
    "an inverse": (np.linalg.inv, "inv"),
    "clipping": (lambda a: np.clip(a, 0, 1), "clip"),
    "transposition": (np.transpose, "transpose"),
    "zeros like it": (np.zeros_like, "zeros_like"),
    "zeros of a dtype": (
        lambda a: np.zeros_like(a, shape=(1, 2), dtype=np.float32), "zeros_like.*dtype",
    ),
    "the largest of everything": (np.max, "max"),
    "the largest of the samples": (lambda a: np.max(a, axis=0), "max"),
    "the largest of a start": (lambda a: np.max(a, axis=-1, initial=3), "max.*initial"),
    "a sum of a start": (lambda a: np.sum(a, axis=-1, initial=3), "sum.*initial"),
    "a flat shape": (lambda a: (a * 1).reshape(-1), "reshape"),
    "samples among the rows": (lambda a: (a * 1).reshape(6, 3), "reshape"),
    "asarray": (np.asarray, "become a plain array"),
    "array": (np.array, "become a plain array"),
    "array of a list": (lambda a: np.array([a, a]), "become a plain array"),
    "reduce": (lambda a: np.add.reduce(a, axis=-1), "add.reduce"),
    "accumulate": (lambda a: np.add.accumulate(a, axis=-1), "add.accumulate"),
    "outer": (lambda a: np.multiply.outer(a, A), "multiply.outer"),
    "at": (lambda a: np.add.at(a, 0, 1), "add.at"),
    "in place": (lambda a: a.__iadd__(1), "add.*out"),
    "out": (lambda a: np.add(a, A, out=np.empty((1, 2, 3))), "add.*out"),
    "out of plain operands": (lambda a: np.add(A, A, out=a), "add.*out"),
    "out of matmul": (lambda a: np.matmul(a, A.T, out=np.empty((1, 2, 2))), "matmul.*out"),
    "where of a ufunc": (lambda a: np.add(a, A, where=A > 0), "add.*where"),
    "dtype": (lambda a: np.multiply(a, A, dtype=np.float32), "multiply.*dtype"),
    "out of a sum": (lambda a: np.sum(a, axis=-1, out=np.empty((1, 2))), "sum.*out"),
    "dtype of a sum": (lambda a: np.sum(a, axis=-1, dtype=np.float16), "sum.*dtype"),
    "where of a sum": (lambda a: np.sum(a, axis=-1, where=A > 0), "sum.*where"),
    "out of concatenate": (
        lambda a: np.concatenate([a, a], axis=-1, out=np.empty((1, 2, 6))), "concatenate.*out",
    ),
    "a sum over everything": (np.sum, "sum"),
    "a sum over the samples": (lambda a: np.sum(a, axis=0), "sum"),
    "a stack of samples": (lambda a: np.stack([a, a]), "stack"),
    "more samples": (lambda a: np.concatenate([a, a], axis=0), "concatenate"),
    "samples swapped": (lambda a: np.swapaxes(a, 0, 1), "swapaxes"),
}  # fmt: skip
"""The first axis holds the samples, and no operation may mix them: axes count from the last."""


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_operation_is_refused_by_name(name: str) -> None:
    compute, complaint = UNKNOWN[name]
    (a,) = lifted(ODD, A, samples=3)
    with pytest.raises(TypeError, match=complaint) as caught:
        compute(a)
    assert "RoundingArray" in str(caught.value), caught.value
    assert "reference/rounding/" in str(caught.value), "the message says where to add it"

"""The radius: σ̂ and ν of many runs of the model, against real sums; the table and the floor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from reference import Array, Spec, Weights, vjp
from reference.cells import sigmoid
from reference.rounding import (
    ARITHMETICS,
    FLOOR,
    SAMPLES,
    Arithmetic,
    Lift,
    Radius,
    floored,
    radii,
    radius,
    rms,
)
from reference.sums import outer
from reference.trees import each
from tests.reference.test_rounding import ODD, RNG, UNSTORED, A, B


def network(lift: Lift) -> list[Array]:
    """Something like a cell: a product, a sum, tanh, a product of gates."""
    x, w, b = lift(RNG(4).uniform(-1, 1, (6, 20))), lift(RNG(5).uniform(-1, 1, (20, 50))), lift(B)
    h = np.tanh(x @ w)
    return [sigmoid(h) * h, b * b]


TRUTH = network(lambda a: a)


def found(arithmetic: Arithmetic, seed: Sequence[int] = (7,), **options: int) -> list[Radius]:
    return radii(network, TRUTH, arithmetic, seed=seed, **options)


def test_radii_are_linear_in_the_unit_roundoffs() -> None:
    for name in ("float32", "tf32", "bfloat16"):
        a = ARITHMETICS[name]
        half = Arithmetic("half", a.u_operand / 2, a.u_acc / 2, a.u_op / 2, a.u_store / 2)
        many = {"samples": 500}
        for wide, narrow in zip(found(a, **many), found(half, **many), strict=True):
            ratio = rms(wide.sigma, wide.sigma > 0) / rms(narrow.sigma, narrow.sigma > 0)
            assert ratio == pytest.approx(2, rel=0.15), f"{name}: half the units, 1/{ratio} of σ"


def test_the_float64_radius_is_that_of_float32_scaled() -> None:
    """2⁻²⁹ for the units, √2 since the truth is a float64 run too."""
    for double, single in zip(
        found(ARITHMETICS["float64"]), found(ARITHMETICS["float32"]), strict=True
    ):
        ratio = double.sigma / (math.sqrt(2) * 2.0**-29 * single.sigma)
        assert np.median(ratio) == pytest.approx(1, abs=0.05)
        assert ratio.std() < 0.3


def test_the_float64_radius_is_that_of_float64_errors() -> None:
    """Two runs of float64 that add up in other orders differ by about σ̂."""
    a, b = RNG(8).uniform(-1, 1, (40, 100)), RNG(9).uniform(-1, 1, (100, 40))
    truth = a @ b
    (radius,) = radii(lambda lift: [lift(a) @ lift(b)], [truth], ARITHMETICS["float64"], seed=[1])
    order = RNG(10).permutation(100)
    backwards = np.add.accumulate(a[:, order, None] * b[order], axis=1)[:, -1]
    ratio = np.sqrt(np.mean(((backwards - truth) / radius.sigma) ** 2))
    assert 0.1 < ratio < 1.25, f"RMS(error / σ̂) is {ratio:.2f}"


def test_radii_depend_on_the_seed_and_on_nothing_else() -> None:
    first, again, other = (found(ARITHMETICS["float32"], seed) for seed in ((7,), (7,), (8,)))
    assert np.array_equal(first[0].sigma, again[0].sigma)
    assert not np.array_equal(first[0].sigma, other[0].sigma)


@pytest.mark.parametrize("at_once", [1, 24, 63, 64, 1000])
def test_samples_in_chunks_give_the_same_spread(at_once: int) -> None:
    whole = found(ARITHMETICS["float32"])[0]
    chunks = found(ARITHMETICS["float32"], at_once=at_once)[0]
    ratio = chunks.sigma / whole.sigma
    assert ratio.mean() == pytest.approx(1, abs=0.05), f"the mean of 300 ratios is {ratio.mean()}"
    assert ratio.std() < 0.3
    assert chunks.freedom == pytest.approx(whole.freedom, rel=0.25)


@pytest.mark.parametrize(
    ("at_once", "expected"), [(64, [64]), (24, [24, 24, 16]), (1000, [64]), (63, [63, 1])]
)
def test_chunks_add_up_to_all_samples(at_once: int, expected: list[int]) -> None:
    sizes = []

    def compute(lift: Lift) -> list[Array]:
        y: Any = lift(A) * 1
        sizes.append(len(y))
        return [y]

    radii(compute, [A], ODD, seed=[1], at_once=at_once)
    assert sizes == expected
    assert SAMPLES == 64


def test_a_radius_is_measured_from_the_truth_and_not_from_the_mean() -> None:
    """A simulation that is off by 1 % of itself has that in its σ."""
    (radius,) = radii(lambda lift: [lift(A) * 1], [A * 1.01], ODD, seed=[1])
    np.testing.assert_allclose(radius.sigma, 0.01 * np.abs(A), rtol=0.01)


# How many independent errors a tensor holds.


def repeated(lift: Lift, times: int, groups: int) -> list[Array]:
    """``groups`` independent errors, each in ``times`` elements."""
    y = lift(np.ones(groups)) * 1
    return [np.concatenate([y] * times, axis=-1)]


@pytest.mark.parametrize(
    ("times", "groups"), [(60, 1), (1, 60), (5, 12), (12, 5), (1, 1), (1, 1000), (2, 1)]
)
def test_freedom_counts_independent_errors(times: int, groups: int) -> None:
    (radius,) = radii(
        lambda lift: repeated(lift, times, groups), [np.ones(times * groups)], UNSTORED, seed=[3]
    )
    assert radius.freedom == pytest.approx(groups, rel=0.2), f"{groups} independent errors"


def test_freedom_is_about_that_of_the_elements_that_move() -> None:
    """Exact elements count for nothing."""
    mask = np.arange(100) < 30
    (radius,) = radii(lambda lift: [np.where(mask, lift(np.ones(100)) * 1, 0)],
                      [1.0 * mask], UNSTORED, seed=[3])  # fmt: skip
    assert radius.freedom == pytest.approx(30, rel=0.2)
    assert np.array_equal(radius.sigma > 0, mask)


def test_a_single_large_sample_counts() -> None:
    """One of 64 is off by 1, the others by nothing to speak of."""
    deviation = np.full((64, 2), 1e-3)
    deviation[7, 0] = 1.0
    sigma = radius(deviation, UNSTORED).sigma
    np.testing.assert_allclose(sigma, [1 / 3.5, 1e-3])


def test_a_rare_event_that_moves_all_elements_is_one_error() -> None:
    normal = RNG(5).normal(size=(64, 400))
    assert radius(normal, UNSTORED).freedom == pytest.approx(400, rel=0.2)
    normal[7] *= 30
    assert radius(normal, UNSTORED).freedom == 1


def test_what_is_exact_throughout_has_no_radius() -> None:
    (radius,) = radii(lambda lift: [-lift(A)], [-A], ODD, seed=[1])
    assert not radius.sigma.any()
    assert radius.freedom == 1


# Against real sums.


@pytest.mark.parametrize(("depth", "at_least"), [(512, 0.5), (4096, 0.5)])
def test_a_sequential_float32_sum_of_one_sign_stays_near(depth: int, at_least: float) -> None:
    """One after the other, as a kernel that does not split its sum; in 300 sums."""
    x = RNG(depth).uniform(0, 1, (300, depth)).astype(np.float32)
    exact = x.astype(np.float64).sum(axis=1, keepdims=True)
    (radius,) = radii(lambda lift: [lift(x) @ lift(np.ones((depth, 1)))], [exact],
                      ARITHMETICS["float32"], seed=[1])  # fmt: skip
    got = np.add.accumulate(x, axis=1)[:, -1:].astype(np.float64)
    worst = float((np.abs(got - exact) / radius.sigma).max())
    assert worst < 4, f"a correct sum of {depth} terms is {worst:.1f} σ̂ away"
    assert worst > at_least, f"the radius is far too wide: the worst of 300 is {worst:.2f} σ̂"


@pytest.mark.parametrize("way", ["step by step", "at once"])
def test_a_gradient_of_shared_weights_stays_near_however_it_is_added_up(way: str) -> None:
    """The gradient is 300 sums of one sign, each over 64 rows and 25 steps in order."""
    x = RNG(8).uniform(0.5, 1, (25, 64, 300)).astype(np.float32)
    ones = np.ones((25, 64, 1))
    exact = outer(x.astype(np.float64), ones)
    (radius,) = radii(lambda lift: [outer(lift(x), lift(ones))], [exact],
                      ARITHMETICS["float32"], seed=[1])  # fmt: skip
    parts = [*x] if way == "step by step" else [x.reshape(-1, 300)]
    sums = np.array([np.add.accumulate(part, axis=0)[-1] for part in parts])
    got = np.add.accumulate(sums, axis=0)[-1][:, None].astype(np.float64)
    worst = float((np.abs(got - exact) / radius.sigma).max())
    assert worst < 6, f"a correct sum, {way}, is {worst:.1f} σ̂ away"


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_gradient_in_16_bits_starts_with_the_step_that_ran_last(direction: Any) -> None:
    """The other shares are below half of its last place, so they are lost."""
    spec = Spec(cell="vanilla", input_size=1, hidden_size=1, direction=direction, bias=False,
                batch_first=False)  # fmt: skip
    params = ((Weights(np.ones((1, 1)), np.zeros((1, 1)), None, None),),)
    small, last = 2.0**-10, -1 if direction == "forward" else 0
    dy = np.full((20, 1, 1), small)
    dy[last] = 1.0

    def gradient(lift: Lift) -> list[Array]:
        output, pullback = vjp(spec, each(lift, params), lift(np.full((20, 1, 1), 0.5)))
        return [
            pullback(output._replace(y=lift(dy), h_n=lift(np.zeros((1, 1, 1))))).params[0][0][0]
        ]

    truth = gradient(lambda a: a)
    (radius,) = radii(gradient, truth, ARITHMETICS["bfloat16"], seed=[1])
    lost = float(truth[0][0, 0]) * 19 * small
    assert radius.sigma[0, 0] > 0.7 * lost, f"σ̂ {radius.sigma[0, 0]:.2g}, and {lost:.2g} is lost"


def test_a_float32_product_of_both_signs_stays_near() -> None:
    a, b = RNG(1).normal(size=(60, 200)), RNG(2).normal(size=(200, 60))
    a, b = a.astype(np.float32), b.astype(np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    (radius,) = radii(lambda lift: [lift(a) @ lift(b)], [exact], ARITHMETICS["float32"], seed=[1])
    products = a[:, :, None].astype(np.float32) * b
    got = np.add.accumulate(products, axis=1)[:, -1].astype(np.float64)
    ratio = (got - exact) / radius.sigma
    assert np.abs(ratio).max() < 8, f"the worst of 3,600 is {np.abs(ratio).max():.1f} σ̂ away"
    assert 0.2 < np.sqrt(np.mean(ratio**2)) < 1.25, f"RMS {np.sqrt(np.mean(ratio**2)):.2f}"


# The table, and the floor.


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_unit_roundoffs_are_half_the_spacing_at_one(name: str) -> None:
    half = float(np.finfo(name).eps) / 2
    assert ARITHMETICS[name].u_out == half
    assert {ARITHMETICS[name].u_op, ARITHMETICS[name].u_store} - {0, half} <= {2.0**-24}


TABLE: dict[str, tuple[float, float, float, float, float]] = {
    "float64": (0, 2**-53, 2**-53, 0, 0),
    "float32": (0, 2**-24, 2**-24, 0, 0),
    "tf32": (2**-11, 2**-24, 2**-24, 0, 0),
    "float16": (0, 2**-24, 2**-24, 2**-11, 0),
    "float16-summed": (0, 2**-24, 2**-24, 2**-11, 2**-11),
    "float16-throughout": (0, 2**-11, 2**-11, 2**-11, 0),
    "bfloat16": (0, 2**-24, 2**-24, 2**-8, 0),
    "bfloat16-summed": (0, 2**-24, 2**-24, 2**-8, 2**-8),
    "bfloat16-throughout": (0, 2**-8, 2**-8, 2**-8, 0),
}
"""The unit roundoffs of operands, accumulation, all else, storage, and plain sums where they differ."""


def test_the_arithmetics_are_those_of_the_design_from_tightest_to_loosest() -> None:
    found = {n: (a.u_operand, a.u_acc, a.u_op, a.u_store, a.u_sum)
             for n, a in ARITHMETICS.items()}  # fmt: skip
    assert found == TABLE
    assert list(found) == list(TABLE), "the order is that in which a fingerprint is sought"

    def summed(lift: Lift) -> list[Array]:
        return [np.sum(network(lift)[0], axis=-1)]

    truth = summed(lambda a: a)
    sizes = [rms(radii(summed, truth, a, seed=[1])[0].sigma, np.ones(6, bool))
             for a in ARITHMETICS.values()]  # fmt: skip
    looser = [b for a, b in itertools.pairwise(sizes) if b > a]
    assert len(looser) >= len(sizes) - 2, f"σ̂ by arithmetic: {sizes}"


def test_the_floor_is_a_tenth_of_the_rms_of_what_is_not_exact() -> None:
    sigma = np.array([3.0, 4.0, 0.01, 0.0, 0.0])
    inexact = np.array([True, True, True, False, False])
    assert rms(sigma, inexact) == pytest.approx(math.sqrt((9 + 16 + 0.0001) / 3))
    least = FLOOR * rms(sigma, inexact)
    np.testing.assert_allclose(floored(sigma, inexact), [3, 4, least, least, least])
    assert FLOOR == 0.1


def test_the_rms_of_nothing_is_zero() -> None:
    assert rms(np.ones(3), np.zeros(3, bool)) == 0

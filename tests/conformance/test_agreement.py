"""The one place that decides agreement: every branch, on tensors small enough to work out by hand.

Unless a row says otherwise: σ = 10⁻⁷ everywhere, the arithmetic is float32, no element is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from conformance.agreement import (
    RMS_FLOOR,
    UNDECIDED,
    Expected,
    Verdict,
    Z,
    judge,
    rms_limit,
)
from records.schema import Outcome
from reference import Array
from reference.rounding import ARITHMETICS, OVERFLOW, Radius

S = 1e-7
U = 2.0**-24
VALUE = [1.0, 2.0, -4.0, 0.5]
BOUND = [8 * S + U * abs(v) for v in VALUE]
NAN, INF = math.nan, math.inf


def expected(value: Any = VALUE, sigma: Any = S, freedom: float = 1e9) -> Expected:
    """Elements whose σ is 0 are exact."""
    value = np.array(value, float)
    return Expected(value, Radius(np.broadcast_to(np.array(sigma, float), value.shape), freedom))


def judged(
    got: Any,
    e: Expected | None = None,
    *,
    arithmetic: str = "float32",
    dtype: str = "float32",
    name: str = "y",
) -> Verdict:
    """``got`` as y against ``e``."""
    tensors: Mapping[str, Array] = {name: np.array(got, float)}
    return judge(tensors, {name: dtype}, "float32", {"y": e or expected()}, ARITHMETICS[arithmetic])


def off(*errors: float, value: Any = VALUE) -> Array:
    return np.array(value) + np.array(errors)


@dataclass(frozen=True)
class Row:
    """A result, the expected values, and the verdict that they must end in."""

    got: Any
    outcome: Outcome
    reason: str = ""
    expected: Expected = field(default_factory=expected)
    arithmetic: str = "float32"


NONE_OFF = off(0, 0, 0, 0)
FAR = 2 * BOUND[1]
ALL_EXACT = expected([1.0, 0.0], 0.0)
HALF_EXACT = expected([1.0, 0.0], [S, 0.0])

ROWS: dict[str, Row] = {
    "nothing is off": Row(NONE_OFF, "agrees"),
    "within the bound": Row(off(0.9 * BOUND[0], 0, 0, 0), "differs", "y: the RMS"),
    "within bound and RMS": Row(off(2 * S, S, -S, 0), "agrees"),
    "one beyond the bound": Row(off(0, FAR, 0, 0), "differs",
                                "y: 1 of 4 elements are beyond the bound"),
    "three beyond the bound": Row(off(1, 1, -1, 0), "differs",
                                  "y: 3 of 4 elements are beyond the bound"),
    "below as above": Row(off(0, -FAR, 0, 0), "differs",
                          "y: 1 of 4 elements are beyond the bound"),
    "drift": Row(off(2.1 * S, 2.1 * S, 2.1 * S, 2.1 * S), "differs",
                 "y: the RMS of error / radius is 2.10, above 2.00"),
    "less than drift": Row(off(1.9 * S, 1.9 * S, 1.9 * S, 1.9 * S), "agrees"),
    "drift of one error": Row(off(4 * S, 4 * S, 4 * S, 4 * S), "agrees",
                              expected=expected(freedom=1)),
    "one error, as large as one may be": Row(off(7 * S, 7 * S, 7 * S, 7 * S), "agrees",
                                             expected=expected(freedom=1)),
    "drift of four errors": Row(off(5 * S, 5 * S, 5 * S, 5 * S), "differs",
                                "y: the RMS of error / radius is 5.00, above 4.76",
                                expected=expected(freedom=4)),
    "NaN": Row([NAN, 2, -4, 0.5], "differs", "y: 1 of 4 elements are not finite"),
    "infinity": Row([INF, 2, -4, -INF], "differs", "y: 2 of 4 elements are not finite"),
    "NaN where it is exact": Row([1, NAN], "differs", "y: 1 of 2 elements are not finite",
                                 HALF_EXACT),
    "exact and right": Row([1, 0], "agrees", expected=ALL_EXACT),
    "exact and wrong": Row([1, 1e-300], "differs", "y: 1 of 2 elements that no rounding "
                           "touches (in the padding, of rows of length 0, of unused words) are not "
                           "exact",
                           ALL_EXACT),
    "exact and right, others not": Row([1 + S, 0], "agrees", expected=HALF_EXACT),
    "exact and wrong, others right": Row([1, 1e-300], "differs", "y: 1 of 1 elements that no "
                                         "rounding touches", HALF_EXACT),
    "minus zero": Row([1, -0.0], "agrees", expected=HALF_EXACT),
    "inconclusive": Row([1, 1], "inconclusive", "y: the bound is 1.6% of the signal",
                        expected([1, 1], 0.002)),
    "conclusive": Row([1, 1], "agrees", expected=expected([1, 1], 0.001)),
    "inconclusive and off": Row([1, 1.1], "inconclusive", "y: the bound is 1.6% of the signal",
                                expected([1, 1], 0.002)),
    "inconclusive and not finite": Row([1, NAN], "differs", "y: 1 of 2 elements are not finite",
                                       expected([1, 1], 0.002)),
    "inconclusive and not exact": Row([1, 1e-300], "differs", "y: 1 of 1 elements that no",
                                      expected([1, 0], [0.002, 0])),
    "16 bits may leave more undecided": Row([1, 1], "agrees", expected=expected([1, 1], 0.01),
                                            arithmetic="bfloat16"),
    "16 bits may not leave all undecided": Row([1, 1], "inconclusive",
                                               "y: the bound is 16.0% of the signal",
                                               expected([1, 1], 0.02), "bfloat16"),
    "float16 between them": Row([1, 1], "inconclusive", "y: the bound is 1.6% of the signal",
                                expected([1, 1], 0.002), "float16"),
    "float16 is allowed 1.56 %": Row([1, 1], "agrees", expected=expected([1, 1], 0.0019),
                                     arithmetic="float16"),
    "a rounding that nothing spreads": Row([1 + 2**-25], "differs", "y: 1 of 1 elements that no",
                                           expected([1.0], 0.0)),
    "zero without spread": Row([1e-300], "differs", "y: 1 of 1 elements that no",
                               expected([0.0], 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("what", ROWS)
def test_the_verdict_is(what: str) -> None:
    row = ROWS[what]
    verdict = judged(row.got, row.expected, arithmetic=row.arithmetic)
    assert verdict.outcome == row.outcome, verdict.reason
    assert verdict.reason.startswith(row.reason), verdict.reason
    assert bool(verdict.reason) == (row.outcome != "agrees"), verdict.reason


MISFITS: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "missing": ({"y": [1.0]}, {"y": "float32"}, "h_n: not returned"),
    "both missing": ({}, {}, "h_n, y: not returned"),
    "extra": ({"y": [1.0], "h_n": [1.0], "c_n": [1.0]}, {"y": "float32", "h_n": "float32"},
              "c_n: returned, but this network has no such tensor"),
    "shape": ({"y": [[1.0]], "h_n": [1.0]}, {"y": "float32", "h_n": "float32"},
              "y: shape (1, 1) returned, expected (1,)"),
    "a shape that broadcasts": ({"y": 1.0, "h_n": [1.0]}, {"y": "float32", "h_n": "float32"},
                                "y: shape () returned, expected (1,)"),
    "dtype": ({"y": [1.0], "h_n": [1.0]}, {"y": "float32", "h_n": "float64"},
              "h_n: dtype float64 returned, expected float32"),
    "no dtype": ({"y": [1.0], "h_n": [1.0]}, {"y": "float32"},
                 "h_n: dtype None returned, expected float32"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit_differs(what: str) -> None:
    got, dtypes, reason = MISFITS[what]
    verdict = judge(
        {name: np.array(a) for name, a in got.items()},
        dtypes,
        "float32",
        {"y": expected([1.0]), "h_n": expected([1.0])},
        ARITHMETICS["float32"],
    )
    assert (verdict.outcome, verdict.reason) == ("differs", reason)
    assert (verdict.margin, verdict.worst, verdict.tensors) == (None, None, {})


# The figures.


def test_the_margin_is_the_error_over_the_bound() -> None:
    verdict = judged(off(2 * S, -2.05 * S, -S, S))
    expected_margins = [2 * S / BOUND[0], 2.05 * S / BOUND[1], S / BOUND[2], S / BOUND[3]]
    np.testing.assert_allclose(verdict.margins["y"], expected_margins, rtol=1e-6)
    assert verdict.margin == pytest.approx(max(expected_margins), rel=1e-6)
    figures = verdict.tensors["y"]
    assert figures.margin == verdict.margin
    assert figures.max_error == pytest.approx(2.05, rel=1e-6)
    assert figures.rms_error == pytest.approx(math.sqrt((4 + 2.05**2 + 1 + 1) / 4), rel=1e-6)
    assert figures.mean_error == pytest.approx((2 - 2.05 - 1 + 1) / 4, abs=1e-6), "signed"
    signal = math.sqrt(sum(v * v for v in VALUE) / 4)
    assert figures.bound_to_signal == pytest.approx(8 * S / signal)
    worst = verdict.worst
    assert worst is not None
    assert (worst.tensor, worst.index) == ("y", [0]), "the largest margin, not the largest error"
    assert (worst.got, worst.expected) == (1 + 2 * S, 1)
    assert worst.sigma == pytest.approx(S)
    assert worst.bound == pytest.approx(BOUND[0])


def test_a_small_spread_is_floored_and_exact_elements_do_not_count() -> None:
    """σ = 3, 4 and nearly 0 among the inexact: the floor is a tenth of their RMS."""
    e = expected([1.0, 1.0, 1.0, 0.0], [3e-7, 4e-7, 1e-30, 0])
    floor = 0.1 * math.sqrt((9 + 16 + 0) / 3) * 1e-7
    verdict = judged([1, 1, 1 + floor, 0], e)
    assert verdict.outcome == "agrees", verdict.reason
    assert verdict.margins["y"][2] == pytest.approx(floor / (8 * floor + U), rel=1e-6)
    figures = verdict.tensors["y"]
    assert figures.rms_error == pytest.approx(math.sqrt(1 / 3), rel=1e-6), "of three, not of four"
    assert figures.mean_error == pytest.approx(1 / 3, rel=1e-6)
    spread = math.sqrt((9e-14 + 16e-14 + floor**2) / 3)
    assert figures.bound_to_signal == pytest.approx(8 * spread, rel=1e-6)


def test_the_worst_element_is_that_of_all_tensors() -> None:
    got = {"y": np.array([[1 + S, 1.0]]), "h_n": np.array([[1.0, 1 - 2 * S]])}
    e = {name: expected([[1.0, 1.0]]) for name in got}
    verdict = judge(got, dict.fromkeys(got, "float32"), "float32", e, ARITHMETICS["float32"])
    assert verdict.worst is not None
    assert (verdict.worst.tensor, verdict.worst.index) == ("h_n", [0, 1])
    assert verdict.margin == verdict.tensors["h_n"].margin
    assert verdict.tensors["y"].margin == pytest.approx(S / (8 * S + U), rel=1e-6)


def test_every_failing_tensor_is_named_and_hides_what_is_inconclusive() -> None:
    got = {"y": np.array([2.0]), "h_n": np.array([NAN]), "c_n": np.array([1.0])}
    e = {"y": expected([1.0]), "h_n": expected([1.0]), "c_n": expected([1.0], 1.0)}
    verdict = judge(got, dict.fromkeys(got, "float32"), "float32", e, ARITHMETICS["float32"])
    assert verdict.outcome == "differs"
    assert verdict.reason == (
        "y: 1 of 1 elements are beyond the bound; h_n: 1 of 1 elements are not finite"
    )
    assert verdict.margin is None, "a margin that is not finite has no number"
    assert verdict.worst is not None
    assert (verdict.worst.tensor, verdict.worst.got) == ("h_n", None)


def test_an_exact_tensor_has_margin_zero_or_none() -> None:
    right = judged([1, 0], ALL_EXACT)
    assert (right.margin, right.tensors["y"].rms_error, right.tensors["y"].mean_error) == (0, 0, 0)
    assert right.tensors["y"].bound_to_signal == 0
    for e in (ALL_EXACT, HALF_EXACT):
        wrong = judged([1, 1e-300], e)
        assert wrong.margin is None, "there is no bound to be within"
        assert wrong.worst is not None
        assert (wrong.worst.index, wrong.worst.bound) == ([1], 0)


def test_the_output_type_sets_the_rounding_that_is_allowed_for() -> None:
    """u_out |y|: of float16 where results are stored in it, of float32 where only the operands
    are shorter."""
    e = expected([1.0], 1e-30)
    for arithmetic, u_out in (("float16", 2**-11), ("bfloat16", 2**-8), ("tf32", 2**-24),
                              ("float64", 2**-53)):  # fmt: skip
        verdict = judged([1 + 2 * u_out], e, arithmetic=arithmetic)
        assert verdict.margins["y"][0] == pytest.approx(2), f"{arithmetic}: {verdict.margins}"


LARGEST = {"float16": 65504.0, "bfloat16": float.fromhex("0x1.fep127"),
           "float32": float(np.finfo(np.float32).max)}  # fmt: skip


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("sign", [1, -1])
def test_where_the_truth_is_beyond_the_type_nothing_can_be_said(dtype: str, sign: int) -> None:
    """Other tensors that are computed from it are undecided too."""

    def verdict(y: float, h_n: float) -> Verdict:
        got = {"y": np.array([y]), "h_n": np.array([h_n])}
        e = {"y": expected([y]), "h_n": expected([1.0])}
        return judge(got, dict.fromkeys(got, dtype), dtype, e, ARITHMETICS[dtype])

    largest = sign * LARGEST[dtype]
    assert verdict(largest, 1).outcome == "agrees", "the largest number is one"
    assert verdict(largest, 2).outcome == "differs"
    beyond = verdict(math.nextafter(largest, sign * INF), 2)
    assert beyond.outcome == "inconclusive", beyond.reason
    assert (
        beyond.reason
        == f"y: 1 of 1 elements exceed, or come from numbers that exceed, the range of {dtype}"
    )


def test_what_comes_of_an_overflow_may_be_anything() -> None:
    e = Expected(np.array([1.0, 2.0]), Radius(np.array([OVERFLOW, 1e-7]), 1.0))
    for got in (1.0, 5.0, INF, NAN):
        verdict = judge({"y": np.array([got, 2.0])}, {"y": "float16"}, "float16", {"y": e},
                        ARITHMETICS["float16"])  # fmt: skip
        assert verdict.outcome == "inconclusive", f"{got}: {verdict.outcome}"
        figures = verdict.tensors["y"]
        assert math.isfinite(figures.bound_to_signal), "a record can hold it"


@pytest.mark.parametrize(("dtype", "sigma", "outcome"), [
    ("float16", 0.2, "inconclusive"),
    ("float16", 0.1, "differs"),
    ("bfloat16", 0.2, "differs"),
])  # fmt: skip
def test_a_float16_result_may_overflow_where_its_errors_are_as_large_as_it(
    dtype: str, sigma: float, outcome: str
) -> None:
    """σ is 1/5 or 1/10 of the signal: eight times that is more than the signal, or less."""
    e = Expected(np.ones(4), Radius(np.full(4, sigma), 4.0))
    for bad in (INF, NAN):
        got = {"y": np.array([1.0, bad, 1.0, 1.0])}
        verdict = judge(got, {"y": dtype}, dtype, {"y": e}, ARITHMETICS[dtype])
        assert verdict.outcome == outcome, verdict.reason


@pytest.mark.parametrize("got", [0.0, 0.5, 3.0])
def test_where_there_is_no_signal_no_bound_says_anything(got: float) -> None:
    """All that is expected is 0 by underflow, say, and errors are not: within is as good as beyond."""
    e = Expected(np.zeros(3), Radius(np.array([0.1, 0.1, 0.0]), 2.0))
    verdict = judge({"y": np.array([got, 0.0, 0.0])}, {"y": "bfloat16"}, "bfloat16", {"y": e},
                    ARITHMETICS["bfloat16"])  # fmt: skip
    assert verdict.outcome == "inconclusive", verdict.reason
    assert math.isfinite(verdict.tensors["y"].bound_to_signal), "a record can hold it"


# The limit of the RMS.


def test_the_limit_for_one_error_is_that_of_a_normal_one() -> None:
    """|N| is beyond it as rarely as a one-sided Z; Wilson and Hilferty are 20 % wide."""
    beyond = NormalDist().cdf(-Z)
    exact = -NormalDist().inv_cdf(beyond / 2)
    assert exact < rms_limit(1) < 1.21 * exact, f"limit {rms_limit(1)}, normal {exact}"


def test_the_limit_for_two_errors_is_that_of_an_exponential_one() -> None:
    beyond = NormalDist().cdf(-Z)
    exact = math.sqrt(-2 * math.log(beyond) / 2)
    assert exact < rms_limit(2) < 1.14 * exact, f"limit {rms_limit(2)}, exact {exact}"


@pytest.mark.parametrize("freedom", [3, 10, 30])
def test_the_limit_is_not_passed_by_correct_errors(freedom: int) -> None:
    normal = np.random.default_rng(freedom).normal(size=(200_000, freedom))
    found = np.sqrt(np.mean(normal**2, axis=1))
    assert found.max() < rms_limit(freedom), "one in 10¹⁵ is beyond it"
    assert np.quantile(found, 0.999) > 0.4 * rms_limit(freedom), "nor is it far out"


def test_the_limit_falls_to_its_floor() -> None:
    limits = [rms_limit(n) for n in (1, 1.5, 2, 5, 20, 100, 1000, 1e6, 1e12)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == RMS_FLOOR
    assert rms_limit(5) > RMS_FLOOR


def test_the_constants_are_those_of_the_design() -> None:
    assert (Z, UNDECIDED) == (8, 0.01)
    assert 1 < RMS_FLOOR <= 2, "correct code stays near 1, and drift of 3 radii is to be seen"

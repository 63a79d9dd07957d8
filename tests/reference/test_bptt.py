"""The gradients of the specification against gradients that share no equation with them.

Small networks agree, element by element, with an oracle in 50 digits (``gradient_oracle`` of ``oracle.py``),
within the float64 radius of ``reference.rounding``. Large ones agree, along random directions, with
difference quotients of ``run`` in extended precision. Values that are exact by definition (dx in the
padding, the states' gradients of rows of length 0) must be exactly equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from oracle import MP, gradient_oracle, oracle

from conformance.agreement import Expected, judge
from reference import Array, Gradients, Output, Spec, vjp
from reference.bptt import incoming
from reference.rounding import ARITHMETICS, Lift, Radius, floored, radii
from reference.trees import each, named
from tests.reference.test_arguments import BAD_ARRAYS, CHANGED_CALLS, Change, doubled, good, of
from tests.reference.test_arguments import names as messages
from tests.reference.test_oracle import (
    DIRECTIONS,
    LENGTHS,
    SIZES,
    VARIANTS,
    Case,
    assert_bits,
    assert_same_shape,
    by_name,
    draw,
    errors,
    exact_by_definition,
)

RADIUS = 8
"""How many σ̂ a gradient may be off."""

FULLEST: dict[str, Any] = {
    "input_size": 4,
    "hidden_size": 3,
    "num_layers": 2,
    "direction": "bidirectional",
}

RNG = np.random.default_rng


class Problem(NamedTuple):
    """Arguments for ``vjp``, and the loss's gradient by every output."""

    case: Case
    incoming: Output

    def differentiate(self) -> tuple[Output, Gradients]:
        """Return the specification's gradients."""
        spec, params, x, h0, c0, lengths = self.case
        output, pullback = vjp(spec, params, x, h0=h0, c0=c0, lengths=lengths)
        return output, pullback(self.incoming)

    def gradients(self) -> dict[str, Array]:
        """Return the specification's gradients by name: dx, dh0, dparams[0][1].W_ih and so on."""
        return names(self.differentiate()[1])

    def oracle(self) -> dict[str, Array]:
        """Return the oracle's gradients by name."""
        spec, params, x, h0, c0, lengths = self.case
        return names(gradient_oracle(spec, params, x, self.incoming, h0, c0, lengths))

    def map(self, change: Lift) -> Problem:
        """The same problem with every floating-point array changed."""
        return Problem(self.case.map(change), each(change, self.incoming))

    def radii(self, arithmetic: str = "float64") -> dict[str, Radius]:
        """Return the radius of every gradient."""
        exact = self.gradients()
        found = radii(
            lambda lift: list(self.map(lift).gradients().values()),
            list(exact.values()),
            ARITHMETICS[arithmetic],
            seed=[0],
        )
        return dict(zip(exact, found, strict=True))

    def exact(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return which elements of a gradient are exact by definition."""
        if name.startswith("dparams"):
            lengths = self.case.lengths
            return np.full(shape, lengths is not None and not lengths.any())
        return exact_by_definition(self.case, "y" if name == "dx" else name, shape)


def names(gradients: Gradients) -> dict[str, Array]:
    """Every gradient that there is, by name."""
    fields = zip(Gradients._fields, gradients, strict=True)
    return {n: v for field, tree in fields for n, v in named(tree, f"d{field}").items()}


def problem(
    spec: Spec,
    batch: int = 3,
    steps: int = 5,
    *,
    seed: int,
    states: bool = True,
    lengths: list[int] | None = None,
    leading: tuple[int, ...] = (),
) -> Problem:
    """Arguments and incoming gradients, all uniform on (-1, 1)."""
    case = draw(spec, batch, steps, states=states, seed=seed, lengths=lengths, leading=leading)
    random = RNG([seed, 1])
    return Problem(case, each(lambda v: random.uniform(-1, 1, v.shape), case.run()))


def full_problem(variant: str, *, seed: int, **options: Any) -> Problem:
    """Two layers, two directions, biases, states, a row of length 0."""
    spec = Spec(**VARIANTS[variant], **FULLEST)
    return problem(spec, **{"lengths": LENGTHS["with-0"], "seed": seed, **options})


# Small networks, in 50 digits.


def assert_within_radius(task: Problem) -> None:
    """Every gradient within RADIUS σ̂ + 2⁻⁵³ |g| of the oracle, or equal where it is exact."""
    got, truth, found = task.gradients(), task.oracle(), task.radii()
    assert got.keys() == truth.keys(), f"returned {list(got)}, expected {list(truth)}"
    for name, value in got.items():
        assert_same_shape(name, value, truth[name])
        exact = task.exact(name, value.shape)
        sigma = found[name].sigma / np.sqrt(2)  # the oracle has no rounding of its own
        bound = RADIUS * floored(sigma, ~exact) + 2**-53 * abs(value)
        bound[exact] = 0
        off = errors(value, truth[name])
        outside = ~(off <= bound)
        if not outside.any():
            continue
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        pytest.fail(
            f"{name}{list(index)}: the specification gives {value[index]!r}, the oracle "
            f"{MP.nstr(truth[name][index], 20)}: off by {off[index]:.3g} where "
            f"{bound[index]:.3g} is allowed; so are {int(outside.sum())} of {outside.size} elements"
        )


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sequence(variant: str, num_layers: int, direction: str, lengths: str) -> None:
    """Every cell over layers, directions and lengths, with biases and initial states."""
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=num_layers,
        direction=direction,  # type: ignore[arg-type]
    )
    assert_within_radius(problem(spec, lengths=LENGTHS[lengths], seed=0))


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sequence_options(variant: str, bias: bool, states: bool, batch_first: bool) -> None:
    """Every cell over biases, initial states and layouts, all else at its fullest."""
    spec = Spec(**VARIANTS[variant], **FULLEST, bias=bias, batch_first=batch_first)
    assert_within_radius(problem(spec, states=states, lengths=LENGTHS["with-0"], seed=0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_sequence_sizes(variant: str, size: str) -> None:
    """Sizes at which a wrong axis or a wrong broadcast could pass unseen, or fail."""
    batch, steps, width, hidden = SIZES[size]
    options = FULLEST | {"input_size": width, "hidden_size": hidden}
    assert_within_radius(problem(Spec(**VARIANTS[variant], **options), batch, steps, seed=0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_row_has_a_step(variant: str) -> None:
    """With every length 0, only the initial states have gradients."""
    task = full_problem(variant, lengths=[0, 0, 0], seed=0)
    for name, got in task.gradients().items():
        expected = getattr(task.incoming, f"{name[1]}_n") if name in {"dh0", "dc0"} else 0 * got
        assert (got == expected).all(), f"{name}: {got}, expected exactly {expected}"


@pytest.mark.parametrize("given", ["h0", "c0"])
def test_one_state_of_two(given: str) -> None:
    """An LSTM with one of its states given has the gradient of that one."""
    task = full_problem("lstm", seed=0)
    other = {"h0": "c0", "c0": "h0"}[given]
    assert_within_radius(task._replace(case=task.case._replace(**{other: None})))


@pytest.mark.parametrize("scale", [8, 64])
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "vanilla-relu"])
def test_saturated(variant: str, scale: int) -> None:
    """Weights so large that most gates are 0 or 1 in float64, and e⁻ᵃ ranges over many decades."""
    task = full_problem(variant, seed=0)
    large = each(lambda a: scale * a, task.case.params)
    assert_within_radius(task._replace(case=task.case._replace(params=large)))


def test_relu_at_0() -> None:
    """The derivative of relu at 0 is 0."""
    spec = Spec(**VARIANTS["vanilla-relu"], input_size=4, hidden_size=3)
    task = problem(spec, seed=0)
    still = each(np.zeros_like, task.case.params)
    for name, got in task._replace(case=task.case._replace(params=still)).gradients().items():
        assert not got.any(), f"{name}: {got}, expected 0, as every pre-activation is 0"


ORACLE_STEP = MP.mpf(2) ** -50


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_oracle_against_its_own_differences(variant: str) -> None:
    """(f(a + sv) - f(a - sv)) / 2s, in 50 digits, for every argument a along a random v.

    The quotient's error is s² / 6 = 1.3e-31 times a third derivative, and that of rounding is
    1e-50 / s = 1e-35; a third derivative of a thousand times the gradient would still pass.
    """
    spec = Spec(**VARIANTS[variant], **FULLEST)
    (_, params, x, h0, c0, lengths), d = problem(spec, 2, 2, lengths=[2, 1], seed=0)
    arguments = Gradients(params, x, h0, c0)
    gradients = names(gradient_oracle(spec, params, x, d, h0, c0, lengths))
    random = RNG(0)

    def loss(*changed: Any) -> Any:
        pairs = zip(d, oracle(spec, *changed, lengths=lengths), strict=True)
        return sum((seed * output).sum() for seed, output in pairs if output is not None)

    for number, (name, gradient) in enumerate(gradients.items()):
        along = exactly(random.integers(-8, 9, gradient.shape) / 8)
        up, down = (
            loss(*shifted(arguments, number, by * along)) for by in (ORACLE_STEP, -ORACLE_STEP)
        )
        quotient = (up - down) / (2 * ORACLE_STEP)
        got = (gradient * along).sum()
        size = abs(gradient).sum()
        assert size > 0.01, f"{name}: gradients of {float(size):.3g} show nothing"
        off = float(abs(got - quotient) / size)
        assert off <= 1e-27, f"{name}: {MP.nstr(got, 35)}, by differences {MP.nstr(quotient, 35)}"


def shifted(arguments: Gradients, number: int, by: Array) -> Gradients:
    """All arguments as mpf, and one of their arrays moved."""
    count = itertools.count()
    return each(lambda a: exactly(a) + (by if next(count) == number else 0), arguments)


def exactly(values: Array) -> Array:
    """Convert to mpf, digit for digit."""
    made = np.empty(values.shape, object)
    made.flat = [MP.mpf(float(value)) for value in values.flat]
    return made


# Large networks, by differences in extended precision.

STEP = 2.0**-20
GRID = 2.0**16
"""Arguments and directions are multiples of 1 / GRID, so that an argument moved by STEP is exact."""
EXTENDED = float(np.finfo(np.longdouble).eps / np.finfo(np.float64).eps)
"""The unit roundoff of the widest type as a share of float64's; 1 where it is no wider."""
SAYS_LITTLE = max(EXTENDED, 2**-11) * 2**-12
"""The largest bound, as a share of the gradient's norm; 2⁻²³ with an extended type of 64 bits."""

LARGE: dict[str, dict[str, Any]] = {
    "3-layer": {"num_layers": 3, "direction": "bidirectional"},
    "long": {"num_layers": 1, "direction": "reverse"},
}


def on_grid(values: Array) -> Array:
    """The nearest multiples of 1 / GRID."""
    return np.round(values * GRID) / GRID


def loss(output: Output, d: Output) -> Array:
    """Σ d · output, apart for every index of the first axis."""
    total: Any = 0
    for seed, value in zip(d, output, strict=True):
        if value is not None:
            product = seed * value
            total = total + np.sum(product.reshape(len(product), -1), axis=-1)
    return total


def moved(case: Case, directions: Gradients) -> Case:
    """Each argument moved by -2, -1, 1 and 2 STEPs along its direction, four slices for each."""
    arguments = Gradients(case.params, case.x, case.h0, case.c0)
    count = 4 * len(names(arguments))
    numbers = itertools.count()

    def stacked(array: Array, direction: Array) -> Array:
        made = np.stack([array.astype(np.longdouble)] * count)
        first = 4 * next(numbers)
        for k, steps in enumerate((-2, -1, 1, 2)):
            made[first + k] += steps * STEP * direction
        return made

    made = each(stacked, arguments, directions)
    return case._replace(**made._asdict())


def assert_no_kink_is_crossed(case: Case) -> None:
    """No unit of any layer changes between on and off over the slices."""
    for layers in range(1, case.spec.num_layers + 1):
        rows = layers * case.spec.num_directions
        below = case._replace(
            spec=replace(case.spec, num_layers=layers),
            params=case.params[:layers],
            h0=case.h0[:, :rows],  # type: ignore[index]
        )
        on = below.run().y > 0
        assert (on == on[0]).all(), "a step crosses the kink of a relu; choose another seed"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("variant", VARIANTS)
def test_large_networks_against_differences(variant: str, size: str, seed: int) -> None:
    """The slope along a random v, D(s) = (f(a + sv) - f(a - sv)) / 2s, for every argument a.

    Off by three terms. D(s) - g·v = s² f'''/6 + O(s⁴), and D(2s) - D(s) is three times that. The
    values of f are off by 8 radii of the type in which ``run`` adds them up, their difference
    over 2s. And every element of g by 8 radii of float64.
    """
    spec = Spec(**VARIANTS[variant], **LARGE[size], input_size=5, hidden_size=4)
    task = problem(spec, 3, 30, lengths=[30, 17, 0], seed=seed).map(on_grid)
    case, d = task
    gradients, found = task.gradients(), task.radii()
    random = RNG([seed, 2])
    directions = each(
        lambda a: on_grid(random.uniform(-1, 1, a.shape)),
        Gradients(case.params, case.x, case.h0, case.c0),
    )
    slices = moved(case, directions)
    if variant == "vanilla-relu":
        assert_no_kink_is_crossed(slices)
    values = loss(slices.run(), each(lambda v: v[None].astype(np.longdouble), d))

    (spread,) = radii(
        lambda lift: [loss(case.map(lift).run(), each(lift, d))],
        [loss(each(lambda v: v[None], case.run()), each(lambda v: v[None], d))[0]],
        ARITHMETICS["float64"],
        seed=[seed],
    )
    of_values = RADIUS * float(spread.sigma) * EXTENDED / (2 * STEP)
    for k, (name, along) in enumerate(names(directions).items()):
        two_down, down, up, two_up = values[4 * k : 4 * k + 4]
        slope, wider = (up - down) / (2 * STEP), (two_up - two_down) / (4 * STEP)
        sigma = found[name].sigma / np.sqrt(2)
        of_gradient = float((RADIUS * sigma * abs(along)).sum())
        bound = float(abs(wider - slope)) + of_values + of_gradient
        got = (gradients[name].astype(np.longdouble) * along).sum()
        size_of = float(np.sqrt((gradients[name] ** 2).sum()))
        assert abs(got - slope) <= bound, (
            f"{name}: {got} along a direction, by differences {slope}: off by "
            f"{float(abs(got - slope)):.3g} where {bound:.3g} is allowed"
        )
        assert bound <= SAYS_LITTLE * size_of, f"{name}: the bound of {bound:.3g} says little"


# What must hold for every gradient.


@pytest.mark.parametrize("variant", VARIANTS)
def test_linear_in_the_incoming_gradient(variant: str) -> None:
    """Twice the incoming gives twice the gradients, to the bit; a sum gives the sum, in radii."""
    task = full_problem(variant, seed=0)
    whole = task.gradients()
    for factor in (2.0, -0.5, 0.0):
        scaled = task._replace(incoming=each(lambda d, k=factor: k * d, task.incoming)).gradients()
        for name, got in scaled.items():
            equal = got == factor * whole[name]
            assert equal.all(), f"{name}: {factor} times the incoming is not {factor} times as much"

    random = RNG(1)
    share = each(lambda d: d * random.integers(-64, 65, d.shape) / 64, task.incoming)
    rest = each(np.subtract, task.incoming, share)
    parts = [task._replace(incoming=i) for i in (share, rest)]
    assert_equal_within(whole, [part.gradients() for part in parts], [p.radii() for p in parts])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_output_counts_once(variant: str) -> None:
    """The gradients of y, h_n and c_n alone, each other's being 0, add up to those of all."""
    task = full_problem(variant, seed=0)
    parts = [
        task._replace(incoming=incoming(task.case.run(), **{field: d}))
        for field, d in by_name(task.incoming).items()
    ]
    found = [part.gradients() for part in parts]
    for field, gradients in zip(by_name(task.incoming), found, strict=True):
        assert all(g.any() for g in gradients.values()), f"{field} alone gives a gradient of 0"
    assert_equal_within(task.gradients(), found, [p.radii() for p in parts])


def assert_equal_within(
    whole: dict[str, Array], parts: list[dict[str, Array]], found: list[dict[str, Radius]]
) -> None:
    """The parts' sum is the whole, up to RADIUS σ̂ of every part."""
    for name, expected in whole.items():
        total = sum(part[name] for part in parts)
        everything = np.ones(expected.shape, bool)
        allowed = sum(RADIUS * floored(radius[name].sigma, everything) for radius in found)
        off = abs(total - expected)
        assert (off <= allowed).all(), (
            f"{name}: the parts' sum is off by {off.max():.3g}, {np.max(allowed):.3g} allowed"
        )


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_is_never_read(variant: str, direction: str, batch_first: bool) -> None:
    """Whatever stands in the padding of x and dy, the gradients are the same to the bit."""
    options = FULLEST | {"direction": direction, "batch_first": batch_first}
    spec = Spec(**VARIANTS[variant], **options)
    task = problem(spec, lengths=LENGTHS["with-0"], seed=0)
    case, d = task
    expected = task.gradients()
    padding = exact_by_definition(case, "y", (*case.x.shape[:-1], 1))

    def holding(content: float, array: Array) -> Array:
        return np.where(padding, content, array)

    padded = {
        f"{content} in the padding of x": Problem(case._replace(x=holding(content, case.x)), d)
        for content in (0.0, np.nan, np.inf, -np.inf, 2.0**15)
    } | {
        f"{content} in the padding of dy": Problem(case, d._replace(y=holding(content, d.y)))
        for content in (0.0, 2.0**15)
    }
    for what, changed in padded.items():
        for name, got in changed.gradients().items():
            message = f"{what} must give the same bits as other numbers there"
            assert_bits(name, got, expected[name], message)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("lengths", ["none", "with-0"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_is_run(
    variant: str, lengths: str, states: bool, dtype: type[np.floating[Any]]
) -> None:
    """The output is that of ``run``, to the bit, and the gradients are in its type."""
    task = full_problem(variant, lengths=LENGTHS[lengths], states=states, seed=0)
    task = task.map(lambda a: a.astype(dtype))
    output, gradients = task.differentiate()
    expected = by_name(task.case.run())
    assert by_name(output).keys() == expected.keys()
    for name, got in by_name(output).items():
        assert_bits(name, got, expected[name], "vjp must return what run returns")
    for name, got in names(gradients).items():
        assert got.dtype == dtype, f"{name}: {got.dtype} returned for {np.dtype(dtype)} arguments"


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_are_those_of_the_arguments(
    variant: str, states: bool, batch_first: bool, bias: bool
) -> None:
    """There is a gradient for every argument given, in its shape, and for no other."""
    spec = Spec(**VARIANTS[variant], **FULLEST, bias=bias, batch_first=batch_first)
    task = problem(spec, states=states, seed=0)
    arguments = names(Gradients(*task.case[1:5]))
    shapes = {name: got.shape for name, got in task.gradients().items()}
    assert shapes == {name: value.shape for name, value in arguments.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_that_is_given_changes(variant: str) -> None:
    """Arguments and incoming gradients stay as they are; a second pullback equals the first."""
    task = full_problem(variant, seed=0).map(np.copy)
    for array in [*names(Gradients(*task.case[1:5])).values(), *by_name(task.incoming).values()]:
        array.setflags(write=False)
    spec, params, x, h0, c0, lengths = task.case
    _, pullback = vjp(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    first, second = names(pullback(task.incoming)), names(pullback(task.incoming))
    for name, got in second.items():
        assert_bits(name, got, first[name], "the second pullback must give what the first gave")


@pytest.mark.parametrize("leading", [(2,), (2, 3)], ids=["one", "two"])
@pytest.mark.parametrize("lengths", ["none", "with-0"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_leading_axes(variant: str, lengths: str, leading: tuple[int, ...]) -> None:
    """Leading axes on every argument: each slice is a problem of its own.

    The bits may differ: a matmul may sum in another order for another shape of stack.
    """
    stacked = full_problem(variant, lengths=LENGTHS[lengths], leading=leading, seed=0)
    found = stacked.gradients()
    for index in np.ndindex(*leading):
        alone = stacked.map(lambda a, i=index: a[i])
        slices = {name: value[index] for name, value in found.items()}
        assert_equal_within(slices, [alone.gradients()], [alone.radii()])


@pytest.mark.parametrize("shared", ["params", "states"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_leading_axes_on_some_arguments(variant: str, shared: str) -> None:
    """An argument that all slices share has a gradient for each of them."""
    stacked = full_problem(variant, leading=(2,), seed=0)
    first = stacked.case.part(0)
    fields = {"params": ("params",), "states": ("h0", "c0")}[shared]
    same = {field: getattr(first, field) for field in fields}
    gradients = stacked._replace(case=stacked.case._replace(**same)).gradients()
    for k in range(2):
        part = stacked.map(lambda a, k=k: a[k])
        alone = Problem(part.case._replace(**same), part.incoming)
        mine = {name: g[k] for name, g in gradients.items()}
        assert_equal_within(mine, [alone.gradients()], [alone.radii()])


# In other arithmetics.


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_gradient_has_a_radius(variant: str, arithmetic: str) -> None:
    """Finite, and above 0 wherever a gradient is computed; 0 where it is not."""
    task = full_problem(variant, seed=0)
    found = task.radii(arithmetic)
    for name, value in task.gradients().items():
        sigma, exact = found[name].sigma, task.exact(name, value.shape)
        assert sigma.shape == value.shape, f"{name}: radii of shape {sigma.shape}"
        assert np.isfinite(sigma).all(), f"{name}: a radius is not finite"
        assert (sigma[exact] == 0).all(), f"{name}: an exact element has a radius"
        computed = ~exact & (value != 0)  # behind a relu that is off, 0 times anything is exact
        assert computed.any(), f"{name}: nothing is computed"
        assert (sigma[computed] > 0).all(), f"{name}: a computed element has a radius of 0"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_agrees_with_its_radius(variant: str, seed: int) -> None:
    """The specification in float32 is a correct implementation: it is judged as any backend is."""
    spec = Spec(**VARIANTS[variant], **FULLEST | {"input_size": 6, "hidden_size": 5})
    narrow = problem(spec, 4, 9, lengths=[9, 4, 0, 1], seed=seed).map(
        lambda a: a.astype(np.float32)
    )
    wide = narrow.map(lambda a: a.astype(np.float64))
    got, found = narrow.gradients(), wide.radii("float32")
    expected = {name: Expected(value, found[name]) for name, value in wide.gradients().items()}
    verdict = judge(
        {name: value.astype(np.float64) for name, value in got.items()},
        {name: str(value.dtype) for name, value in got.items()},
        "float32",
        expected,
        ARITHMETICS["float32"],
    )
    assert verdict.outcome == "agrees", f"{verdict.outcome}: {verdict.reason}; {verdict.worst}"


# What is refused.


def to(field: str, change: Callable[[Array], Any]) -> Callable[[Output], Output]:
    """Change one of the incoming gradients."""
    return lambda d: d._replace(**{field: change(getattr(d, field))})


CHANGED_INCOMING: list[tuple[Callable[[Output], Any], str]] = [
    (of(None), r"^incoming: NoneType given, expected Output of gradients$"),
    (tuple, r"^incoming: tuple given, expected Output of gradients$"),
    (Output._asdict, r"^incoming: dict given, expected Output of gradients$"),
    (lambda i: i.y, r"^incoming: ndarray given, expected Output of gradients$"),
    (lambda i: Gradients((), *i), r"^incoming: Gradients given, expected Output of gradients$"),
    *(
        (to(field, change), rf"^incoming\.{field}: {message}")
        for field in Output._fields
        for change, message in [
            *BAD_ARRAYS,
            (of(None), "None given, expected one, as in the output$"),
        ]
    ),
    *(
        (to(field, change), rf"^incoming\.{field}: {message}")
        for field in ("h_n", "c_n")
        for change, message in [
            (lambda s: s[:2], r"shape \(2, 3, 2\) given, expected .* the last axes \(4, 3, 2\)$"),
            (lambda s: s[0], r"shape \(3, 2\) given, expected .* the last axes \(4, 3, 2\)$"),
            (
                lambda s: s[:, :1],
                r"shape \(4, 1, 2\) given, expected .* the last axes \(4, 3, 2\)$",
            ),
            (lambda s: s[:, :, :1], r"shape \(4, 3, 1\) given, expected .* \(4, 3, 2\)$"),
            (lambda s: s.swapaxes(0, 1), r"shape \(3, 4, 2\) given, expected .* \(4, 3, 2\)$"),
        ]
    ),
    (to("y", lambda y: y[:2]), r"^incoming\.y: shape \(2, 5, 4\) given, .* \(3, 5, 4\)$"),
    (to("y", lambda y: y[0]), r"^incoming\.y: shape \(5, 4\) given, .* \(3, 5, 4\)$"),
    (to("y", lambda y: y[..., :1]), r"^incoming\.y: shape \(3, 5, 1\) given, .* \(3, 5, 4\)$"),
    (
        to("y", lambda y: y.swapaxes(0, 1)),
        r"^incoming\.y: shape \(5, 3, 4\) given, .* \(3, 5, 4\)$",
    ),
    (to("y", lambda y: y[:, :1]), r"^incoming\.y: shape \(3, 1, 4\) given, .* \(3, 5, 4\)$"),
]
"""Changes to good incoming gradients of ``good()``."""


@pytest.mark.parametrize(("change", "message"), CHANGED_CALLS, ids=messages(CHANGED_CALLS))
def test_vjp_refuses_what_run_refuses(change: Change, message: str) -> None:
    """A bidirectional LSTM's arguments with a change."""
    arguments = change(good())
    with pytest.raises(ValueError, match=message):
        vjp(arguments.pop("spec"), arguments.pop("params"), arguments.pop("x"), **arguments)


def pullback_of_good(**options: Any) -> tuple[Callable[[Output], Gradients], Output]:
    """The pullback of a call that is accepted, and incoming gradients that are."""
    arguments = good(**options)
    output, pullback = vjp(
        arguments.pop("spec"), arguments.pop("params"), arguments.pop("x"), **arguments
    )
    return pullback, each(np.ones_like, output)


@pytest.mark.parametrize(("change", "message"), CHANGED_INCOMING, ids=messages(CHANGED_INCOMING))
def test_the_pullback_refuses(change: Callable[[Output], Any], message: str) -> None:
    """The incoming gradients of a bidirectional LSTM with a change."""
    pullback, d = pullback_of_good()
    with pytest.raises(ValueError, match=message):
        pullback(change(d))


@pytest.mark.parametrize("cell", ["vanilla", "gru"])
def test_the_pullback_refuses_a_part_that_is_not_there(cell: str) -> None:
    """Only an LSTM has c."""
    pullback, d = pullback_of_good(cell=cell)
    with pytest.raises(ValueError, match=r"^incoming\.c_n: a gradient given, expected None, as in"):
        pullback(d._replace(c_n=d.h_n))


@pytest.mark.parametrize("field", Output._fields)
def test_the_pullback_refuses_other_leading_axes(field: str) -> None:
    """Those of an incoming gradient must be those of the output."""
    pullback, d = pullback_of_good()
    with pytest.raises(ValueError, match=rf"^incoming\.{field}: "):
        pullback(d._replace(**{field: doubled(getattr(d, field))}))


@pytest.mark.parametrize("options", [{}, {"cell": "gru"}, {"bias": False}, {"batch_first": False}])
def test_the_pullback_accepts(options: dict[str, Any]) -> None:
    """The incoming gradients that the table changes are good ones."""
    pullback, d = pullback_of_good(**options)
    for name, gradient in names(pullback(d)).items():
        assert np.isfinite(gradient).all(), f"{name}: not finite"

"""The specification against an oracle that shares no code with it, in 50 digits (``oracle.py``).

One step may differ by 4 units in the last place of float64; sequences by the float64 radius of
``reference.rounding``. Values that are exact by definition (outputs in the padding, the states of rows
of length 0) must be exactly equal.

"Within 4 ulp" means little per element where a sum cancels: the result is then small next to
the terms that were rounded. So there are two one-step tests. ``test_one_step_strict`` counts in
ulps of each element, on draws that leave nothing to cancel. ``test_one_step_signed`` takes any
signs and counts in ulps of the tensor's largest element.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from oracle import MP, oracle

from reference import GATES, STATES, Array, Output, Params, Spec, Weights, run, weight_shapes
from reference.rounding import ARITHMETICS, Lift, floored, radii

ULPS = 4
RADIUS = 8
"""How many σ̂ a result may be off."""

VARIANTS: dict[str, dict[str, Any]] = {
    "vanilla-tanh": {"cell": "vanilla"},
    "vanilla-relu": {"cell": "vanilla", "activation": "relu"},
    "gru-after": {"cell": "gru"},
    "gru-before": {"cell": "gru", "reset": "before"},
    "lstm": {"cell": "lstm"},
    "lstm-forget-bias": {"cell": "lstm", "forget_bias": 1.25},
}
"""Every cell with every option of its own."""

DIRECTIONS = ("forward", "reverse", "bidirectional")

LENGTHS: dict[str, list[int] | None] = {
    "none": None,
    "ragged": [5, 1, 3],
    "with-0": [2, 0, 5],
    "all-short": [3, 1, 2],
}
"""Lengths for B = 3 and T = 5."""

SIZES: dict[str, tuple[int, int, int, int]] = {
    "B=1": (1, 3, 4, 3),
    "T=1": (3, 1, 4, 3),
    "H=1": (3, 3, 4, 1),
    "I=1": (3, 3, 1, 3),
    "I=H": (3, 3, 3, 3),
    "all 1": (1, 1, 1, 1),
}
"""Degenerate B, T, I, H."""

POSITIVE = {"vanilla": "", "gru": "n", "lstm": "g"}
NEGATIVE = {"vanilla": "", "gru": "z", "lstm": ""}
"""The gates whose weights all have one sign in the strict draws, so that a candidate does not
cancel with the state, nor 1 - z because z is near 1."""


class Case(NamedTuple):
    """A spec and arguments for ``run``."""

    spec: Spec
    params: Params
    x: Array
    h0: Array | None
    c0: Array | None
    lengths: Array | None

    def run(self) -> Output:
        """Return the specification's answer."""
        return run(self.spec, self.params, self.x, h0=self.h0, c0=self.c0, lengths=self.lengths)

    def oracle(self) -> dict[str, Array]:
        """Return the oracle's answer by name."""
        y, h_n, c_n = oracle(self.spec, self.params, self.x, self.h0, self.c0, self.lengths)
        return {"y": y, "h_n": h_n} if c_n is None else {"y": y, "h_n": h_n, "c_n": c_n}

    def map(self, change: Lift) -> Case:
        """The same case with every floating-point array changed."""

        def changed(array: Array | None) -> Any:
            return None if array is None else change(array)

        params = tuple(
            tuple(Weights(*map(changed, w)) for w in by_direction) for by_direction in self.params
        )
        return self._replace(
            params=params, x=change(self.x), h0=changed(self.h0), c0=changed(self.c0)
        )

    def part(self, *index: int) -> Case:
        """One slice of arguments that all have leading axes."""
        return self.map(lambda array: array[index])


def draw(
    spec: Spec,
    batch: int,
    steps: int,
    *,
    states: bool,
    seed: int,
    lengths: list[int] | None = None,
    leading: tuple[int, ...] = (),
) -> Case:
    """Weights, input and states, all uniform on (-1, 1)."""
    random = np.random.default_rng(seed)

    def uniform(*shape: int) -> Array:
        return random.uniform(-1, 1, (*leading, *shape))

    def weights(layer: int) -> Weights:
        fields: dict[str, Any] = {
            name: None if shape is None else uniform(*shape)
            for name, shape in weight_shapes(spec, layer).items()
        }
        return Weights(**fields)

    rows = spec.num_layers * spec.num_directions
    time_and_batch = (batch, steps) if spec.batch_first else (steps, batch)
    state = [uniform(rows, batch, spec.hidden_size) for _ in STATES[spec.cell]] if states else []
    return Case(
        spec,
        tuple(
            tuple(weights(layer) for _ in range(spec.num_directions))
            for layer in range(spec.num_layers)
        ),
        uniform(*time_and_batch, spec.input_size),
        state[0] if states else None,
        state[1] if states and spec.cell == "lstm" else None,
        None if lengths is None else np.array(lengths),
    )


def dyadic(spec: Spec, batch: int, *, states: bool, seed: int) -> Case:
    """One step whose pre-activations are exact in float64, and whose later sums do not cancel.

    Weights are multiples of 1/64 and inputs and states of 1/16, so products and their sums need
    no rounding (but r ⊙ h does). States and ``POSITIVE`` gates are positive.
    """
    random = np.random.default_rng(seed)
    names = GATES[spec.cell]

    def sixteenths(*shape: int) -> Array:
        return random.integers(1, 16, shape) / 16

    def weight(shape: tuple[int, ...]) -> Array:
        blocks = [sixteenths(spec.hidden_size, *shape[1:]) / 4 for _ in names]
        signs = [random.choice([-1, 1], block.shape) for block in blocks]
        for k, name in enumerate(names):
            if name in POSITIVE[spec.cell]:
                signs[k] = abs(signs[k])
            if name in NEGATIVE[spec.cell]:
                signs[k] = -abs(signs[k])
        return np.concatenate([s * b for s, b in zip(signs, blocks, strict=True)])

    fields: dict[str, Any] = {
        name: None if shape is None else weight(shape)
        for name, shape in weight_shapes(spec, 0).items()
    }
    h0, c0 = (sixteenths(1, batch, spec.hidden_size) for _ in range(2))
    return Case(
        spec,
        ((Weights(**fields),),),
        sixteenths(batch, 1, spec.input_size),
        h0 if states else None,
        c0 if states and spec.cell == "lstm" else None,
        None,
    )


def by_name(output: Output) -> dict[str, Array]:
    """The results that there are."""
    return {n: v for n, v in zip(Output._fields, output, strict=True) if v is not None}


def errors(got: Array, truth: Array) -> Array:
    """|got - truth|, the difference taken in 50 digits."""
    pairs = zip(got.ravel(), truth.ravel(), strict=True)
    return np.array([float(abs(MP.mpf(float(g)) - t)) for g, t in pairs]).reshape(truth.shape)


def assert_same_shape(name: str, got: Array, truth: Array) -> None:
    assert got.shape == truth.shape, (
        f"{name}: the specification returns shape {got.shape}, the oracle {truth.shape}"
    )


def assert_bits(name: str, got: Array, expected: Array, what: str) -> None:
    """Equal values and equal signs of zero; NaN equals nothing."""
    assert_same_shape(name, got, expected)
    differ = (got != expected) | (np.signbit(got) != np.signbit(expected))
    assert not differ.any(), (
        f"{name}: {what}, but {int(differ.sum())} of {differ.size} elements differ, the first at "
        f"{np.argwhere(differ)[0]}: {got[differ][0]!r} instead of {expected[differ][0]!r}"
    )


def assert_in_ulps(name: str, got: Array, truth: Array, *, of_largest: bool) -> None:
    assert_same_shape(name, got, truth)
    size = abs(truth.astype(np.float64))
    off = errors(got, truth) / np.spacing(size.max() if of_largest else size)
    worst = np.unravel_index(np.argmax(off), off.shape)
    unit = "the largest element" if of_largest else "that element"
    assert off[worst] <= ULPS, (
        f"{name}{[int(i) for i in worst]}: the specification gives {got[worst]!r}, the oracle "
        f"{MP.nstr(truth[worst], 20)}: {off[worst]:.2f} ulp of {unit} apart, at most {ULPS} expected"
    )


def exact_by_definition(case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Return where a result is exact: outputs past the length, states of rows of length 0."""
    if case.lengths is None:
        return np.zeros(shape, bool)
    if name != "y":
        return np.broadcast_to((case.lengths == 0)[:, None], shape)
    steps = shape[1] if case.spec.batch_first else shape[0]
    padding = np.arange(steps) >= case.lengths[:, None]
    return np.broadcast_to((padding if case.spec.batch_first else padding.T)[..., None], shape)


def assert_within_radius(case: Case) -> None:
    """Every result within RADIUS σ̂ + 2⁻⁵³ |y| of the oracle, or equal where it is exact."""
    got, truth = by_name(case.run()), case.oracle()
    found = radii(
        lambda lift: list(by_name(case.map(lift).run()).values()),
        list(got.values()),
        ARITHMETICS["float64"],
        seed=[0],
    )
    assert got.keys() == truth.keys(), f"returned {list(got)}, expected {list(truth)}"
    for (name, value), radius in zip(got.items(), found, strict=True):
        sigma = radius.sigma / np.sqrt(2)  # the oracle has no rounding of its own
        assert_same_shape(name, value, truth[name])
        exact = exact_by_definition(case, name, value.shape)
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


@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_strict(variant: str, bias: bool, states: bool) -> None:
    """Each element within 4 ulp of itself, on the draws of ``dyadic``.

    They test the equations, not the condition of a sum: pre-activations are exact, and z stays
    clear of 1, where 1 - z multiplies the rounding of z by z / (1 - z), without bound. The LSTM's
    h' passes through the most functions, and 4 ulp is not a bound on it: in 40 such draws of each
    kind, three tensors of 320 have an element further off, at most 4.5 ulp.
    """
    spec = Spec(**VARIANTS[variant], input_size=4, hidden_size=3, bias=bias)
    case = dyadic(spec, 20, states=states, seed=0)
    got = by_name(case.run())
    for name, truth in case.oracle().items():
        assert_in_ulps(name, got[name], truth, of_largest=False)


@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_signed(variant: str, bias: bool, states: bool) -> None:
    """Each element within 4 ulp of the tensor's largest, on draws of any sign."""
    spec = Spec(**VARIANTS[variant], input_size=4, hidden_size=3, bias=bias)
    case = draw(spec, 20, 1, states=states, seed=1)
    got = by_name(case.run())
    for name, truth in case.oracle().items():
        assert_in_ulps(name, got[name], truth, of_largest=True)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
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
    assert_within_radius(draw(spec, 3, 5, states=True, lengths=LENGTHS[lengths], seed=2))


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sequence_options(variant: str, bias: bool, states: bool, batch_first: bool) -> None:
    """Every cell over biases, initial states and layouts, all else at its fullest."""
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=2,
        direction="bidirectional",
        bias=bias,
        batch_first=batch_first,
    )
    assert_within_radius(draw(spec, 3, 5, states=states, lengths=LENGTHS["with-0"], seed=3))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sequence_sizes(variant: str, direction: str, size: str) -> None:
    """Sizes at which a wrong axis or a wrong broadcast could pass unseen, or fail."""
    batch, steps, width, hidden = SIZES[size]
    spec = Spec(
        **VARIANTS[variant],
        input_size=width,
        hidden_size=hidden,
        num_layers=2,
        direction=direction,  # type: ignore[arg-type]
    )
    assert_within_radius(draw(spec, batch, steps, states=True, seed=4))


@pytest.mark.parametrize("given", ["h0", "c0"])
def test_one_state_of_two(given: str) -> None:
    """An LSTM with one of its states given starts the other from zero."""
    spec = Spec(cell="lstm", input_size=4, hidden_size=3, num_layers=2, direction="bidirectional")
    case = draw(spec, 3, 5, states=True, seed=5)
    assert_within_radius(case._replace(c0=None) if given == "h0" else case._replace(h0=None))


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_is_never_read(variant: str, direction: str, batch_first: bool) -> None:
    """Whatever stands in the padding, the results are the same to the bit."""
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=2,
        direction=direction,  # type: ignore[arg-type]
        batch_first=batch_first,
    )
    case = draw(spec, 3, 5, states=True, lengths=LENGTHS["with-0"], seed=6)
    expected = by_name(case.run())
    padding = exact_by_definition(case, "y", case.x.shape)
    for content in (0.0, np.nan, np.inf, -np.inf, 2.0**15):
        padded = case._replace(x=np.where(padding, content, case.x))
        for name, got in by_name(padded.run()).items():
            what = f"{content} in the padding must give the same bits as other numbers there"
            assert_bits(name, got, expected[name], what)


@pytest.mark.parametrize("leading", [(2,), (2, 3)], ids=["one", "two"])
@pytest.mark.parametrize("lengths", ["none", "with-0"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_leading_axes(variant: str, lengths: str, leading: tuple[int, ...]) -> None:
    """Leading axes on every argument: each slice is a run of its own.

    The bits may differ: a matmul may sum in another order for another shape of stack.
    """
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=2,
        direction="bidirectional",
    )
    case = draw(spec, 3, 5, states=True, lengths=LENGTHS[lengths], leading=leading, seed=7)
    stacked = by_name(case.run())
    for index in np.ndindex(*leading):
        alone = by_name(case.part(*index).run())
        for name, expected in alone.items():
            got = stacked[name][index]
            assert_same_shape(name, got, expected)
            off = abs(got - expected).max()
            assert off <= 2**-48, (
                f"{name}: slice {index} of a run with leading axes {leading} is off by {off:.3g} "
                "from the run of that slice"
            )


@pytest.mark.parametrize("axes_on", ["x", "params", "states"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_leading_axes_on_one_argument(variant: str, axes_on: str) -> None:
    """Leading axes on x and one argument, or on x only: the others are shared by all slices."""
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=2,
        direction="bidirectional",
    )
    case = draw(spec, 3, 5, states=True, lengths=LENGTHS["with-0"], leading=(2,), seed=8)
    first = case.part(0)

    def shared(part: Case) -> Case:
        if axes_on == "states":
            return first._replace(h0=part.h0, c0=part.c0)
        return first._replace(**{axes_on: getattr(part, axes_on)})

    x = case.x if axes_on == "x" else np.stack([first.x, first.x])
    stacked = by_name(shared(case)._replace(x=x).run())
    for k in range(2):
        alone = by_name(shared(case.part(k)).run())
        for name, expected in alone.items():
            whole = np.broadcast_to(stacked[name], (2, *expected.shape))
            off = abs(whole[k] - expected).max()
            assert off <= 2**-48, (
                f"{name}: slice {k} of a run with leading axes on {axes_on} is off by {off:.3g} "
                "from the run of that slice"
            )


@pytest.mark.parametrize("lengths", ["none", "with-0"])
@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dtype(variant: str, dtype: type[np.floating[Any]], states: bool, lengths: str) -> None:
    """Results come in the type of the arguments, and near those of float64."""
    spec = Spec(
        **VARIANTS[variant],
        input_size=4,
        hidden_size=3,
        num_layers=2,
        direction="bidirectional",
    )
    case = draw(spec, 3, 5, states=states, lengths=LENGTHS[lengths], seed=9)
    narrow = case.map(lambda a: a.astype(dtype))
    wide = by_name(narrow.map(lambda a: a.astype(np.float64)).run())
    for name, got in by_name(narrow.run()).items():
        assert got.dtype == dtype, f"{name}: {got.dtype} returned for {np.dtype(dtype)} arguments"
        off = abs(got - wide[name]).max() / abs(wide[name]).max()
        allowed = 64 * np.finfo(dtype).eps
        assert off <= allowed, (
            f"{name}: the {got.dtype} run is off by {off:.3g} of the largest element from the "
            f"float64 run of the same numbers; {allowed:.3g} allowed"
        )

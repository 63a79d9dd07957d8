"""Truncated back-propagation through time against its definition.

A window's state is a number, not a function: ``frozen_loss`` runs every window from states that were
found before anything moved, and adds up the losses that the window is to propagate. Its slopes, by
differences in extended precision, are the truncated gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reference import Array, Gradients, Output, Spec, run, vjp
from reference.trees import each, named
from reference.truncated import truncated_gradients
from tests.reference.test_arguments import (
    CHANGED_CALLS,
    NOT_AN_ARRAY,
    NOT_FINITE,
    NOT_FLOATS,
    Change,
    call,
    doubled,
    good,
)
from tests.reference.test_arguments import names as messages
from tests.reference.test_networks import BOUND, GRID, LEAST, STEP, assert_near, moved
from tests.reference.test_oracle import VARIANTS, Case, assert_bits, by_name
from tests.reference.test_oracle import draw as draw_case

T = 7
LENGTHS: dict[str, list[int] | None] = {"none": None, "ragged": [7, 1, 4], "with-0": [3, 0, 6]}
"""The lengths of three rows."""
WINDOWS = [(1, 1), (1, 3), (2, 3), (3, 3), (3, 5), (5, 6), (1, 6)]
"""(k1, k2), all of which truncate something, of k1 that divide T and that do not."""
CLOSE = 2**-46


def case(variant: str, *, lengths: str = "none", states: bool = True, **options: Any) -> Case:
    """A network over seven steps of three rows, all multiples of 1 / GRID."""
    spec = Spec(**{"num_layers": 2, **VARIANTS[variant], **options}, input_size=2, hidden_size=3)
    drawn = draw_case(spec, 3, T, states=states, lengths=LENGTHS[lengths], seed=11)
    return drawn.map(lambda a: np.round(a * GRID) / GRID)


def incoming(c: Case) -> Array:
    """dy."""
    return np.random.default_rng(12).uniform(-1, 1, (*c.x.shape[:2], c.spec.hidden_size))


def truncated(c: Case, dy: Array, k1: int, k2: int) -> tuple[Output, dict[str, Array]]:
    """The output, and the gradients by name."""
    output, found = truncated_gradients(
        c.spec, c.params, c.x, dy, k1=k1, k2=k2, h0=c.h0, c0=c.c0, lengths=c.lengths
    )
    return output, by_gradient(found)


def by_gradient(found: Gradients) -> dict[str, Array]:
    return {
        n: a for field, tree in found._asdict().items() for n, a in named(tree, f"d{field}").items()
    }


def at(c: Case, array: Array, start: int, end: int) -> Array:
    """The steps from ``start`` to ``end`` of an array with or without leading axes."""
    return array[..., start:end, :] if c.spec.batch_first else array[..., start:end, :, :]


def valid(c: Case, start: int, end: int) -> Array | None:
    """Return the number of valid steps of each row."""
    if c.lengths is None:
        return None
    return np.array([sum(start <= t < min(end, int(n)) for t in range(T)) for n in c.lengths])


def windows(k1: int, k2: int) -> Iterator[tuple[int, int, int]]:
    """(start, first new step, end) of each window: every k1 steps, and at the last."""
    done = 0
    for t in range(1, T + 1):
        if t % k1 == 0 or t == T:
            yield max(t - k2, 0), done, t
            done = t


def part(c: Case, start: int, end: int, state: Any) -> Output:
    """A run over some steps from a state."""
    h, s = state
    return run(c.spec, c.params, at(c, c.x, start, end), h0=h, c0=s, lengths=valid(c, start, end))


def state_before(c: Case, start: int) -> Any:
    if start == 0:
        return c.h0, c.c0
    _, h, s = part(c, 0, start, (c.h0, c.c0))
    return h, s


def frozen_loss(slices: Case, still: Case, dy: Array, k1: int, k2: int) -> Any:
    """Σ dy · y over the new steps of every window, each from its state before anything moved.

    At the very start there is nothing to freeze: the initial state is an argument.
    """
    total: Any = 0
    for start, new, end in windows(k1, k2):
        state = (slices.h0, slices.c0) if start == 0 else state_before(still, start)
        y = part(slices, start, end, state).y
        losses = at(slices, y, new - start, end - start) * at(slices, dy, new, end)
        total = total + losses.reshape(len(losses), -1).sum(axis=-1)
    return total


OPTIONS: dict[str, dict[str, Any]] = {
    "2-layer": {},
    "1-layer/ragged": {"num_layers": 1, "lengths": "ragged"},
    "2-layer/with-0/no-states": {"lengths": "with-0", "states": False},
    "2-layer/with-0/time-major/no-bias": {"lengths": "with-0", "batch_first": False, "bias": False},
}


@pytest.mark.parametrize(("k1", "k2"), WINDOWS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_slopes_with_frozen_states(
    variant: str, options: str, k1: int, k2: int
) -> None:
    """Along a random direction, by every argument; and the output is that of ``run``."""
    c = case(variant, **OPTIONS[options])
    dy = incoming(c)
    output, gradients = truncated(c, dy, k1, k2)
    for name, value in by_name(c.run()).items():
        assert_bits(name, by_name(output)[name], value, "the output must be that of run")
    random = np.random.default_rng(13)
    arguments = Gradients(c.params, c.x, c.h0, c.c0)
    along = each(lambda a: random.integers(-8, 9, a.shape) / 8, arguments)
    slices = c._replace(**moved(arguments, along)._asdict())
    still = c.map(lambda a: a.astype(np.longdouble))
    if variant == "vanilla-relu":
        assert_no_kink_is_crossed(slices, still, k1, k2)
    losses = frozen_loss(slices, still, dy, k1, k2).reshape(-1, 4)
    directions = by_gradient(along)
    assert gradients.keys() == directions.keys(), f"gradients of {list(gradients)}"
    bound = BOUND * max(1, float(abs(losses).max()))
    for (name, v), (two_down, down, up, two_up) in zip(directions.items(), losses, strict=True):
        slope = (8 * (up - down) - (two_up - two_down)) / (12 * STEP)
        got = (gradients[name].astype(np.longdouble) * v).sum()
        assert abs(gradients[name]).max() >= LEAST, f"{name}: below {LEAST}, which shows nothing"
        assert abs(got - slope) <= bound, (
            f"{name}: {got} along a direction, by differences {slope}: off by "
            f"{float(abs(got - slope)):.3g} where {bound:.3g} is allowed"
        )


def assert_no_kink_is_crossed(slices: Case, still: Case, k1: int, k2: int) -> None:
    """No unit of any layer changes between on and off, in any window."""
    for layers in range(1, still.spec.num_layers + 1):
        spec = Spec(**{**vars(still.spec), "num_layers": layers})
        for start, _, end in windows(k1, k2):
            moving = slices._replace(spec=spec, params=slices.params[:layers])
            h = slices.h0 if start == 0 else state_before(still, start)[0]
            state = None if h is None else h[..., :layers, :, :]
            y = part(moving, start, end, (state, None)).y
            on = y > 0
            assert (on == on[0]).all(), "a step crosses the kink of a relu; choose another seed"


@pytest.mark.parametrize(
    ("k1", "k2"), [(1, 7), (2, 7), (3, 8), (7, 7), (8, 8), (5, 100), (100, 100)]
)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_long_windows_are_the_whole(variant: str, options: str, k1: int, k2: int) -> None:
    """A k2 of all steps cuts nothing off, whatever k1 is."""
    c = case(variant, **OPTIONS[options])
    dy = incoming(c)
    _, pullback = vjp(c.spec, c.params, c.x, h0=c.h0, c0=c.c0, lengths=c.lengths)
    zero = each(np.zeros_like, c.run())
    expected = by_gradient(pullback(zero._replace(y=dy)))
    _, found = truncated(c, dy, k1, k2)
    assert found.keys() == expected.keys(), f"gradients of {list(found)}, expected {list(expected)}"
    for name, got in found.items():
        assert_near(f"{name} with k1 = {k1}, k2 = {k2}", got, expected[name], CLOSE)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_windows_are_chunks_that_carry_their_state_on(
    variant: str, options: str, k: int
) -> None:
    """Each chunk by itself, from the last one's final state; the initial state is the first chunk's.

    Of six steps, which k divides; where it does not, ``windows`` says how far the last one reaches back.
    """
    c = case(variant, **OPTIONS[options])
    lengths = None if c.lengths is None else np.minimum(c.lengths, 6)
    c = c._replace(x=at(c, c.x, 0, 6), lengths=lengths)
    dy, steps = incoming(c), c.x.shape[1 if c.spec.batch_first else 0]
    _, found = truncated(c, dy, k, k)
    state = (c.h0, c.c0)
    shares: list[Gradients] = []
    for start in range(0, steps, k):
        end = min(start + k, steps)
        chunk, pullback = vjp(
            c.spec, c.params, at(c, c.x, start, end), h0=state[0], c0=state[1],
            lengths=valid(c, start, end),
        )  # fmt: skip
        shares.append(pullback(each(np.zeros_like, chunk)._replace(y=at(c, dy, start, end))))
        state = (chunk.h_n, chunk.c_n)
    params = [named(share.params, "dparams") for share in shares]
    expected = {name: sum(p[name] for p in params) for name in params[0]}
    expected["dx"] = np.concatenate(
        [share.x for share in shares], axis=1 if c.spec.batch_first else 0
    )
    expected |= {f"d{n}": getattr(shares[0], n) for n in ("h0", "c0") if getattr(c, n) is not None}
    assert found.keys() == expected.keys()
    for name, got in found.items():
        assert_near(f"{name} with k1 = k2 = {k}", got, expected[name], CLOSE)


def test_how_far_back_a_loss_reaches() -> None:
    """A loss at one step alone: x has gradients from its window's start to that step, and nowhere else."""
    c = case("lstm", num_layers=1)
    for k1, k2 in [*WINDOWS, (2, 7)]:
        for step in range(T):
            dy = np.zeros_like(incoming(c))
            dy[:, step] = 1
            _, found = truncated(c, dy, k1, k2)
            (start,) = [s for s, new, end in windows(k1, k2) if new <= step < end]
            reached = found["dx"].any(axis=(0, 2)).tolist()
            expected = [start <= t <= step for t in range(T)]
            assert reached == expected, (
                f"k1 = {k1}, k2 = {k2}: a loss at step {step} reaches {reached}"
            )
            assert found["dh0"].any() == (start == 0), f"k1 = {k1}, k2 = {k2}, step {step}: dh0"


@pytest.mark.parametrize("given", ["h0", "c0"])
def test_one_state_of_two(given: str) -> None:
    """An LSTM with one of its states given has the gradient of that one, as if the other were 0."""
    c = case("lstm")
    dy = incoming(c)
    other = {"h0": "c0", "c0": "h0"}[given]
    zero = {other: np.zeros((2, 3, 3))}
    _, found = truncated(c._replace(**{other: None}), dy, 2, 3)
    _, expected = truncated(c._replace(**zero), dy, 2, 3)
    assert f"d{other}" not in found, f"there is a d{other}, but no {other} was given"
    for name, got in found.items():
        assert_near(name, got, expected[name], CLOSE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_is_never_read(variant: str) -> None:
    """Whatever stands in the padding of x and dy, the gradients are the same to the bit; dx is 0 there."""
    c = case(variant, lengths="with-0")
    dy = incoming(c)
    past = np.arange(T) >= c.lengths[:, None]  # type: ignore[index]
    _, expected = truncated(c, dy, 2, 3)
    assert not expected["dx"][past].any(), "dx past the lengths must be 0"
    for content in (0.0, np.nan, np.inf, 2.0**15):
        x, d = c.x.copy(), dy.copy()
        x[past] = content
        d[past] = content if np.isfinite(content) else 1.0
        for name, got in truncated(c._replace(x=x), d, 2, 3)[1].items():
            assert_bits(name, got, expected[name], f"{content} in the padding must change nothing")


@pytest.mark.parametrize(
    ("dtype", "lengths"),
    [("uint8", [200, 60, 0]), ("int8", [127, 60, 0]), ("uint64", [200, 60, 0])],
)
def test_any_integers_are_lengths(dtype: str, lengths: list[int]) -> None:
    """Windows end before a row does, and start after it, whatever the type has no number for."""
    c = draw_case(case("gru-after").spec, 3, 200, states=True, lengths=lengths, seed=14)
    assert c.lengths is not None
    dy = incoming(c)
    expected, found = (
        truncated(c._replace(lengths=c.lengths.astype(t)), dy, 50, 50)[1] for t in ("int64", dtype)
    )
    for name, got in found.items():
        assert_bits(name, got, expected[name], f"lengths of type {dtype} are those of int64")


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dtype_and_nothing_given_changes(variant: str, dtype: type[np.floating[Any]]) -> None:
    """Gradients come in the type of the arguments, and those are not written to."""
    c = case(variant, lengths="ragged").map(lambda a: a.astype(dtype))
    dy = incoming(c).astype(dtype)
    for array in [dy, *named(Gradients(c.params, c.x, c.h0, c.c0), "").values()]:
        array.setflags(write=False)
    for name, got in truncated(c, dy, 2, 5)[1].items():
        assert got.dtype == dtype, f"{name}: {got.dtype} for {np.dtype(dtype)} arguments"


# What is refused.


def truncating(arguments: dict[str, Any], dy: Any = None, *, k1: Any = 1, k2: Any = 2) -> Any:
    """The truncated gradients of a call that ``test_arguments`` makes."""
    rest = dict(arguments)
    if dy is None:
        dy = np.ones((3, 5, 2))
    return truncated_gradients(
        rest.pop("spec"), rest.pop("params"), rest.pop("x"), dy, k1=k1, k2=k2, **rest
    )


def forward() -> dict[str, Any]:
    return good(direction="forward")


@pytest.mark.parametrize(("change", "message"), CHANGED_CALLS, ids=messages(CHANGED_CALLS))
def test_what_run_refuses_is_refused(change: Change, message: str) -> None:
    """A bidirectional LSTM's arguments with a change, before its direction is looked at."""
    with pytest.raises(ValueError, match=message):
        truncating(change(good()))


NO_COUNTS: list[Any] = [0, -1, 1.0, True, None, "1", (1,), np.int64(1), np.array(1), float("nan")]
BAD: list[tuple[Callable[[], Any], str]] = [
    *((lambda k=k: truncating(forward(), k1=k, k2=9), r"^k1: .* given, expected a Python int of at least 1$") for k in NO_COUNTS),
    *((lambda k=k: truncating(forward(), k2=k), r"^k2: .* given, expected a Python int of at least 1$") for k in NO_COUNTS),
    (lambda: truncating(forward(), k1=3, k2=2), r"^k2: 2 given, expected a Python int of at least 3$"),
    *((lambda d=d: truncating(good(direction=d), np.ones((3, 5, 4))), rf"^spec\.direction: '{d}' given, expected 'forward'$")
      for d in ("reverse", "bidirectional")),
    *((lambda c=change: truncating(forward(), c(np.ones((3, 5, 2)))), rf"^incoming\.y: {message}")
      for change, message in [*NOT_AN_ARRAY, *NOT_FLOATS, *NOT_FINITE]),
    *((lambda s=shape: truncating(forward(), np.ones(s)), r"^incoming\.y: shape .* given, expected .* \(3, 5, 2\)$")
      for shape in [(3, 5, 1), (3, 4, 2), (5, 3, 2), (5, 2), (1, 5, 2)]),
    (lambda: truncating(forward(), np.ones((3, 5, 2), np.float32)), r"^incoming\.y: dtype float32 given"),
]  # fmt: skip


@pytest.mark.parametrize(("call_it", "message"), BAD, ids=[m.partition(":")[0][1:] for _, m in BAD])
def test_bad_arguments_are_refused(call_it: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call_it()


def stacked() -> dict[str, Any]:
    return {**forward(), "x": doubled(forward()["x"])}


def test_what_is_changed_is_accepted() -> None:
    """The calls that the tables change are good ones."""
    assert np.isfinite(truncating(forward())[0].y).all()
    assert np.isfinite(call(stacked()).y).all(), "run takes leading axes"


def test_leading_axes_are_refused() -> None:
    """The docstring says that there are none."""
    arguments = {**stacked(), "lengths": None, "h0": None, "c0": None}
    with pytest.raises(
        ValueError, match=r"^x: shape \(2, 3, 5, 7\) given, expected no leading axes$"
    ):
        truncating(arguments, np.ones((2, 3, 5, 2)))


def test_no_incoming_gradient_is_refused() -> None:
    arguments = forward()
    with pytest.raises(
        ValueError, match=r"^dy: None given, expected the gradient of the loss by y$"
    ):
        truncated_gradients(
            arguments.pop("spec"),
            arguments.pop("params"),
            arguments.pop("x"),
            None,
            k1=1,
            k2=2,
            **arguments,
        )  # type: ignore[arg-type]

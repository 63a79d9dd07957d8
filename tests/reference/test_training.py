"""Training against the papers' equations in loops over Python floats; and training reduces the loss."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import pytest

from backends import TrainingInputs
from conformance.cases import TrainingCase
from conformance.cases.tasks import CLIPS, OPTIMISERS, TASKS
from conformance.draw import draw
from reference import Array
from reference.networks import arguments
from reference.networks.layers import (
    Affine,
    Data,
    Dense,
    Embedding,
    MeanSquaredError,
    Network,
    OneHot,
    Table,
    Vectors,
)
from reference.networks.network import differentiate
from reference.networks.optimisers import Adam, Clip, GradientDescent, Momentum, Optimiser
from reference.networks.training import train
from reference.rounding import ARITHMETICS, Rounding
from reference.trees import each, named
from tests.reference.test_networks import SOME, Problem, assert_near, problem
from tests.reference.test_oracle import assert_bits

CLOSE = 2**-48
"""Sixteen units in the last place of a float64 that is 1."""

RULES: dict[str, Optimiser] = {
    "sgd": GradientDescent(rate=0.3),
    "sgd/int": GradientDescent(rate=1),
    "momentum": Momentum(rate=0.3, momentum=0.9),
    "momentum/0": Momentum(rate=0.3, momentum=0),
    "adam": Adam(rate=0.01),
    "adam/inside": Adam(rate=0.01, placement="inside"),
    "adam/large-epsilon": Adam(rate=0.3, beta1=0.7, beta2=0.8, epsilon=0.5),
    "adam/large-epsilon/inside": Adam(
        rate=0.3, beta1=0.7, beta2=0.8, epsilon=0.5, placement="inside"
    ),
    "adam/no-memory": Adam(rate=0.3, beta1=0, beta2=0, epsilon=0.5),
    "adam/betas-apart": Adam(rate=0.3, beta1=0.2, beta2=0.95, epsilon=2**-6),
}
"""In every one of Adam's that has a large ε, its placement changes the first digits."""


class Descent:
    """One number under an optimiser, step by step, from the papers' equations."""

    def __init__(self, rule: Optimiser) -> None:
        self.rule, self.t, self.m, self.v = rule, 0, 0.0, 0.0

    def step(self, g: float) -> float:
        """Return the amount that is subtracted from the number."""
        self.t += 1
        rule = self.rule
        match rule:
            case GradientDescent():
                return rule.rate * g
            case Momentum():
                self.v = rule.momentum * self.v + g
                return rule.rate * self.v
        self.m = rule.beta1 * self.m + (1 - rule.beta1) * g
        self.v = rule.beta2 * self.v + (1 - rule.beta2) * g**2
        corrected_m = 1 - rule.beta1**self.t
        corrected_v = 1 - rule.beta2**self.t
        if rule.placement == "outside":  # algorithm 1
            return (
                rule.rate
                * (self.m / corrected_m)
                / (math.sqrt(self.v / corrected_v) + rule.epsilon)
            )
        rate = rule.rate * math.sqrt(corrected_v) / corrected_m  # end of section 2
        return rate * self.m / (math.sqrt(self.v) + rule.epsilon)


def clipped(g: Sequence[float], clip: Clip | None) -> list[float]:
    """All gradients together, scaled down to the norm allowed."""
    if clip is None:
        return list(g)
    norm = math.sqrt(math.fsum(n * n for n in g)) + clip.epsilon
    return [n * clip.most / norm if norm > clip.most else n for n in g]


@pytest.mark.parametrize("name", RULES)
def test_updates_are_those_of_the_papers(name: str) -> None:
    """Six steps of five numbers, with gradients of any sign and size, one of them 0 at first."""
    rule = RULES[name]
    gradients = np.random.default_rng(0).normal(size=(6, 5)) * [1, 1e-3, 1e3, 1, 1]
    gradients[:3, 3] = 0
    descents = [Descent(rule) for _ in range(5)]
    memory = rule.remember(gradients[0])
    for t, g in enumerate(gradients):
        found, memory = rule.update(g, memory)
        expected = np.array([d.step(float(n)) for d, n in zip(descents, g, strict=True)])
        off = abs(found - expected)
        assert (off <= CLOSE * abs(expected)).all(), (
            f"step {t + 1}: {found} is subtracted, by the paper's equations {expected}"
        )


@pytest.mark.parametrize("name", RULES)
def test_an_optimiser_starts_with_nothing_remembered(name: str) -> None:
    """With every gradient 0, no parameter moves."""
    rule = RULES[name]
    memory = rule.remember(np.ones(3))
    for t in range(3):
        step, memory = rule.update(np.zeros(3), memory)
        assert (step == 0).all(), f"step {t + 1}: gradients of 0 move the parameters by {step}"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", RULES)
def test_updates_keep_the_dtype(name: str, dtype: type[np.floating[Any]]) -> None:
    """The step and the memory have the dtype of the gradients, clipped or not."""
    rule, g = RULES[name], np.array([1, -2, 0.5], dtype)
    memory = rule.remember(g)
    for gradients in (g, Clip(most=1.0)(g)):
        step, memory = rule.update(gradients, memory)
        assert step.dtype == dtype, f"{step.dtype} for gradients of {np.dtype(dtype)}"
        assert all(m.dtype == dtype for m in memory), "what is remembered has another dtype"


CLIPPED: dict[str, tuple[list[float], Clip, list[float]]] = {
    "below": ([3, -4], Clip(most=5.5), [3, -4]),
    "at": ([3, -4], Clip(most=5), [3, -4]),
    "above": ([3, -4], Clip(most=2.5), [1.5, -2]),
    "far-above": ([3e4, -4e4], Clip(most=0.5), [0.3, -0.4]),
    "epsilon/above": ([3, -4], Clip(most=2.5, epsilon=5), [0.75, -1]),
    "epsilon/at": ([3, -4], Clip(most=5, epsilon=5), [1.5, -2]),
    "epsilon/below": ([3, -4], Clip(most=10, epsilon=5), [3, -4]),
    "epsilon/of-0": ([0, 0], Clip(most=1, epsilon=2**-20), [0, 0]),
    "one": ([-2.0], Clip(most=1), [-1]),
}
"""Gradients, the clipping, and what is left of them."""


@pytest.mark.parametrize("name", CLIPPED)
def test_clipping(name: str) -> None:
    """Clips by the norm, changes nothing below the limit, and treats leading axes separately."""
    g, clip, expected = CLIPPED[name]
    found = clip(np.array(g, np.float64))
    assert found == pytest.approx(expected, rel=4e-16, abs=0), (
        f"{found} is left, expected {expected}"
    )
    both = clip(np.array([g, [16 * n for n in g]], np.float64))
    assert_bits("the first of two", both[0], found, "another slice's norm must not count")


def test_clipping_nothing_at_all() -> None:
    """Gradients of 0 are left as they are, and nothing is said about it."""
    found = Clip(most=1.0)(np.zeros(3))
    assert (found == 0).all(), f"{found} is left of gradients of 0"


# Training.


def batches(task: Problem, count: int) -> list[Data]:
    """Data of the same shapes, other in every batch."""
    random = np.random.default_rng(5)
    order = [random.permutation(len(task.data.x)) for _ in range(count)]
    assert task.data.targets is not None
    return [
        task.data._replace(x=task.data.x[p], targets=task.data.targets[q])
        for p, q in zip(order, reversed(order), strict=True)
    ]


TRAINED = ["loss/nll-mean/ragged", "loss/mse-sum/all", "decoder/lstm/1-layer/both-teacher-tanh",
           "decoder/lstm/1-layer/both-free-tanh", "dense/vector/tanh/no-bias", "input/one-hot"]  # fmt: skip


CLIPPING = {
    "free": None,
    "clipped": Clip(most=0.25),
    "epsilon": Clip(most=0.25, epsilon=0.125),
}
FIXED = {
    "loss/nll-mean/ragged": ("params[0].table", "params[1][0][0].b_hh"),
    "decoder/lstm/1-layer/both-teacher-tanh": ("params[1].bridge[0][1].W", "params[1].output.b"),
}
"""Parameters that stay as they are."""


@pytest.mark.parametrize("fixing", [False, True], ids=["all", "some"])
@pytest.mark.parametrize("clipping", CLIPPING)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FIXED)
def test_training_by_hand(name: str, rule: str, clipping: str, fixing: bool) -> None:
    """Each number by itself: gradients, clipping, optimiser, subtraction; the loss before the update.

    Numbers that are fixed are left out of all of it, the norm too.
    """
    task, clip, fixed = problem(name), CLIPPING[clipping], FIXED[name] if fixing else ()
    data = batches(task, 4)
    losses, params = train(task.network, task.params, data, RULES[rule], clip, fixed)
    values = {n: a.copy() for n, a in named(task.params, "params").items()}
    places = [(n, i) for n, a in values.items() if n not in fixed for i in np.ndindex(a.shape)]
    descents = [Descent(RULES[rule]) for _ in places]
    expected = []
    for batch in data:
        arrays = iter(values.values())
        found = differentiate(task.network, each(lambda _, a=arrays: next(a), task.params), batch)
        expected.append(float(found.loss))
        gradients = named(found.params, "params")
        g = clipped([float(gradients[n][i]) for n, i in places], clip)
        for (n, i), descent, share in zip(places, descents, g, strict=True):
            values[n][i] -= descent.step(share)
    assert_near("the losses", losses, np.array(expected), 2**-40)
    for n, got in named(params, "params").items():
        assert_near(n, got, values[n], 2**-40)  # after four steps, each from the one before
        if n in fixed:
            assert_bits(n, got, named(task.params, "params")[n], "what is fixed must stay as it is")


def test_everything_may_be_fixed() -> None:
    """No parameter moves; the losses are those of the given parameters."""
    task = problem("loss/nll-mean/ragged")
    data = batches(task, 3)
    names = tuple(named(task.params, "params"))
    for rule, clip in (
        (Adam(rate=0.5), None),
        (Momentum(rate=0.5, momentum=0.5), Clip(most=1, epsilon=1)),
    ):
        losses, params = train(task.network, task.params, data, rule, clip, names)
        for k, batch in enumerate(data):
            expected = differentiate(task.network, task.params, batch).loss
            assert losses[k] == expected, f"loss {k} is {losses[k]}, of the parameters {expected}"
        for n, got in named(params, "params").items():
            assert_bits(n, got, named(task.params, "params")[n], "what is fixed must stay as it is")


@pytest.mark.parametrize("name", TRAINED)
def test_what_training_returns(name: str) -> None:
    """A loss a batch, the first that of the given parameters; parameters like those, in their dtype."""
    for dtype in (np.float32, np.float64):
        task = problem(name).map(lambda a, d=dtype: a.astype(d))
        for array in named((task.params, task.data), "").values():
            array.setflags(write=False)
        data = batches(task, 3)
        losses, params = train(task.network, task.params, data, Adam(rate=2**-6), Clip(most=1.0))
        assert losses.shape == (3,), f"losses of shape {losses.shape}, expected (3,)"
        assert losses.dtype == dtype, f"losses are {losses.dtype}"
        first = differentiate(task.network, task.params, data[0]).loss
        assert losses[0] == first, f"the first loss is {losses[0]}, of the given parameters {first}"
        given, got = named(task.params, "params"), named(params, "params")
        assert {n: (a.shape, a.dtype) for n, a in got.items()} == {
            n: (a.shape, a.dtype) for n, a in given.items()
        }
        assert type(params[-2]) is type(task.params[-2]), (
            "the layers' parameters are of another kind"
        )
        assert all((got[n] != given[n]).any() for n in given), "some parameters did not move"
        again = train(task.network, params, data, GradientDescent(rate=0.5))[0]
        assert np.isfinite(again).all(), "what is returned cannot be trained again"


def test_training_with_leading_axes() -> None:
    """Each slice is trained by itself, clipping and all."""
    task = problem("loss/mse-mean/ragged")
    other = each(lambda a: a / 2, task.params)
    both = each(lambda *a: np.stack(a), task.params, other)
    data = batches(task, 4)
    clip = Clip(most=0.25)
    for rule in OPTIMISERS.values():
        losses, params = train(task.network, both, data, rule, clip)
        assert losses.shape == (2, 4), f"losses of shape {losses.shape}, expected (2, 4)"
        for k, start in enumerate((task.params, other)):
            alone_losses, alone = train(task.network, start, data, rule, clip)
            assert_near(f"the losses of slice {k}", losses[k], alone_losses, 2**-40)
            for n, a in named(alone, "params").items():
                assert_near(f"slice {k} of {n}", named(params, "params")[n][k], a, 2**-40)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("task", TASKS)
def test_fifty_steps_lower_the_loss(task: str, optimiser: str) -> None:
    """Compares the first ten batches with the last ten, and all batches before and after."""
    rule, clip = OPTIMISERS[optimiser], CLIPS.get((task, optimiser))
    case = TrainingCase(
        id=f"{task}/{optimiser}", task=task, dtype="float64", optimiser=rule, clip=clip
    )
    inputs = draw(case)
    assert isinstance(inputs, TrainingInputs)
    losses, params = train(inputs.network, inputs.params, inputs.batches, rule, clip)
    assert losses.shape == (50,), f"{len(losses)} losses, expected 50"
    before, after = losses[:10].mean(), losses[-10:].mean()
    assert after < 0.95 * before, f"the loss goes from {before:.4g} to {after:.4g}"
    untrained, trained = (
        np.mean([differentiate(inputs.network, p, batch).loss for batch in inputs.batches])
        for p in (inputs.params, params)
    )
    assert trained < 0.9 * untrained, (
        f"over all batches, the loss goes from {untrained:.4g} to {trained:.4g}"
    )


@pytest.mark.parametrize("name", SOME)
def test_one_small_step_lowers_the_loss(name: str) -> None:
    """The loss falls by rate · ‖g‖², to second order, for every kind of network with parameters."""
    task = problem(name)
    found = named(differentiate(*task).params, "")
    if not found:
        return
    square = math.fsum(float((g * g).sum()) for g in found.values())
    rate = 2.0**-20
    losses, _ = train(task.network, task.params, [task.data] * 2, GradientDescent(rate=rate))
    fall = (losses[0] - losses[1]) / (rate * square)
    assert abs(fall - 1) < 2**-8, f"the loss falls by {fall} of what the gradients say"


# What is refused.

SEQUENCE = (Vectors(size=2), Dense(units=4), MeanSquaredError())
NOT_NUMBERS: list[Any] = [-0.1, float("nan"), float("inf"), True, None, "0.1", 1j, [0.1], np.array(0.1), np.True_,
                          np.float32("nan"), Decimal("0.1"), 10**400, Fraction(1, 10**400)]  # fmt: skip
NOT_RATES: list[Any] = [0, 0.0, np.float64(0), *NOT_NUMBERS]
NOT_BELOW_ONE: list[Any] = [1, 1.0, 1.5, np.float64(1), 1 - Fraction(1, 2**60), *NOT_NUMBERS]
FIELDS: list[tuple[str, Callable[[Any], Any], list[Any]]] = [
    ("GradientDescent.rate", lambda v: GradientDescent(rate=v), NOT_RATES),
    ("Momentum.rate", lambda v: Momentum(rate=v, momentum=0.5), NOT_RATES),
    ("Momentum.momentum", lambda v: Momentum(rate=0.5, momentum=v), NOT_BELOW_ONE),
    ("Adam.rate", lambda v: Adam(rate=v), NOT_RATES),
    ("Adam.beta1", lambda v: Adam(rate=0.5, beta1=v), NOT_BELOW_ONE),
    ("Adam.beta2", lambda v: Adam(rate=0.5, beta2=v), NOT_BELOW_ONE),
    ("Adam.epsilon", lambda v: Adam(rate=0.5, epsilon=v), NOT_RATES),
    (
        "Adam.placement",
        lambda v: Adam(rate=0.5, placement=v),
        ["Inside", "", None, True, ["inside"], np.array(["inside", "outside"])],
    ),
    ("Clip.most", lambda v: Clip(most=v), NOT_RATES),
    ("Clip.epsilon", lambda v: Clip(most=0.5, epsilon=v), NOT_NUMBERS),
]
"""Fields, and what they refuse."""


def batch(*leading: int, rows: int = 3, steps: int = 5, dtype: Any = np.float64) -> Data:
    """Good data for ``SEQUENCE``."""
    x, targets = np.ones((*leading, rows, steps, 2), dtype), np.ones((rows, steps, 4), dtype)
    return Data(x, None, targets)


def training(rule: Any, clip: Any = None, *, dtype: Any = np.float64, **changes: Any) -> Any:
    """A call that is accepted but for what is given."""
    params = ((), Affine(np.ones((4, 2), dtype), np.ones(4, dtype)), ())
    data = [batch(dtype=dtype)] * 3
    options = {"network": SEQUENCE, "params": params, "batches": data, **changes}
    return train(
        options["network"],
        options["params"],
        options["batches"],
        rule,
        clip,
        options.get("fixed", ()),
    )


@pytest.mark.parametrize(
    ("where", "make", "bad"),
    [(where, make, bad) for where, make, values in FIELDS for bad in values],
    ids=lambda v: v if isinstance(v, str) and "." in v else None,
)
def test_hyperparameters_are_refused(where: str, make: Callable[[Any], Any], bad: Any) -> None:
    """The message names the field, what was given and what was expected."""
    made = make(bad)
    rule, clip = (GradientDescent(rate=0.1), made) if isinstance(made, Clip) else (made, None)
    expected = (
        "'outside' or 'inside'" if where.endswith("placement") else "(0 or )?a number above 0 "
    )
    with pytest.raises(
        ValueError, match=rf"^{re.escape(where)}: {re.escape(repr(bad))} given, expected {expected}"
    ):
        training(rule, clip)


GRADIENT_DESCENT = GradientDescent(rate=0.1)
TOO_NARROW: list[tuple[str, Any, type[Any]]] = [
    ("Adam.epsilon", Adam(rate=0.5), np.float16),
    ("Adam.rate", Adam(rate=1e6, epsilon=0.5), np.float16),
    ("Adam.beta1", Adam(rate=0.5, beta1=0.9999, epsilon=0.5), np.float16),
    ("Adam.beta1", Adam(rate=0.5, beta1=1e-50), np.float32),
    ("Adam.beta2", Adam(rate=0.5, beta2=0.99999999), np.float32),
    ("GradientDescent.rate", GradientDescent(rate=1e-50), np.float32),
    ("Momentum.rate", Momentum(rate=1e39, momentum=0.5), np.float32),
    ("Momentum.momentum", Momentum(rate=0.5, momentum=0.99999999), np.float32),
    ("Clip.most", Clip(most=1e6), np.float16),
    ("Clip.most", Clip(most=1e-8), np.float16),
    ("Clip.epsilon", Clip(most=0.5, epsilon=1e-8), np.float16),
]
"""Fields whose numbers are 0, 1 or infinite in the dtype."""


@pytest.mark.parametrize(("where", "made", "dtype"), TOO_NARROW)
def test_hyperparameters_that_the_dtype_lacks_are_refused(
    where: str, made: Any, dtype: type[np.floating[Any]]
) -> None:
    """Those of parameters in a dtype that has them are welcome."""
    rule, clip = (GradientDescent(rate=0.1), made) if isinstance(made, Clip) else (made, None)
    value = re.escape(repr(getattr(made, where.partition(".")[2])))
    message = rf"^{re.escape(where)}: {value} given, expected (0 or )?a number above 0 and below (1|inf) in "
    with pytest.raises(ValueError, match=message + np.dtype(dtype).name):
        training(rule, clip, dtype=dtype)
    training(rule, clip, dtype=np.longdouble)


NUMBERS: list[Callable[[float], Any]] = [np.float64, np.float16, np.longdouble, Fraction]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("rule", OPTIMISERS)
def test_numbers_of_any_type_are_hyperparameters(rule: str, number: Callable[[float], Any]) -> None:
    """The result equals that of Python's numbers to the bit."""
    python, clip = OPTIMISERS[rule], Clip(most=0.25, epsilon=0.125)
    other, other_clip = (
        replace(r, **{k: number(v) for k, v in vars(r).items() if k != "placement"})
        for r in (python, clip)
    )
    expected, found = (
        training(r, c, dtype=np.float32) for r, c in ((python, clip), (other, other_clip))
    )
    for name, got in named(found, "").items():
        assert_bits(name, got, named(expected, "")[name], "the number's type must not count")


BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: training(None), r"^optimiser: NoneType given, expected .*Adam"),
    (lambda: training("adam"), r"^optimiser: str given, expected"),
    (lambda: training(Adam), r"^optimiser: type given, expected"),
    (lambda: training(0.1), r"^optimiser: float given, expected"),
    (lambda: training(Clip(most=1.0)), r"^optimiser: Clip given, expected"),
    (lambda: training(GRADIENT_DESCENT, 1.0), r"^clip: float given, expected a Clip or None$"),
    (lambda: training(GRADIENT_DESCENT, Clip), r"^clip: type given, expected a Clip or None$"),
    (lambda: training(GRADIENT_DESCENT, GRADIENT_DESCENT), r"^clip: GradientDescent given, expected a Clip"),
    *((lambda b=bad: training(GRADIENT_DESCENT, batches=b), r"^batches: .* given, expected a tuple of at least one Data$")
      for bad in ([], (), None, 3, iter(()), np.ones(3), "batches")),
    (lambda: training(GRADIENT_DESCENT, batches=[None]), r"^data: NoneType given, expected Data$"),
    (lambda: training(GRADIENT_DESCENT, batches=Data(np.ones((3, 5, 2)))), r"^data: ndarray given, expected Data$"),
    *((lambda f=fixed: training(GRADIENT_DESCENT, fixed=f), rf"^fixed: {first} given, expected names among params\[1\]\.W, params\[1\]\.b$")
      for fixed, first in [(("W",), "W"), (("params[1].W", "params[0].W"), r"params\[0\]\.W"), (("",), ""),
                           (["params[1]"], r"params\[1\]")]),
    *((lambda f=fixed: training(GRADIENT_DESCENT, fixed=f), r"^fixed: .* given, expected names of parameters$")
      for fixed in ("W", "params[1].W", None, 1, (1, "W"), (np.ones(3),), np.array(["params[1].W"]))),
    (lambda: training(GRADIENT_DESCENT, network=None), r"^network: None given, expected a tuple of layers$"),
    *((lambda u=units: training(GRADIENT_DESCENT, network=(Vectors(size=2), Dense(units=u))),
       rf"^network\[1\]\.units: {units!r} given, expected a Python int of at least 1$") for units in ("4", 4.0)),
    *((lambda n=network: training(GRADIENT_DESCENT, network=n, params=((), ())),
       r"^network: .* given, expected a layer with parameters to train$")
      for network in [(Vectors(size=2), MeanSquaredError()), (OneHot(vocabulary=2), MeanSquaredError())]),
    (lambda: training(GRADIENT_DESCENT, params=None), r"^params: expected a tuple with one entry for each of 3"),
    (lambda: training(GRADIENT_DESCENT, network=SEQUENCE[:2], params=((), Affine(np.ones((4, 2)), np.ones(4)))),
     r"^network: it ends in Dense\(.*\), expected a loss$"),
    (lambda: training(GRADIENT_DESCENT, batches=[Data(np.ones((3, 5, 2)))]), r"^targets: None given, expected numbers of"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"), BAD_CALLS, ids=[m.partition(":")[0][1:] for _, m in BAD_CALLS]
)
def test_bad_calls_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


LATER: dict[str, tuple[Data, str]] = {
    "x": (batch()._replace(x=np.ones((3, 5, 1))), r"^x: shape \(3, 5, 1\) given, expected"),
    "targets": (batch()._replace(targets=None), r"^targets: None given, expected numbers of"),
    "leading axes": (batch(2), r"^x: leading axes \(2,\) given, expected the \(\) of params\[1\]\.W$"),
}  # fmt: skip


@pytest.mark.parametrize("what", LATER)
def test_a_later_batch_is_refused_before_the_first_step(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of other sizes is welcome, a bad one is not, however long the steps before it take."""
    assert training(GRADIENT_DESCENT, batches=[batch(), batch(rows=1, steps=2)])[0].shape == (2,)
    bad, message = LATER[what]
    step = mock.Mock()
    monkeypatch.setattr("reference.networks.training.gradients", step)
    with pytest.raises(ValueError, match=message):
        training(GRADIENT_DESCENT, batches=[batch(), batch(), bad])
    assert not step.called, "a step was made before all batches were looked at"


def test_a_network_without_a_loss_is_refused_before_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both functions that need a loss refuse it."""
    forward = mock.Mock()
    monkeypatch.setattr("reference.networks.network.forward", forward)
    network, params = SEQUENCE[:2], ((), Affine(np.ones((4, 2)), np.ones(4)))
    for call in (
        lambda: differentiate(network, params, batch()),
        lambda: training(GRADIENT_DESCENT, network=network, params=params),
    ):
        with pytest.raises(ValueError, match=r"^network: it ends in Dense\(.*\), expected a loss$"):
            call()
    assert not forward.called, "the network ran before its end was looked at"


def test_steps_check_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters are checked once, and every batch once, however many layers read it."""
    task = problem("decoder/of-encoder/both-teacher")
    checks = {name: mock.Mock(wraps=getattr(arguments, name))
              for name in ("check_network", "check_parameters", "check_data", "check_array")}  # fmt: skip
    for name, check in checks.items():
        monkeypatch.setattr(f"reference.networks.arguments.{name}", check)
        monkeypatch.setattr(f"reference.networks.training.{name}", check, raising=False)
    monkeypatch.setattr("reference.arguments.check_array", checks["check_array"])
    train(task.network, task.params, batches(task, 4), GRADIENT_DESCENT)
    counts = {name: check.call_count for name, check in checks.items()}
    arrays = len(named(task.params, ""))
    assert counts == {
        "check_network": 1,
        "check_parameters": 1,
        "check_data": 4,
        "check_array": arrays,
    }


DIVERGING: dict[str, tuple[str, Optimiser, int]] = {
    "at once": ("loss/nll-sum/all", GradientDescent(rate=1.7e308), 1),
    "in the next step": ("dense/sequence/tanh/bias", GradientDescent(rate=1e300), 2),
    "recurrent": ("recurrent/lstm", GradientDescent(rate=1e308), 2),
    "recurrent, twice": ("recurrent/softmax-between", GradientDescent(rate=1e308), 2),
    "decoder": ("decoder/output/identity/none", Momentum(rate=1e200, momentum=0.5), 2),
}
"""Examples, optimisers that lead them to infinity, and the step after which they are there."""


@pytest.mark.parametrize("what", DIVERGING)
def test_training_that_diverges_says_so(what: str) -> None:
    """The message blames no argument."""
    name, rule, step = DIVERGING[what]
    task = problem(name)
    message = rf"^training: parameters are not finite after step {step} of 5; {re.escape(repr(rule))} given, expected a "
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        train(task.network, task.params, batches(task, 5), rule)


def test_training_in_rounding_arrays_diverges_too() -> None:
    """Rounding arrays are finite where every sample is; float32 cannot hold 10³⁰⁰."""
    task = problem("loss/mse-mean/ragged")
    lift = Rounding(ARITHMETICS["float32"], 3, [0]).array
    data, params = batches(task, 3), each(lift, task.params)
    losses, _ = train(task.network, params, data, GRADIENT_DESCENT)
    assert losses.shape == (3, 3), f"losses of shape {losses.shape}, expected (3, 3)"
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            FloatingPointError, match=r"^training: parameters are not finite after step 1"
        ),
    ):
        train(task.network, params, data, GradientDescent(rate=1e300))


def unseen(rule: Optimiser) -> Any:
    """One word of three is trained."""
    network: Network = (Embedding(vocabulary=3, size=2), MeanSquaredError())
    data = [Data(np.array([[1]]), None, np.ones((1, 1, 2)))]
    return train(network, (Table(np.zeros((3, 2))), ()), data, rule)


def test_words_that_are_not_seen_do_not_move() -> None:
    """Their gradients are 0, whatever the optimiser makes of those."""
    for name, rule in OPTIMISERS.items():
        _, (table, _) = unseen(rule)
        moved: Array = table.table.any(axis=-1)  # type: ignore[union-attr]
        assert moved.tolist() == [False, True, False], f"{name}: the rows that moved are {moved}"

"""The training cases: hyperparameters are exact, batches differ, and clipping happens."""

from __future__ import annotations

import numpy as np
import pytest

from backends import TrainingInputs
from conformance.cases import TrainingCase, default_cases
from conformance.cases.tasks import STEPS
from conformance.draw import draw
from conformance.evaluate import evaluate
from reference import Array
from reference.networks.layers import MeanSquaredError, NegativeLogLikelihood
from reference.networks.optimisers import Adam, Clip
from tests.conformance.test_cases import representable

TRAINING = [case for case in default_cases() if isinstance(case, TrainingCase)]


@pytest.mark.parametrize("case", TRAINING, ids=lambda case: case.id)
def test_hyperparameters_are_exact_in_the_dtype(case: TrainingCase) -> None:
    """1 − β is exact too, since optimisers compute it in different precisions."""
    numbers = {
        f"{type(owner).__name__}.{name}": value
        for owner in (case.optimiser, case.clip)
        for name, value in vars(owner or object).items()
        if isinstance(value, float) and not name.startswith("__")
    }
    assert len(numbers) >= 1 + (case.clip is not None)
    numbers |= {f"1 - {name}": 1 - value for name, value in numbers.items() if "beta" in name}
    wrong = [name for name, v in numbers.items() if not representable(np.array(v), case.dtype)]
    assert not wrong, f"{wrong}: a framework gets other numbers than the specification"


@pytest.mark.parametrize("case", TRAINING, ids=lambda case: case.id)
def test_training_is_of_fifty_batches_that_differ(case: TrainingCase) -> None:
    inputs = draw(case)
    assert isinstance(inputs, TrainingInputs)
    assert len(inputs.batches) == STEPS == 50
    seen = {(batch.x.tobytes(), batch.targets.tobytes()) for batch in inputs.batches}
    assert len(seen) > 40, f"only {len(seen)} batches are different"
    last = inputs.network[-1]
    mean = isinstance(last, NegativeLogLikelihood | MeanSquaredError) and last.reduction == "mean"
    assert mean, "a loss that people train on"


@pytest.mark.parametrize("case", [c for c in TRAINING if c.clip], ids=lambda case: case.id)
def test_clipping_happens_and_does_not_always(case: TrainingCase) -> None:
    """A limit that no norm exceeds would not show that clipping is ignored."""
    inputs = draw(case)
    assert isinstance(inputs, TrainingInputs)
    assert inputs.clip is not None
    norms: list[float] = []

    class Watched(Clip):
        def __call__(self, g: Array) -> Array:
            norms.append(float(np.sqrt((g * g).sum())))
            return super().__call__(g)

    watched = Watched(**vars(inputs.clip))
    evaluate(TrainingInputs(**{**vars(inputs), "clip": watched}), lambda a: a)
    clipped = sum(norm > inputs.clip.most for norm in norms)
    assert 2 <= clipped <= STEPS - 2, (
        f"{clipped} of {len(norms)} steps are clipped at {inputs.clip.most}; the norms are "
        f"{min(norms):.3g} … {max(norms):.3g}"
    )


def test_every_optimiser_trains_on_every_task() -> None:
    """Each trains in float32 and float64, but for characters, which are trained in float32 alone."""
    rows = {(case.task, type(case.optimiser).__name__, case.dtype) for case in TRAINING}
    tasks, optimisers, dtypes = (set(column) for column in zip(*rows, strict=True))
    assert len(tasks) >= 2
    assert optimisers == {"GradientDescent", "Momentum", "Adam"}
    assert dtypes == {"float32", "float64"}
    expected = {(task, optimiser, dtype) for task in tasks for optimiser in optimisers
                for dtype in dtypes if (task, dtype) != ("characters", "float64")}  # fmt: skip
    assert rows == expected
    assert len(rows) == len(TRAINING)
    for case in TRAINING:
        if isinstance(case.optimiser, Adam):
            assert case.optimiser.placement == "outside", "the dialect says where ε really is"
        assert case.clip is None or case.clip.epsilon == 0, "and what is added to the norm"

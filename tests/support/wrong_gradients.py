"""Backends that are wrong on purpose in gradients, networks and training, and right in all else.

Most make the mistake inside the reference itself, which they patch while they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar
from unittest import mock

import numpy as np
from fakes import TINY, Right, changed

import reference
from backends import Backend, Inputs, NetworkInputs, Result, TrainingInputs
from conformance.truth import truth
from reference import Array, Output, Spec, Weights
from reference.bptt import weight_gradients
from reference.networks.feedforward import select
from reference.networks.layers import Data
from reference.networks.losses import weights
from reference.networks.network import fed_words
from reference.networks.optimisers import Adam, Clip, GradientDescent, Momentum
from reference.networks.shapes import zeros
from reference.sums import rows
from reference.trees import each, named


class Patched(Right):
    """The specification with one of its functions replaced by a wrong one."""

    place: ClassVar[str]
    wrong: ClassVar[Callable[..., Any]]

    def compute(self, inputs: Any) -> dict[str, Array]:
        with mock.patch(self.place, type(self).wrong):
            return super().compute(inputs)


# Gradients of a recurrent network.


class RecurrentGradientOneStepOff(Patched):
    """dW_hh from the state after each step, for the state before it."""

    place = "reference.bptt.weight_gradients"

    @staticmethod
    def wrong(spec: Spec, w: Weights, ran: Any, xs: Array, d_in: Array, d_rec: Array) -> Weights:
        after = [step._replace(start=step.end) for step in ran]
        return weight_gradients(spec, w, after, xs, d_in, d_rec)


class FinalStateGradientDropped(Right):
    """Gradients by the outputs go back, those by the final states do not."""

    def seen(self, inputs: Inputs) -> Inputs:
        assert inputs.incoming is not None
        dy, *states = inputs.incoming
        return replace(inputs, incoming=Output(dy, *each(np.zeros_like, tuple(states))))


class InitialStateGradientMissing(Right):
    """A backend that does not return dh0."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, dh0=None)


class CellStateGradientZero(Right):
    """A backend that detaches c0."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        return changed(result, dc0=np.zeros_like(result.tensors["dc0"]))


class InputGradientWithoutReverse(Right):
    """dx of one layer is that of its forward direction alone."""

    def compute(self, inputs: Inputs) -> dict[str, Array]:
        assert inputs.incoming is not None
        dy, *states = each(np.copy, tuple(inputs.incoming))
        dy[..., inputs.spec.hidden_size :] = 0
        for d in states:
            if d is not None:
                d[1::2] = 0
        forward = super().compute(replace(inputs, incoming=Output(dy, *states)))
        return super().compute(inputs) | {"dx": forward["dx"]}


class MeanForSum(Right):
    """The gradients of the mean over the batch, where those of the sum were asked for."""

    def seen(self, inputs: Inputs) -> Inputs:
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        incoming = each(lambda d: d / batch, inputs.incoming)
        return replace(inputs, incoming=incoming)


class PaddingLeaks(Patched):
    """A backend that masks only its outputs: 0 · NaN reaches the gradients."""

    place = "reference.bptt.time_major"

    @staticmethod
    def wrong(spec: Spec, x: Array, lengths: Array | None) -> tuple[Array, Array | None]:
        _, valid = reference.rnn.time_major(spec, x, lengths)
        return np.swapaxes(x, -2, -3) if spec.batch_first else x, valid


class PaddingHasGradient(Right):
    """A backend that leaves tiny values in the padding of dx."""

    def spoilt(self, inputs: Inputs, result: Result) -> Result:
        padding = truth(inputs).expected(inputs.dtype)["dx"].exact
        return changed(result, dx=result.tensors["dx"] + TINY * padding)


class NoGradients(Right):
    """A backend that ignores that gradients are asked for."""

    def seen(self, inputs: Inputs) -> Inputs:
        return replace(inputs, incoming=None)


# Networks.


class LossOverAllTargets(Patched):
    """The mean divides by all targets, valid or not."""

    place = "reference.networks.losses.weights"

    @staticmethod
    def wrong(data: Data, o: Array, reduction: str) -> tuple[Array, float, Array]:
        valid, count, share = weights(data, o, reduction)
        every = float(valid.size) if reduction == "mean" else count
        return valid, every, share * (count / every)


class LastOccurrenceOnly(Patched):
    """A word's gradient is that of the last place where it stands, not the sum over all."""

    place = "reference.networks.feedforward.scatter"

    @staticmethod
    def wrong(d: Array, words: Array, vocabulary: int) -> Array:
        found = np.zeros((vocabulary, d.shape[-1]), d.dtype)
        found[words.ravel()] = rows(d)
        return found


class TeacherOneStepOff(Patched):
    """The decoder reads the target of the step itself, not of the one before."""

    place = "reference.networks.network.fed_words"

    @staticmethod
    def wrong(layer: Any, params: Any, context: Any, data: Data, known: Any) -> Any:
        if layer.words == "teacher":
            return data.targets
        return fed_words(layer, params, context, data, known)


class FedByAnotherRow(Patched):
    """The decoder feeds the words that row 0 found likely to every row."""

    place = "reference.networks.network.fed_words"

    @staticmethod
    def wrong(layer: Any, params: Any, context: Any, data: Data, known: Any) -> Any:
        words = fed_words(layer, params, context, data, known)
        return np.repeat(words[:1], len(words), axis=0) if layer.words == "free" else words


class FedOneStepLate(Patched):
    """The decoder feeds the word of the step before the last, as a wrong slice does."""

    place = "reference.networks.network.fed_words"

    @staticmethod
    def wrong(layer: Any, params: Any, context: Any, data: Data, known: Any) -> Any:
        words = fed_words(layer, params, context, data, known)
        if layer.words != "free":
            return words
        return np.concatenate([words[:, :1], words[:, :-1]], axis=1)


class BiasGradientDropped(Right):
    """Biases outside the recurrent networks do not learn."""

    def spoilt(self, inputs: NetworkInputs, result: Result) -> Result:
        biases = {name: 0 * a for name, a in result.tensors.items() if name.endswith("].b")}
        return changed(result, **biases)


class ReadsThePadding(Patched):
    """The last step that it reads is T − 1 of every row."""

    place = "reference.networks.network.select"

    @staticmethod
    def wrong(at: Any, v: Array, lengths: Array | None) -> Any:
        return select(at, v, None)


# Training.


class EpsilonElsewhere(Right):
    """A backend whose Adam adds ε on the other side of the square root."""

    def seen(self, inputs: TrainingInputs) -> TrainingInputs:
        assert isinstance(inputs.optimiser, Adam)
        other = {"inside": "outside", "outside": "inside"}[inputs.optimiser.placement]
        return replace(inputs, optimiser=replace(inputs.optimiser, placement=other))


class MomentumDamped(Right):
    """v ← momentum · v + (1 − momentum) · g."""

    def seen(self, inputs: TrainingInputs) -> TrainingInputs:
        o = inputs.optimiser
        assert isinstance(o, Momentum)
        return replace(inputs, optimiser=replace(o, rate=o.rate * (1 - o.momentum)))


class ClipsEveryTensor(Right):
    """Every parameter's gradient is clipped by its own norm."""

    def seen(self, inputs: TrainingInputs) -> TrainingInputs:
        sizes = [a.size for a in named(zeros(inputs.network), "").values()]

        class Separately(Clip):
            def __call__(self, g: Array) -> Array:
                parts = np.split(g, np.cumsum(sizes)[:-1], axis=-1)
                clipped = [Clip.__call__(self, part) if part.any() else part for part in parts]
                return np.concatenate(clipped, axis=-1)

        assert inputs.clip is not None
        return replace(inputs, clip=Separately(**vars(inputs.clip)))


class ClipsNothing(Right):
    """A backend that accepts clipping and ignores it."""

    def seen(self, inputs: TrainingInputs) -> TrainingInputs:
        return replace(inputs, clip=None)


class RateSlightlyOff(Right):
    """A learning rate off by 1e-5 of itself."""

    def seen(self, inputs: TrainingInputs) -> TrainingInputs:
        o = inputs.optimiser
        return replace(inputs, optimiser=replace(o, rate=o.rate * (1 + 1e-5)))


class OneStepTooFew(Right):
    """Every loss is right, but the last batch's update is left out."""

    def compute(self, inputs: TrainingInputs) -> dict[str, Array]:
        shorter = super().compute(replace(inputs, batches=inputs.batches[:-1]))
        return shorter | {"loss": super().compute(inputs)["loss"]}


class LossesAfterTheUpdates(Right):
    """Each loss is that of the batch after the update that it caused."""

    def compute(self, inputs: TrainingInputs) -> dict[str, Array]:
        twice = tuple(batch for batch in inputs.batches for _ in range(2))
        standing = mock.patch.object(
            GradientDescent, "update", _every_other(GradientDescent.update)
        )
        with standing:
            losses = super().compute(replace(inputs, batches=twice))["loss"]
        return super().compute(inputs) | {"loss": losses[1::2]}


def _every_other(update: Callable[..., Any]) -> Callable[..., Any]:
    """``update`` at even calls, and no change at odd ones."""
    calls = 0

    def found(self: Any, g: Array, memory: Any) -> Any:
        nonlocal calls
        calls += 1
        step, memory = update(self, g, memory)
        return step * (calls % 2), memory

    return found


# Less than all of it.


class BareOnly(Right):
    """An adapter that has recurrent networks and nothing around them."""

    run_network = Backend.run_network
    train = Backend.train

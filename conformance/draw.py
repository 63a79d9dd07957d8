"""Draw the arrays of a case: random, seeded by its id, and exact in its dtype.

Every gate has weights and biases of its own, b_ih ≠ b_hh, and initial states are not zero. So a
swapped gate, a dropped bias or a lost state changes the result. Values are rounded to the case's
dtype first, so that differences measure arithmetic and not the rounding of inputs.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, overload

import numpy as np

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from backends.dtypes import rounded
from conformance import cases
from conformance.cases import AnyCase, Case, NetworkCase, TrainingCase, UserCase
from conformance.cases.extremes import INPUTS, WEIGHTS
from conformance.cases.precision_variants import original_id
from conformance.cases.tasks import TASKS
from reference import Array, Output, Params, Weights, weight_shapes
from reference.networks.layers import (
    Data,
    Decoder,
    Embedding,
    NegativeLogLikelihood,
    Network,
    NetworkParams,
    OneHot,
    Recurrent,
    Vectors,
)
from reference.networks.shapes import target_shape, zeros
from reference.trees import each, named


@overload
def draw(case: Case | UserCase) -> Inputs: ...
@overload
def draw(case: NetworkCase) -> NetworkInputs: ...
@overload
def draw(case: TrainingCase) -> TrainingInputs: ...
def draw(case: AnyCase) -> AnyInputs:
    """Draw all inputs of a case; every call returns the same arrays.

    Args:
        case: the case.

    Returns:
        The inputs, of the kind that the case needs.

    """
    known = _read_attempts()
    return draw_attempt(case, known.get(case.id, known.get(original_id(case.id), 0)))


def draw_attempt(case: AnyCase, attempt: int) -> AnyInputs:
    """Draw the inputs of a case with a given attempt number. A user's own network has fixed arrays.

    Args:
        case: the case.
        attempt: the number of the draw; 0 is the first.

    Returns:
        The inputs.

    """
    if isinstance(case, UserCase):
        return case.inputs
    seed = original_id(case.id)
    draws = Draws(f"{seed}#{attempt}" if attempt else seed, case.dtype)
    match case:
        case Case():
            return _draw_recurrent(case, draws)
        case NetworkCase():
            return _draw_network(case, draws)
        case TrainingCase():
            return _draw_training(case, draws)


@cache
def _read_attempts() -> dict[str, int]:
    """Read the draw numbers of the cases whose first draw proves too little (``redraw.py``)."""
    text = (Path(cases.__file__).parent / "attempts.txt").read_text("utf-8")
    return {case_id: int(number) for case_id, number in map(str.split, text.splitlines())}


class Draws:
    """A stream of random numbers, rounded to a dtype.

    Args:
        seed: a text that seeds the stream.
        dtype: the dtype that values are rounded to.

    """

    def __init__(self, seed: str, dtype: str) -> None:
        self.random = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
        self.dtype = dtype

    def uniform(self, shape: tuple[int, ...], size: float) -> Array:
        """Draw numbers from −size to size.

        Args:
            shape: the shape of the array.
            size: the largest magnitude.

        Returns:
            An array in float64, exact in the dtype.

        """
        return rounded(self.random.uniform(-size, size, shape), self.dtype)

    def same_sign(self, shape: tuple[int, ...]) -> Array:
        """Draw numbers of magnitude ¼ to 1 with one sign per unit, so that sums over rows and steps do not cancel.

        Args:
            shape: the shape of the array; units are the last axis.

        Returns:
            An array in float64, exact in the dtype.

        """
        sign = self.random.choice([-1.0, 1.0], shape[-1])
        return rounded(sign * self.random.uniform(0.25, 1, shape), self.dtype)


def _draw_recurrent(case: Case, draws: Draws) -> Inputs:
    """Draw weights, input, initial states and lengths, and incoming gradients if the case compares gradients."""
    spec = case.spec
    params = _params(case, draws.random)
    if case.x is not None:
        x = np.array(case.x)
    elif case.one_sign:
        x = np.abs(draws.uniform((case.batch, case.steps, spec.input_size), 1))
    else:
        x = draws.uniform((case.batch, case.steps, spec.input_size), np.sqrt(3))  # variance 1
    x = rounded(INPUTS[case.inputs](x, case.dtype, draws.random), case.dtype)
    if case.gradients and spec.activation == "relu" and case.x is None:
        x = np.sign(x[..., :1]) * rounded((np.abs(x) + 1) / 2, case.dtype)
    shapes = {part: spec.state_shape(part, case.batch) for part in spec.states}
    states = {p: draws.uniform(shape, 1) for p, shape in shapes.items()} if case.state else {}

    ends = _ends(case, draws.random)
    if case.padding is not None and ends is not None:
        x[np.arange(case.steps) >= ends[:, None]] = case.padding
    if not spec.batch_first:
        x = np.ascontiguousarray(np.swapaxes(x, 0, 1))
    incoming = None
    if case.gradients:
        dy = draws.same_sign((*x.shape[:2], spec.output_size))
        d = {part: draws.same_sign(shape) for part, shape in shapes.items()}
        incoming = Output(dy, d["h"], d.get("c"))
    return Inputs(
        spec=spec,
        dtype=case.dtype,
        precision=case.precision,
        params=params,
        x=x,
        h0=states.get("h"),
        c0=states.get("c"),
        lengths=None if case.lengths == "full" else ends,
        incoming=incoming,
    )


def _params(case: Case, random: np.random.Generator) -> Params:
    """Draw weights that make pre-activations of size 1, and biases of ½.

    Inputs have variance 1 and get weights of variance 1/N. Outputs of a layer are about half as
    large, and get weights twice as large, or the signal would fade from layer to layer.
    """
    spec = case.spec

    def weights(layer: int) -> Weights:
        values: dict[str, Array | None] = {}
        for name, shape in weight_shapes(spec, layer).items():
            if shape is None:
                values[name] = None
                continue
            size = np.sqrt(3 / shape[1]) if len(shape) == 2 else 0.5
            value = random.uniform(-size, size, shape)
            if name == "W_ih" and layer > 0:
                value *= 2
            elif name == "W_ih":
                value *= case.scale
                if case.one_sign:
                    value = np.abs(value) / np.sqrt(shape[1])
            if case.gradients and spec.activation == "relu":
                value = _of_one_sign(name, value)
            value = WEIGHTS[case.weights](value, case.dtype, random)
            values[name] = rounded(value, case.dtype)
        return Weights(**values)  # type: ignore[arg-type]  # None only where the spec has no bias

    return tuple(
        tuple(weights(layer) for _ in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def _of_one_sign(name: str, value: Array) -> Array:
    """Change weights so that no pre-activation of a relu comes near 0, where its gradient jumps.

    All weights of a unit have one sign, and so have all inputs of a step, which switch from step to
    step. Recurrent weights and biases are too small to turn the sign.
    """
    units = np.arange(len(value)) % 3 < 2
    sign = np.where(units, 1.0, -1.0).reshape(-1, *(1,) * (value.ndim - 1))
    if name != "W_ih":
        return (
            sign * (np.abs(value) + 0.1) / (8 * np.sqrt(value.shape[-1] if value.ndim == 2 else 1))
        )
    return sign * (np.abs(value) + 0.1) / np.sqrt(value.shape[1])


def _ends(case: Case, random: np.random.Generator) -> Array | None:
    """Return the length of each row: the case's own, or drawn from {0, 1, k, T} as ``case.lengths`` says."""
    steps = case.steps
    if case.ends is not None:
        return np.array(case.ends)
    if case.lengths == "full":
        return None
    between = random.integers(1, max(steps, 2), case.batch)  # 1 … T − 1
    first = {"ragged": [steps, 1], "zero": [0, steps], "short": [steps - 1]}[case.lengths]
    ends = np.concatenate([first, between])[: case.batch]
    return random.permutation(ends)


def _draw_network(case: NetworkCase, draws: Draws) -> NetworkInputs:
    """Draw parameters, input and targets of a whole network."""
    return NetworkInputs(
        network=case.network,
        dtype=case.dtype,
        precision=case.precision,
        params=_draw_network_params(case.network, draws, case.scale),
        data=_data(case, draws),
    )


def _draw_network_params(network: Network, draws: Draws, scale: float = 1.0) -> NetworkParams:
    """Draw weights of variance 1/N, biases of ½, and tables of variance 1.

    The output layer of a free-running decoder gets weights twelve times as large, so that one word is clearly
    the likeliest at every step.
    """
    found: list[Any] = []
    for layer, shapes in zip(network, zeros(network), strict=True):
        sure = isinstance(layer, Decoder) and layer.words == "free"

        def values(name: str, zero: Array, layer: Any = layer, sure: bool = sure) -> Array:
            size = 0.5 if zero.ndim == 1 else np.sqrt(3 / zero.shape[1])
            if name.endswith("table"):
                size = np.sqrt(3)
            elif sure and name == ".output.W":
                size *= 12
            elif isinstance(layer, Recurrent) and name == "[0][0].W_ih":
                size *= scale
            return draws.uniform(zero.shape, size)

        drawn = {name: values(name, zero) for name, zero in named(shapes, "").items()}
        parts = iter(drawn.values())
        found.append(each(lambda _, parts=parts: next(parts), shapes))
    return tuple(found)


def _data(case: NetworkCase, draws: Draws) -> Data:
    """Draw input and targets; words, classes and numbers past their row's length are 0.

    Only a third of the classes are targets, and target numbers are larger than a network's outputs. Otherwise
    the gradients of rows and steps would cancel, and the bounds would be as wide as the rest.
    """
    first, last = case.network[0], case.network[-1]
    ends = None if case.ends is None else np.array(case.ends)
    if case.x is not None:
        x = np.array(case.x)
    elif isinstance(first, OneHot | Embedding):
        x = draws.random.integers(0, first.vocabulary, (case.batch, case.steps))
    else:
        shape = (case.batch, case.steps) if isinstance(first, Vectors) else (case.batch,)
        x = draws.uniform((*shape, first.size), np.sqrt(3))  # type: ignore[union-attr]  # all other layers have sizes
    if ends is not None:
        x[np.arange(case.steps) >= ends[:, None]] = 0
    *counts, classes = target_shape(case.network, case.batch, case.steps)
    if isinstance(last, NegativeLogLikelihood):
        targets = draws.random.integers(0, max(2, classes // 3), counts)
    else:
        targets = rounded(draws.random.uniform(1, 2, (*counts, classes)), case.dtype)
    target_ends = None if case.target_ends is None else np.array(case.target_ends)
    if target_ends is not None:
        targets[np.arange(targets.shape[1]) >= target_ends[:, None]] = 0
    return Data(x, ends, targets, target_ends)


def _draw_training(case: TrainingCase, draws: Draws) -> TrainingInputs:
    """Draw the parameters of a training task, exact in the case's dtype, and take the task's batches.

    b_hh starts at 0, so that a framework with one bias for b_ih + b_hh starts without rounding.
    """
    network, batches = TASKS[case.task]()
    params = _draw_network_params(network, draws)
    biases = {id(a) for name, a in named(params, "").items() if name.endswith(".b_hh")}
    return TrainingInputs(
        network=network,
        dtype=case.dtype,
        precision=case.precision,
        params=each(lambda a: 0 * a if id(a) in biases else a, params),
        batches=batches,
        optimiser=case.optimiser,
        clip=case.clip,
    )


def digest(inputs: AnyInputs) -> str:
    """Return twelve hexadecimal digits that change with any bit of the arrays or any other field.

    The precision is left out: it changes how a network may be computed, not the network.

    Args:
        inputs: the inputs of a case.

    Returns:
        The digits.

    """
    h = hashlib.sha256()
    for name, value in vars(inputs).items():
        if name == "precision":
            continue
        for path, part in named(value, name).items():
            arrays = isinstance(part, np.ndarray)
            h.update(repr((path, part.shape, str(part.dtype)) if arrays else (path, part)).encode())
            h.update(part.tobytes() if arrays else b"")
    return h.hexdigest()[:12]

"""The arrays of a case: random, seeded by its id, and exact in its dtype.

Every gate has weights and biases of its own, b_ih ≠ b_hh, and given states are not zero; so a
swapped gate, a dropped bias or a lost state changes the result. Values are rounded to the case's
dtype first, so that differences measure arithmetic and not the rounding of inputs.
"""

from __future__ import annotations

import hashlib

import numpy as np

from backends import Inputs
from conformance.cases import Case
from reference import Array, Params, Weights, weight_shapes

PRECISION = {
    "float64": (53, -1074),
    "float32": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}
"""Significant bits, and the exponent of the smallest number above 0."""


def rounded(values: Array, dtype: str) -> Array:
    """``values`` rounded to ``dtype``, still float64; what is drawn here overflows none."""
    bits, least = PRECISION[dtype]
    _, exponent = np.frexp(values)
    unit = np.maximum(exponent - bits, least)  # exponent of the last place
    return np.ldexp(np.rint(np.ldexp(values, -unit)), unit)


def draw(case: Case) -> Inputs:
    """The weights, input, initial states and lengths of ``case``; the same at every call."""
    random = np.random.default_rng(list(hashlib.sha256(case.id.encode()).digest()))

    def uniform(shape: tuple[int, ...], size: float) -> Array:
        return rounded(random.uniform(-size, size, shape), case.dtype)

    spec = case.spec
    params = _params(case, random)
    if case.x is not None:
        x = np.array(case.x)
    elif case.one_sign:
        x = np.abs(uniform((case.batch, case.steps, spec.input_size), 1))
    else:
        x = uniform((case.batch, case.steps, spec.input_size), np.sqrt(3))  # variance 1
    rows = (spec.num_layers * spec.num_directions, case.batch, spec.hidden_size)
    h0 = uniform(rows, 1) if case.state else None
    c0 = uniform(rows, 1) if case.state and spec.cell == "lstm" else None

    ends = _ends(case, random)
    if case.padding is not None and ends is not None:
        x[np.arange(case.steps) >= ends[:, None]] = case.padding
    return Inputs(
        spec=spec,
        dtype=case.dtype,
        params=params,
        x=x if spec.batch_first else np.ascontiguousarray(np.swapaxes(x, 0, 1)),
        h0=h0,
        c0=c0,
        lengths=None if case.lengths == "full" else ends,
    )


def _params(case: Case, random: np.random.Generator) -> Params:
    """Weights that make pre-activations of size 1, and biases of ½.

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
            values[name] = rounded(value, case.dtype)
        return Weights(**values)  # type: ignore[arg-type]  # None only where the spec has no bias

    return tuple(
        tuple(weights(layer) for _ in range(spec.num_directions))
        for layer in range(spec.num_layers)
    )


def _ends(case: Case, random: np.random.Generator) -> Array | None:
    """Where each row's data ends: given, or drawn from {0, 1, k, T} as ``case.lengths`` says."""
    steps = case.steps
    if case.ends is not None:
        return np.array(case.ends)
    if case.lengths == "full":
        return None
    between = random.integers(1, max(steps, 2), case.batch)  # 1 … T − 1
    first = {"ragged": [steps, 1], "zero": [0, steps], "short": [steps - 1]}[case.lengths]
    ends = np.concatenate([first, between])[: case.batch]
    return random.permutation(ends)


def digest(inputs: Inputs) -> str:
    """Twelve hexadecimal digits that change with any bit of the arrays or any field of the spec."""
    h = hashlib.sha256(repr((inputs.spec, inputs.dtype)).encode())
    arrays = [inputs.x, inputs.h0, inputs.c0, inputs.lengths]
    arrays += [a for layer in inputs.params for w in layer for a in w]
    for a in arrays:
        h.update(b"-" if a is None else repr((a.shape, str(a.dtype))).encode() + a.tobytes())
    return h.hexdigest()[:12]

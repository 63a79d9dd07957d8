"""What the edits of mutants call: mistakes that take more than an expression."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference import Array, Output, Spec, Weights
from reference.cells import State


def exchanged(a: Array | None, count: int, first: int, second: int) -> Array | None:
    """Two of ``count`` gate blocks of a weight matrix or a bias, one in the place of the other."""
    if a is None:
        return None
    blocks = np.split(a, count)
    blocks[first], blocks[second] = blocks[second], blocks[first]
    return np.concatenate(blocks)


def transposed(W: Array) -> Array:
    """Every gate's own square block transposed."""
    return np.concatenate([block.T for block in np.split(W, len(W) // W.shape[1])])


def reshaped(W: Array) -> Array:
    """A matrix that was stored transposed, and read back by a reshape."""
    return np.ascontiguousarray(W.T).reshape(W.shape)


def restacked(w: Weights) -> Weights:
    """Kernels that were joined as [h; x], and are read as [x; h]."""
    joined = np.concatenate([w.W_hh, w.W_ih], axis=1)
    return w._replace(W_ih=joined[:, : w.W_ih.shape[1]], W_hh=joined[:, w.W_ih.shape[1] :])


def candidate_bias(w: Weights) -> Any:
    """b_hh of a GRU's candidate; 0 without biases."""
    return 0 if w.b_hh is None else np.split(w.b_hh, 3)[2]


# Activations.


def hard_sigmoid(a: Array) -> Array:
    """0.2 a + 0.5 between 0 and 1, as in Keras 2 and ONNX."""
    return np.clip(0.2 * a + 0.5, 0, 1)


def harder_sigmoid(a: Array) -> Array:
    """a / 6 + 0.5 between 0 and 1, as in Keras 3 and PyTorch."""
    return np.clip(a / 6 + 0.5, 0, 1)


def rational_tanh(a: Array) -> Array:
    """A quotient of polynomials, off by 2e-5 and less."""
    b = np.clip(a, -4.97, 4.97)
    s = b * b
    return b * (135135 + s * (17325 + s * (378 + s))) / (135135 + s * (62370 + s * (3150 + 28 * s)))


# Lengths. What a GPU leaves in memory is some number.


def by_length(output: Output, lengths: Array | None) -> Output:
    """States in the order of a batch that was sorted by length, and not brought back."""
    if lengths is None:
        return output
    order = np.argsort(-lengths, kind="stable")
    h_n, c_n = (None if s is None else s[:, order] for s in output[1:])
    return Output(output.y, h_n, c_n)  # type: ignore[arg-type]  # h_n is there


def uninitialised(ys: Array, lengths: Array | None) -> Array:
    """Steps past the longest row are what was in memory."""
    ys = ys.copy()
    if lengths is not None:
        ys[lengths.max() :] = 0.1
    return ys


def unmasked(ys: Array, lengths: Array | None) -> Array:
    """Something in the padding of what the next layer reads."""
    if lengths is None:
        return ys
    past = np.arange(len(ys))[:, None] >= lengths
    return np.where(past[..., None], 0.1, ys)


# States and layouts.


def direction_major(row: int, spec: Spec) -> int:
    """The row of direction · L + layer, where layer · D + direction is asked for."""
    layer, direction = divmod(row, spec.num_directions)
    return direction * spec.num_layers + layer


def in_direction_major(final: list[State], spec: Spec) -> list[State]:
    """Final states in that order."""
    rows = sorted(range(len(final)), key=lambda row: direction_major(row, spec))
    return [final[row] for row in rows]


def interleaved(parts: list[Array]) -> Array:
    """Both directions' units in turn, for one direction after the other."""
    return np.stack(parts, axis=-1).reshape(*parts[0].shape[:-1], -1)


# Precision.


def shortened(a: Array, bits: int) -> Array:
    """``a`` in its own dtype, rounded to so many significant bits."""
    mantissa, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def single(a: Array) -> Array:
    """Computed in float32, and returned in the dtype that was asked for."""
    return a.astype(np.float32).astype(a.dtype)


def in_sixteen_bits(v: Array, W: Array, bits: int) -> Array:
    """W v, each product added to a sum that is rounded to so many bits every time."""
    total = np.zeros((*v.shape[:-1], len(W)), v.dtype)
    for k in range(W.shape[1]):
        total = shortened(total + v[..., k, None] * W[:, k], bits)
    return total

"""Functions that the edits of mutants call: mistakes that take more than an expression."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference import Array, Output, Spec, Weights
from reference.cells import State


def exchanged(a: Array | None, count: int, first: int, second: int) -> Array | None:
    """Exchange two gate blocks of a weight matrix or a bias.

    Args:
        a: the array, with its gates along the first axis; None stays None.
        count: the number of gates.
        first: the number of one gate.
        second: the number of the other gate.

    Returns:
        A new array.

    """
    if a is None:
        return None
    blocks = np.split(a, count)
    blocks[first], blocks[second] = blocks[second], blocks[first]
    return np.concatenate(blocks)


def transposed(W: Array) -> Array:
    """Transpose the square block of every gate.

    Args:
        W: a recurrent matrix ``(G·H, H)``.

    Returns:
        The matrix.

    """
    return np.concatenate([block.T for block in np.split(W, len(W) // W.shape[1])])


def reshaped(W: Array) -> Array:
    """Read a matrix that was stored transposed back with a reshape.

    Args:
        W: the matrix.

    Returns:
        A matrix of the same shape.

    """
    return np.ascontiguousarray(W.T).reshape(W.shape)


def restacked(w: Weights) -> Weights:
    """Read kernels that were joined as [h; x] as [x; h].

    Args:
        w: the weights.

    Returns:
        The weights with wrong matrices.

    """
    joined = np.concatenate([w.W_hh, w.W_ih], axis=1)
    return w._replace(W_ih=joined[:, : w.W_ih.shape[1]], W_hh=joined[:, w.W_ih.shape[1] :])


def candidate_bias(w: Weights) -> Any:
    """Return b_hh of a GRU's candidate.

    Args:
        w: the weights.

    Returns:
        The bias ``(H,)``; 0 without biases.

    """
    return 0 if w.b_hh is None else np.split(w.b_hh, 3)[2]


# Activations.


def hard_sigmoid(a: Array) -> Array:
    """Compute 0.2 a + 0.5, clipped to 0 and 1, as in Keras 2 and ONNX.

    Args:
        a: pre-activations.

    Returns:
        Activations.

    """
    return np.clip(0.2 * a + 0.5, 0, 1)


def harder_sigmoid(a: Array) -> Array:
    """Compute a / 6 + 0.5, clipped to 0 and 1, as in Keras 3 and PyTorch.

    Args:
        a: pre-activations.

    Returns:
        Activations.

    """
    return np.clip(a / 6 + 0.5, 0, 1)


def rational_tanh(a: Array) -> Array:
    """Approximate tanh by a quotient of polynomials, with an error of at most 2e-5.

    Args:
        a: pre-activations.

    Returns:
        Activations.

    """
    b = np.clip(a, -4.97, 4.97)
    s = b * b
    return b * (135135 + s * (17325 + s * (378 + s))) / (135135 + s * (62370 + s * (3150 + 28 * s)))


# Lengths. What a GPU leaves in memory is some number.


def by_length(output: Output, lengths: Array | None) -> Output:
    """Return states in the order of a batch sorted by length, as if not restored.

    Args:
        output: the correct output.
        lengths: the lengths; None changes nothing.

    Returns:
        The output with its states' rows in the wrong order.

    """
    if lengths is None:
        return output
    order = np.argsort(-lengths, kind="stable")
    h_n, c_n = (None if s is None else s[:, order] for s in output[1:])
    return Output(output.y, h_n, c_n)  # type: ignore[arg-type]  # h_n is there


def uninitialised(ys: Array, lengths: Array | None) -> Array:
    """Fill steps past the longest row with 0.1, in place of whatever a GPU leaves in memory.

    Args:
        ys: outputs ``(T, B, H)``.
        lengths: the lengths; None changes nothing.

    Returns:
        The wrong outputs.

    """
    ys = ys.copy()
    if lengths is not None:
        ys[lengths.max() :] = 0.1
    return ys


def unmasked(ys: Array, lengths: Array | None) -> Array:
    """Fill the padding of the next layer's input with 0.1.

    Args:
        ys: outputs ``(T, B, H)``.
        lengths: the lengths; None changes nothing.

    Returns:
        The wrong outputs.

    """
    if lengths is None:
        return ys
    past = np.arange(len(ys))[:, None] >= lengths
    return np.where(past[..., None], 0.1, ys)


# States and layouts.


def direction_major(row: int, spec: Spec) -> int:
    """Return the row direction · L + layer for the row layer · D + direction.

    Args:
        row: the correct row.
        spec: the network.

    Returns:
        The wrong row.

    """
    layer, direction = divmod(row, spec.num_directions)
    return direction * spec.num_layers + layer


def in_direction_major(final: list[State], spec: Spec) -> list[State]:
    """Put final states in the order direction · L + layer.

    Args:
        final: the final states.
        spec: the network.

    Returns:
        The states in the wrong order.

    """
    rows = sorted(range(len(final)), key=lambda row: direction_major(row, spec))
    return [final[row] for row in rows]


def interleaved(parts: list[Array]) -> Array:
    """Interleave both directions' units, where they belong one after the other.

    Args:
        parts: each direction's outputs.

    Returns:
        The wrong outputs.

    """
    return np.stack(parts, axis=-1).reshape(*parts[0].shape[:-1], -1)


# Precision.


def shortened(a: Array, bits: int) -> Array:
    """Round an array to a number of significant bits.

    Args:
        a: the array.
        bits: the number of bits.

    Returns:
        An array of the same dtype.

    """
    mantissa, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def single(a: Array) -> Array:
    """Round an array to float32 and return it in its own dtype.

    Args:
        a: the array.

    Returns:
        The array.

    """
    return a.astype(np.float32).astype(a.dtype)


def in_sixteen_bits(v: Array, W: Array, bits: int) -> Array:
    """Compute W v and round the sum after each product.

    Args:
        v: vectors ``(…, N)``.
        W: a matrix ``(M, N)``.
        bits: the number of significant bits of the sum.

    Returns:
        The products ``(…, M)``.

    """
    total = np.zeros((*v.shape[:-1], len(W)), v.dtype)
    for k in range(W.shape[1]):
        total = shortened(total + v[..., k, None] * W[:, k], bits)
    return total

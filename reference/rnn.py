"""The network over time: lengths, directions, layers.

lengths   outputs past a row's length are 0; its final state is the one after its last valid
          step; a row of length 0 keeps its initial state
reverse   starts at the last valid step; outputs come back in input order
layers    layer l + 1 reads layer l's outputs, the two directions side by side
states    h_n[layer · D + direction], and c_n likewise
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reference.cells import STEP, State, affine
from reference.parameters import Params, Weights
from reference.spec import Array, Spec
from reference.sums import rows, unrows

REVERSED: dict[str, tuple[bool, ...]] = {
    "forward": (False,),
    "reverse": (True,),
    "bidirectional": (False, True),
}
"""True for each direction of a spec, in order, that runs from the last step to the first."""

ROWS = 256
"""Rows of x in one matmul with W_ih: more are no faster, and their results leave the cache."""


class Output(NamedTuple):
    """The output of a network: ``y (..., B, T, D·H)``, ``h_n, c_n (..., L·D, B, H)``.

    ``y`` is ``(..., T, B, D·H)`` where the spec is time-major; ``c_n`` is None for cells without c.
    """

    y: Array
    h_n: Array
    c_n: Array | None


def run(
    spec: Spec,
    params: Params,
    x: Array,
    *,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> Output:
    """Run a network on arguments that were checked.

    Args:
        spec: The network.
        params: ``params[layer][direction]``.
        x: Input (..., B, T, I), or (..., T, B, I) where ``spec.batch_first`` is false. Values past a
            row's length are never read.
        h0: Initial h (..., L·D, B, H); zero if None.
        c0: Initial c (..., L·D, B, H); zero if None.
        lengths: Valid steps of every row (B,), integers in 0 … T; all T if None.

    Returns:
        Outputs and final states.
    """
    xs, valid = time_major(spec, x, lengths)
    starts = initial_states(spec, x, h0, c0)
    final: list[State] = []
    for layer in params:
        outputs = []
        for w, reverse in zip(layer, REVERSED[spec.direction], strict=True):
            ys: dict[int, Array] = {}
            end = starts(len(final))
            for step in steps(spec, w, xs, end, valid, reverse=reverse):
                ys[step.t], end = step.y, step.end  # what only gradients need is let go
            outputs.append(in_order(ys))
            final.append(end)
        xs = side_by_side(outputs)
    return collect(spec, xs, final)


def time_major(spec: Spec, x: Array, lengths: Array | None) -> tuple[Array, Array | None]:
    """Return the input with time first, and the mask of its valid steps.

    Args:
        spec: The network.
        x: Input, laid out as the spec says.
        lengths: Valid steps of every row (B,), or None for all.

    Returns:
        The input (..., T, B, I) with 0 in the padding; and the mask (T, B, 1), or None for all.
    """
    xs = np.swapaxes(x, -2, -3) if spec.batch_first else x
    if lengths is None:
        return xs, None
    valid = (np.arange(xs.shape[-3])[:, None] < lengths)[..., None]
    return np.where(valid, xs, 0), valid


def initial_states(
    spec: Spec, x: Array, h0: Array | None, c0: Array | None
) -> Callable[[int], State]:
    """Return a function that gives the initial state of each layer and direction.

    Args:
        spec: The network.
        x: Input, whose leading axes the states get.
        h0: Initial h (..., L·D, B, H); zero if None.
        c0: Initial c (..., L·D, B, H); zero if None.

    Returns:
        A function from a row of ``h_n`` to its state, h first, each part (..., B, H).
    """
    given = {"h": h0, "c": c0}
    batch = x.shape[-3 if spec.batch_first else -2]
    leading = x.shape[:-3]
    zeros = {
        part: np.zeros_like(x, shape=(*leading, batch, spec.state_size(part)))
        for part in spec.states
    }

    def start(row: int) -> State:
        return tuple(
            zero if (s := given[part]) is None else np.where(np.True_, s[..., row, :, :], zero)
            for part, zero in zeros.items()
        )  # as many leading axes as x has

    return start


def in_order(by_step: Mapping[int, Array]) -> Array:
    """Stack the steps' arrays in the order of time.

    Args:
        by_step: An array (..., B, N) for every step t, in any order.

    Returns:
        An array (..., T, B, N).
    """
    return np.stack([by_step[t] for t in range(len(by_step))], axis=-3)


def side_by_side(outputs: Sequence[Array]) -> Array:
    """Join the outputs of all directions of a layer.

    Args:
        outputs: The outputs of every direction, (..., T, B, H).

    Returns:
        The layer's outputs (..., T, B, D·H).
    """
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)


def collect(spec: Spec, ys: Array, final: Sequence[State]) -> Output:
    """Return a network's output, laid out as its spec says.

    Args:
        spec: The network.
        ys: Outputs of the last layer (..., T, B, D·H).
        final: The final state of every layer and direction.

    Returns:
        Outputs and final states.
    """
    h_n, *rest = (np.stack(part, axis=-3) for part in zip(*final, strict=True))
    y = np.swapaxes(ys, -2, -3) if spec.batch_first else ys
    return Output(y, h_n, rest[0] if rest else None)


class Step(NamedTuple):
    """One time step as it ran."""

    t: int
    y: Array
    start: State
    """The state before it."""
    saved: State
    """The values that its gradient needs (``cells.py``)."""
    end: State


def steps(
    spec: Spec, w: Weights, xs: Array, state: State, valid: Array | None, *, reverse: bool
) -> Iterator[Step]:
    """Run one layer in one direction, step by step.

    Args:
        spec: The network.
        w: The weights.
        xs: The sequence that the layer reads (..., T, B, I).
        state: Its initial state, h first.
        valid: The mask of valid steps (T, B, 1), or None for all.
        reverse: Run from the last step to the first.

    Yields:
        Every step in the order in which they run.
    """
    order = range(xs.shape[-3])
    for t, from_x in read(w, xs, order[::-1] if reverse else order):
        new, saved = STEP[spec.cell](spec, w, from_x, state)
        y, start = new[0], state
        if valid is None:
            state = new
        else:
            y = np.where(valid[t], y, 0)
            state = tuple(np.where(valid[t], n, s) for n, s in zip(new, state, strict=True))
        yield Step(t, y, start, saved, state)


def read(w: Weights, xs: Array, order: Sequence[int]) -> Iterator[tuple[int, Array]]:
    """Multiply the input by W_ih; several steps share one matmul.

    Args:
        w: The weights.
        xs: The sequence (..., T, B, I).
        order: The steps in the order in which they run.

    Yields:
        Every step t with its W_ih x_t + b_ih, (..., B, G·H).
    """
    at_once = max(1, ROWS // xs.shape[-2])
    for first in range(0, len(order), at_once):
        some = order[first : first + at_once]
        x = xs[..., list(some), :, :]
        from_x = unrows(affine(rows(x), w.W_ih, w.b_ih), x)
        yield from ((t, from_x[..., k, :, :]) for k, t in enumerate(some))

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
"""For each direction of a spec, in order: does it run from the last step to the first?"""

ROWS = 256
"""Of x in one product with W_ih: more are no faster, and their results leave the cache."""


class Output(NamedTuple):
    """What a network returns: ``y (..., B, T, D·H)``, ``h_n, c_n (..., L·D, B, H)``.

    ``y`` is ``(..., T, B, D·H)`` where the spec is time-major; ``c_n`` is None but for an LSTM.
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
    """What ``reference.run`` returns, of arguments that were checked."""
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
    """``x`` as ``(..., T, B, I)`` with 0 in the padding, and where it is valid ``(T, B, 1)``."""
    xs = np.swapaxes(x, -2, -3) if spec.batch_first else x
    if lengths is None:
        return xs, None
    valid = (np.arange(xs.shape[-3])[:, None] < lengths)[..., None]
    return np.where(valid, xs, 0), valid


def initial_states(
    spec: Spec, x: Array, h0: Array | None, c0: Array | None
) -> Callable[[int], State]:
    """The state ``(..., B, H)`` from which each row of ``h_n`` starts; 0 where none is given."""
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
    """The steps' arrays ``(..., B, N)``, in whatever order they were made, as ``(..., T, B, N)``."""
    return np.stack([by_step[t] for t in range(len(by_step))], axis=-3)


def side_by_side(outputs: Sequence[Array]) -> Array:
    """The outputs of all directions as those of one layer, ``(..., T, B, D·H)``."""
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)


def collect(spec: Spec, ys: Array, final: Sequence[State]) -> Output:
    """What a network returns, from the last layer's outputs and every row's final state."""
    h_n, *rest = (np.stack(part, axis=-3) for part in zip(*final, strict=True))
    y = np.swapaxes(ys, -2, -3) if spec.batch_first else ys
    return Output(y, h_n, rest[0] if rest else None)


class Step(NamedTuple):
    """What one time step did, in the order in which the steps ran."""

    t: int
    y: Array
    start: State
    """The state that it started from."""
    saved: State
    """What its gradient needs (``cells.py``)."""
    end: State


def steps(
    spec: Spec, w: Weights, xs: Array, state: State, valid: Array | None, *, reverse: bool
) -> Iterator[Step]:
    """One layer in one direction over ``xs (..., T, B, I)``, step by step."""
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
    """Every step t of ``order`` with its W_ih x_t + b_ih, which several steps share a product for."""
    at_once = max(1, ROWS // xs.shape[-2])
    for first in range(0, len(order), at_once):
        some = order[first : first + at_once]
        x = xs[..., list(some), :, :]
        from_x = unrows(affine(rows(x), w.W_ih, w.b_ih), x)
        yield from ((t, from_x[..., k, :, :]) for k, t in enumerate(some))

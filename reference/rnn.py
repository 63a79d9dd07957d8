"""The network over time: lengths, directions, layers.

lengths   outputs past a row's length are 0; its final state is the one after its last valid
          step; a row of length 0 keeps its initial state
reverse   starts at the last valid step; outputs come back in input order
layers    layer l + 1 reads layer l's outputs, the two directions side by side
states    h_n[layer · D + direction], and c_n likewise
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.arguments import check_arguments
from reference.cells import STEP, State
from reference.spec import STATES, Array, Params, Spec, Weights

REVERSED: dict[str, tuple[bool, ...]] = {
    "forward": (False,),
    "reverse": (True,),
    "bidirectional": (False, True),
}
"""For each direction of a spec, in order: does it run from the last step to the first?"""


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
    """Run the network ``spec`` over ``x``, in the floating-point type of its arguments.

    ``x (..., B, T, I)``, or ``(..., T, B, I)`` where ``spec.batch_first`` is false;
    ``params[layer][direction]``; ``h0, c0 (..., L·D, B, H)``, zero where not given;
    ``lengths (B,)`` integers in 0 … T, all T where not given. What ``x`` holds past a row's
    length is never read. ``x`` may carry leading axes, and so may
    the other arguments but ``lengths``, to the same or fewer values. Raises
    ``ValueError`` naming the argument, what was given and what was expected.
    """
    check_arguments(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    xs = np.swapaxes(x, -2, -3) if spec.batch_first else x  # (..., T, B, I)
    steps, batch = xs.shape[-3:-1]
    valid = None
    if lengths is not None:
        valid = (np.arange(steps)[:, None] < lengths)[..., None]  # (T, B, 1)
        xs = np.where(valid, xs, 0)

    given = {"h": h0, "c": c0}
    zero = np.zeros((batch, spec.hidden_size), x.dtype)
    final: list[State] = []
    for weights_by_direction in params:
        outputs = []
        for w, reverse in zip(weights_by_direction, REVERSED[spec.direction], strict=True):
            row = len(final)
            start = tuple(
                zero if (s := given[name]) is None else s[..., row, :, :]
                for name in STATES[spec.cell]
            )
            ys, state = scan(spec, w, xs, start, valid, reverse=reverse)
            outputs.append(ys)
            final.append(state)
        xs = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)

    y = np.swapaxes(xs, -2, -3) if spec.batch_first else xs
    h_n, *rest = (np.stack(part, axis=-3) for part in zip(*final, strict=True))
    return Output(y, h_n, rest[0] if rest else None)


def scan(
    spec: Spec, w: Weights, xs: Array, state: State, valid: Array | None, *, reverse: bool
) -> tuple[Array, State]:
    """One layer in one direction over ``xs (..., T, B, I)``: its outputs and its final state."""
    step = STEP[spec.cell]
    order = range(xs.shape[-3])
    ys = {}
    for t in reversed(order) if reverse else order:
        new = step(spec, w, xs[..., t, :, :], state)
        if valid is None:
            ys[t], state = new[0], new
        else:
            ys[t] = np.where(valid[t], new[0], 0)
            state = tuple(np.where(valid[t], n, s) for n, s in zip(new, state, strict=True))
    return np.stack([ys[t] for t in order], axis=-3), state

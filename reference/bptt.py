"""Back-propagation through time (Werbos, 1990; Rumelhart, Hinton and Williams, 1986), by hand.

The forward pass keeps what every step saved; the backward pass walks the steps the other way. With
da_t the gradient by what step t adds up (``cells.py``), the shared parameters follow at the end, from
all steps at once:

    dW_ih = Σ_t da_t x_tᵀ       db_ih = Σ_t da_t        dx_t = W_ihᵀ da_t
    dW_hh = Σ_t da_t h_{t−1}ᵀ   db_hh = Σ_t da_t        (their recurrent side; for the candidate of a
                                                         reset-before GRU, r_t ⊙ h_{t−1} for h_{t−1})

A step past a row's length hands the state's gradient on as it is, and adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from reference.cells import GRADIENT, State
from reference.parameters import Params, Weights
from reference.rnn import (
    REVERSED,
    Output,
    Step,
    collect,
    in_order,
    initial_states,
    side_by_side,
    steps,
    time_major,
)
from reference.spec import Array, Spec
from reference.sums import outer, rows, total


class Gradients(NamedTuple):
    """The loss's gradient by every argument of ``run``, in its shape, with the leading axes of x.

    So weights shared by several ``x`` get a gradient for each. ``h0`` and ``c0`` are None where the
    argument was not given.
    """

    params: Params
    x: Array
    h0: Array | None
    c0: Array | None


Pullback = Callable[[Output], Gradients]
"""A function from the loss's gradients by every output to those by every argument."""


def vjp(
    spec: Spec,
    params: Params,
    x: Array,
    *,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Output, Pullback]:
    """Run a network on arguments that were checked, and return its vector–Jacobian product.

    Args:
        spec: The network.
        params: ``params[layer][direction]``.
        x: Input (..., B, T, I), or (..., T, B, I) where ``spec.batch_first`` is false. Values past a
            row's length are never read.
        h0: Initial h (..., L·D, B, H); zero if None.
        c0: Initial c (..., L·D, B, H); zero if None.
        lengths: Valid steps of every row (B,), integers in 0 … T; all T if None.

    Returns:
        The output, and the function from its gradients to those of the arguments.
    """
    xs, valid = time_major(spec, x, lengths)
    starts = initial_states(spec, x, h0, c0)
    final: list[State] = []
    inputs, kept = [], []
    for layer in params:
        inputs.append(xs)
        outputs = []
        for w, reverse in zip(layer, REVERSED[spec.direction], strict=True):
            ran = list(steps(spec, w, xs, starts(len(final)), valid, reverse=reverse))
            outputs.append(in_order({step.t: step.y for step in ran}))
            final.append(ran[-1].end)
            kept.append(ran)
        xs = side_by_side(outputs)
    output = collect(spec, xs, final)

    def pullback(d: Output) -> Gradients:
        dy, dh_n, dc_n = d
        dys = np.swapaxes(dy, -2, -3) if spec.batch_first else dy
        by_state = {"h": dh_n, "c": dc_n}
        d_start: dict[int, State] = {}
        d_params = []
        width = spec.state_size("h")
        for number in reversed(range(spec.num_layers)):
            directions, dxs = [], []
            for direction, w in enumerate(params[number]):
                row = number * spec.num_directions + direction
                d_end = tuple(by_state[name][..., row, :, :] for name in spec.states)  # type: ignore[index]  # c_n is there where the cell has c
                mine = slice(direction * width, (direction + 1) * width)
                d_in, d_rec, d_start[row] = backwards(
                    spec, w, kept[row], dys[..., mine], d_end, valid
                )
                directions.append(weight_gradients(spec, w, kept[row], inputs[number], d_in, d_rec))
                dxs.append(times(d_in, w.W_ih))
            d_params.append(tuple(directions))
            dys = dxs[0] if len(dxs) == 1 else dxs[0] + dxs[1]
        dh0, *rest = (
            np.stack(part, axis=-3)
            for part in zip(*(d_start[r] for r in sorted(d_start)), strict=True)
        )
        dc0 = rest[0] if rest else None
        return Gradients(
            tuple(reversed(d_params)),
            np.swapaxes(dys, -2, -3) if spec.batch_first else dys,
            None if h0 is None else dh0,
            None if c0 is None else dc0,
        )

    return output, pullback


def incoming(
    output: Output, y: Array | None = None, h_n: Array | None = None, c_n: Array | None = None
) -> Output:
    """Return incoming gradients of an output: those given, and 0 elsewhere.

    Args:
        output: The output.
        y: Gradient by y, or None for 0.
        h_n: Gradient by h_n, or None for 0.
        c_n: Gradient by c_n, or None for 0.

    Returns:
        A gradient for every part of the output.
    """

    def given(d: Array | None, part: Array) -> Array:
        return np.zeros_like(part, shape=part.shape) if d is None else d

    return Output(
        given(y, output.y),
        given(h_n, output.h_n),
        None if output.c_n is None else given(c_n, output.c_n),
    )


def backwards(
    spec: Spec, w: Weights, ran: Sequence[Step], dys: Array, d_state: State, valid: Array | None
) -> tuple[Array, Array, State]:
    """Walk the steps of one layer in one direction back, from the last that ran to the first.

    Args:
        spec: The network.
        w: The weights.
        ran: The steps as they ran.
        dys: Gradients by the outputs (..., T, B, H).
        d_state: Gradients by the final state, h first.
        valid: The mask of valid steps (T, B, 1), or None for all.

    Returns:
        da on the input's side and on the recurrent side, both (..., T, B, G·H); and the gradients by
        the initial state.
    """
    gradient = GRADIENT[spec.cell]
    d_in, d_rec = {}, {}
    for t, _, start, saved, _ in reversed(ran):
        dh, *dc = d_state
        d_end = (dh + dys[..., t, :, :], *dc)
        if valid is not None:
            d_end = tuple(np.where(valid[t], d, 0) for d in d_end)
        d_in[t], d_rec[t], d_old = gradient(spec, w, start, saved, d_end)
        if valid is not None:
            d_old = tuple(np.where(valid[t], d, s) for d, s in zip(d_old, d_state, strict=True))
        d_state = d_old
    return in_order(d_in), in_order(d_rec), d_state


def weight_gradients(
    spec: Spec, w: Weights, ran: Sequence[Step], xs: Array, d_in: Array, d_rec: Array
) -> Weights:
    """Sum the gradients of one layer's weights in one direction.

    The sum runs from the last step that ran to the first.

    Args:
        spec: The network.
        w: The weights.
        ran: The steps as they ran.
        xs: The sequence that the layer read (..., T, B, I).
        d_in: da on the input's side (..., T, B, G·H).
        d_rec: da on the recurrent side (..., T, B, G·H).

    Returns:
        A gradient for every parameter.
    """
    hs = in_order({step.t: step.start[0] for step in ran})
    last_first = slice(None, None, -1 if ran[0].t < ran[-1].t else 1)
    d_in, d_rec, xs, hs = (a[..., last_first, :, :] for a in (d_in, d_rec, xs, hs))
    if spec.cell == "gru" and spec.reset == "before":
        cut = 2 * spec.hidden_size
        vs = in_order({step.t: step.saved[3] for step in ran})[..., last_first, :, :]
        dW_hh = np.concatenate([outer(d_rec[..., :cut], hs), outer(d_rec[..., cut:], vs)], axis=-2)
    else:
        dW_hh = outer(d_rec, hs)
    return Weights(
        W_ih=outer(d_in, xs),
        W_hh=dW_hh,
        b_ih=None if w.b_ih is None else total(d_in),
        b_hh=None if w.b_hh is None else total(d_rec),
    )


def times(d: Array, W: Array) -> Array:
    """Multiply by Wᵀ for every step and row, in one matmul.

    Args:
        d: Gradients (..., T, B, M).
        W: A matrix (..., M, N).

    Returns:
        Wᵀ d, (..., T, B, N).
    """
    return (rows(d) @ W).reshape(*d.shape[:-1], W.shape[-1])

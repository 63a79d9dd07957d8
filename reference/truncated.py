"""Truncated back-propagation through time, BPTT(k₂; k₁) (Williams and Peng, 1990).

Every k₁ steps, the losses of the k₁ newest steps are propagated back through the k₂ newest ones; the
state before those is taken as a constant. k₁ = k₂ is training on chunks that carry their state on,
where k₁ divides T; otherwise the last window has fewer new steps, and reaches back into the chunk
before. k₂ ≥ T is the whole of back-propagation through time, whatever k₁ is.
"""

from __future__ import annotations

import numpy as np

from reference.arguments import check_arguments, check_incoming
from reference.bptt import Gradients, incoming, vjp
from reference.parameters import Params
from reference.rnn import Output, run
from reference.spec import Array, Spec
from reference.trees import each


def truncated_gradients(
    spec: Spec,
    params: Params,
    x: Array,
    dy: Array,
    *,
    k1: int,
    k2: int,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Output, Gradients]:
    """Return the output and the truncated gradients of Σ dy · y.

    No argument has leading axes.

    Args:
        spec: The network, which reads its input forward.
        params: ``params[layer][direction]``.
        x: Input (B, T, I), or (T, B, I) where ``spec.batch_first`` is false.
        dy: The loss's gradient by y, in its shape.
        k1: k₁, the number of steps between two propagations back.
        k2: k₂, the number of steps that each goes back, at least k₁.
        h0: Initial h (L·D, B, H); zero if None.
        c0: Initial c (L·D, B, H); zero if None.
        lengths: Valid steps of every row (B,); all T if None.

    Returns:
        The output as from ``run``, and the gradients by every argument.

    Raises:
        ValueError: An argument does not fit, as in ``vjp``; k₁ < 1; k₂ < k₁; or the network reads its
            input from the end, which no chunk can do.
    """
    check_arguments(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    if x.ndim != 3:
        raise ValueError(f"x: shape {x.shape} given, expected no leading axes")
    if dy is None:
        raise ValueError("dy: None given, expected the gradient of the loss by y")
    for name, k, least in (("k1", k1, 1), ("k2", k2, k1)):
        if type(k) is not int or k < least:
            raise ValueError(f"{name}: {k!r} given, expected a Python int of at least {least}")
    if spec.direction != "forward":
        raise ValueError(f"spec.direction: {spec.direction!r} given, expected 'forward'")
    output = run(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    check_incoming(output, incoming(output, y=dy))

    axis = 1 if spec.batch_first else 0
    steps = x.shape[axis]
    ends = [*range(k1, steps, k1), steps]
    starts = [max(0, end - k2) for end in ends]
    states = states_at(spec, params, x, sorted(set(starts)), h0, c0, lengths)
    total = each(np.zeros_like, Gradients(params, x, h0, c0))
    for start, new, end in zip(starts, [0, *ends], ends, strict=False):
        h, c = states[start]
        x_window, d = (np.take(a, range(start, end), axis) for a in (x, dy))
        d[(slice(None),) * axis + (slice(new - start),)] = 0  # earlier chunks had these losses
        ended, pullback = vjp(
            spec, params, x_window, h0=h, c0=c, lengths=within(lengths, start, end)
        )
        found = pullback(incoming(ended, y=d))
        share = each(np.zeros_like, total)
        share.x[(slice(None),) * axis + (slice(start, end),)] = found.x
        first = start == 0  # only there the state is the one that was given
        total = each(np.add, total, Gradients(found.params, share.x, found.h0 if first else share.h0, found.c0 if first else share.c0))  # fmt: skip
    return output, total


def states_at(
    spec: Spec,
    params: Params,
    x: Array,
    times: list[int],
    h: Array | None,
    c: Array | None,
    lengths: Array | None,
) -> dict[int, tuple[Array | None, Array | None]]:
    """Return the states before some steps.

    Args:
        spec: The network.
        params: ``params[layer][direction]``.
        x: Input, laid out as the spec says.
        times: Steps in ascending order, from 0.
        h: Initial h (L·D, B, H), or None.
        c: Initial c (L·D, B, H), or None.
        lengths: Valid steps of every row (B,), or None.

    Returns:
        h and c by step; None where the cell has none or it is the missing initial one.
    """
    axis = 1 if spec.batch_first else 0
    found, last = {0: (h, c)}, 0
    for t in times:
        if t > last:
            window = np.take(x, range(last, t), axis)
            _, h, c = run(spec, params, window, h0=h, c0=c, lengths=within(lengths, last, t))
            found[t], last = (h, c), t
    return found


def within(lengths: Array | None, start: int, end: int) -> Array | None:
    """Return the number of valid steps of every row in a window.

    Args:
        lengths: Valid steps of every row (B,), or None.
        start: The first step of the window.
        end: The step after its last.

    Returns:
        Counts (B,), or None where ``lengths`` is None.
    """
    return None if lengths is None else np.clip(lengths.astype(np.int64) - start, 0, end - start)

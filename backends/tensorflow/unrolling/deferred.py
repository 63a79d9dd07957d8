"""A loop that defers the weights' gradients: one matmul over all steps, after the loop.

The gradient of a ``tf.while_loop`` adds ``h_{t-1}ᵀ da_t`` to dU at every step, which reads and writes all
of dU each time. To a sequence's gradient it adds a whole sequence that is 0 except at t. Here a second loop
goes back over the steps, and differentiates each by its pre-activations a and its state alone. The first loop
saved both sides of a, x W + b and h U, so no matmul runs twice. Then, over steps and rows,

    dW = Σ xᵀ da    dU = Σ h_{t-1}ᵀ da    db = Σ da    dx = da Wᵀ

x W of all steps may be one matmul as well, before the loop: ``hoists`` says where that is faster. Where
no gradient is wanted, XLA removes the parts that only gradients need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from backends.layouts import Block
from backends.tensorflow.cells import STEP, Written, affine, by_recurrent
from reference import Spec
from reference.trees import each

SMALL_BATCH = 8
LARGE_KERNEL = 2**19
"""Elements of W: 2 MiB in float32, about the size of a core's cache."""


def hoists(batch: int, input_size: int, width: int) -> bool:
    """Tell whether x W of all steps is one matmul before the loop.

    For few rows, or where W is larger than the cache, reading W limits the speed of a step's matmul, and one matmul
    for all steps reads W once. Else the loop is faster: it uses x W at once, where a sequence has to be written and
    read.

    Args:
        batch: The number of rows.
        input_size: The number of W's rows.
        width: The number of W's columns.

    Returns:
        True for one matmul before the loop.
    """
    return batch < SMALL_BATCH or input_size * width >= LARGE_KERNEL


def over_time(
    cell: Written, xs: Any, valid: Any, state: Any, *, reverse: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Run one layer in one direction.

    Args:
        cell: The cell.
        xs: The input (T, B, N), 0 where not valid.
        valid: True where a row has not ended (T, B, 1), or None.
        state: The initial state: h (B, H) and, for an LSTM, c.
        reverse: True to run from the last step to the first.

    Returns:
        The outputs (T, B, H), 0 past a row's length, and the final state.
    """
    count = len(cell.variables)

    @tf.custom_gradient
    def run(xs: Any, *given: Any) -> Any:
        w, start = _block(cell, given[:count]), given[count:]
        sides, states, final = _forward(cell.spec, w, xs, valid, start, reverse)

        def back(d_hs: Any, *d_final: Any) -> list[Any]:
            before = [_before(s, first, reverse) for s, first in zip(states, start, strict=True)]
            at = (d_hs, valid, *sides, *before)
            das, d_start = _backward(cell.spec, w, at, d_final, not reverse)
            d_w, d_xs = _after(cell.spec, w, xs, sides, before[0], das)
            return [d_xs, *(d for d, v in zip(d_w, w, strict=True) if v is not None), *d_start]

        return (states[0], *final), back

    hs, *final = run(xs, *cell.variables, *state)
    ys = hs if valid is None else tf.where(valid, hs, tf.zeros_like(hs))
    return ys, tuple(final)


def _block(cell: Written, given: Sequence[Any]) -> Block:
    """Return the cell's weights with given values."""
    rest = iter(given)
    return each(lambda _: next(rest), cell.weights)


def _forward(
    spec: Spec, w: Block, xs: Any, valid: Any, start: Any, reverse: bool
) -> tuple[tuple[Any, Any], list[Any], Any]:
    """Return both sides of a and the new state for every step, and the final state."""
    hoisted = hoists(xs.shape[1], *w.kernel.shape)

    def step(state: Any, ok: Any, x: Any) -> Any:
        h_side = []

        def by_h(v: Any, columns: slice = slice(None)) -> Any:
            h_side.append(by_recurrent(w, v, columns))
            return h_side[-1]

        x_side = x if hoisted else affine(x, w.kernel, w.bias)
        new = _kept(ok, STEP[spec.cell](spec, x_side, by_h, *state), state)
        return new, [tf.concat(h_side, axis=-1), *new, *([] if hoisted else [x_side])]

    at = affine(xs, w.kernel, w.bias) if hoisted else xs
    width = spec.num_gates * spec.hidden_size
    widths = [width, *map(spec.state_size, spec.states), *([] if hoisted else [width])]
    final, (h_side, *states) = _scan(step, start, (valid, at), widths, reverse)
    return (at if hoisted else states.pop(), h_side), states, final


def _backward(
    spec: Spec, w: Block, at: Sequence[Any], d_final: Any, reverse: bool
) -> tuple[list[Any], Any]:
    """Return the gradients by both sides of every step's a, and by the initial state."""
    apart = spec.cell == "gru" and spec.reset == "after"  # else both sides have the same gradient
    U_T = tf.transpose(w.recurrent)  # once: XLA's CPU matmuls with a transposed matrix are slower

    def step(d: Any, d_h: Any, ok: Any, x_side: Any, h_side: Any, *state: Any) -> Any:
        def by_h(v: Any, columns: slice = slice(None)) -> Any:
            return _recalled(h_side[:, columns], v, U_T[columns])

        new = _kept(ok, STEP[spec.cell](spec, x_side, by_h, *state), state)
        d_new = [d[0] + d_h, *d[1:]]
        da, da_h, *d_state = tf.gradients(new, [x_side, h_side, *state], d_new)
        return tuple(d_state), [da, da_h] if apart else [da]

    width = spec.num_gates * spec.hidden_size
    d_start, das = _scan(step, d_final, at, [width] * (1 + apart), reverse)
    return [das[0], das[-1]], d_start


def _recalled(value: Any, v: Any, U_T: Any) -> Any:
    """Return a known value of v U + b; its gradients are by the value and by v."""

    @tf.custom_gradient
    def recall(value: Any, v: Any) -> Any:
        return tf.identity(value), lambda d: (d, tf.matmul(d, U_T))

    return recall(value, v)


def _after(
    spec: Spec, w: Block, xs: Any, sides: tuple[Any, Any], h: Any, das: Sequence[Any]
) -> tuple[Block, Any]:
    """Return the gradients by the weights and by xs, from the gradients by both sides of a."""
    da, da_h = das
    d_w = Block(
        kernel=_product(xs, da),
        recurrent=_by_recurrent(spec, sides, h, da_h),
        bias=tf.reduce_sum(da, (0, 1)),
        recurrent_bias=tf.reduce_sum(da_h, (0, 1)),
    )
    return d_w, tf.tensordot(da, w.kernel, ((2,), (1,)))


def _by_recurrent(spec: Spec, sides: tuple[Any, Any], h: Any, da: Any) -> Any:
    """Return dU; a reset-before GRU multiplies r h, not h, in its candidate."""
    if spec.cell != "gru" or spec.reset == "after":
        return _product(h, da)
    size = spec.hidden_size
    r = tf.sigmoid(sides[0][..., :size] + sides[1][..., :size])
    rest = da[..., : 2 * size], da[..., 2 * size :]
    return tf.concat([_product(h, rest[0]), _product(r * h, rest[1])], axis=-1)


def _product(v: Any, da: Any) -> Any:
    """Return Σ vᵀ da over steps and rows."""
    return tf.tensordot(v, da, ((0, 1), (0, 1)))


def _before(states: Any, start: Any, reverse: bool) -> Any:
    """Return the state before every step."""
    if reverse:
        return tf.concat([states[1:], start[None]], axis=0)
    return tf.concat([start[None], states[:-1]], axis=0)


def _kept(ok: Any, new: Sequence[Any], state: Sequence[Any]) -> tuple[Any, ...]:
    """Return the new state; rows that have ended keep their old state."""
    if ok is None:
        return tuple(new)
    return tuple(tf.where(ok, n, s) for n, s in zip(new, state, strict=True))


def _scan(
    step: Callable[..., Any], state: Any, at: Sequence[Any], widths: Sequence[int], reverse: bool
) -> tuple[Any, list[Any]]:
    """Return the final state, and each output ``(T, B, width)`` of ``step(state, *slices)``."""
    steps = next(a.shape[0] for a in at if a is not None)
    batch, dtype = state[0].shape[0], state[0].dtype
    read = [a if a is None else tf.TensorArray(a.dtype, steps).unstack(a) for a in at]
    made = tuple(tf.TensorArray(dtype, steps, element_shape=(batch, n)) for n in widths)

    def body(k: Any, state: Any, made: Any) -> Any:
        t = steps - 1 - k if reverse else k
        state, new = step(state, *(a if a is None else a.read(t) for a in read))
        return k + 1, state, tuple(m.write(t, n) for m, n in zip(made, new, strict=True))

    _, state, made = tf.while_loop(
        lambda k, *_: k < steps, body, (0, tuple(state), made), maximum_iterations=steps
    )
    return state, [m.stack() for m in made]

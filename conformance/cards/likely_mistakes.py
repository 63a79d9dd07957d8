"""Name the mistake that a wrong result looks like.

Each mistake is made on the inputs or the outputs of the specification, which runs as usual. A mistake is
named only if it reproduces the wrong result: at most ``LEFT`` of the error is left.
``tests/evidence/test_likely_mistakes.py`` measures how often a named mistake is the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from backends import Inputs
from backends.dialects import SPECIFICATION, as_declared
from conformance.cards.error_place import DIRECTIONS
from conformance.evaluate import Tensors
from reference import GATES, Array, Weights
from reference.rnn import run, time_major

LEFT = 0.05
"""The largest share of the error that a named mistake leaves unexplained."""
MOST = 2
"""The most mistakes that are named; if more of them fit, the case cannot tell them apart."""
SATURATED = 64.0
"""A bias with which σ is 0 or 1."""


class Likeness(NamedTuple):
    """A mistake in words, and the share of the error that it leaves unexplained."""

    mistake: str
    left: float


def find_likely(
    made: Mapping[str, Sequence[Tensors]], truth: Tensors, got: Mapping[str, Array]
) -> list[Likeness]:
    """Find the mistakes whose outputs are those of a wrong result.

    Args:
        made: the outputs of each mistake, from ``make_mistakes``.
        truth: the correct outputs y, h_n and c_n.
        got: the wrong outputs, of the same shapes.

    Returns:
        The mistakes, the best first; none if no mistake fits, or more than ``MOST`` do.

    """
    best = ((mistake, min(_left(wrong, truth, got) for wrong in variants))
            for mistake, variants in made.items())  # fmt: skip
    found = sorted(
        (Likeness(*pair) for pair in best if pair[1] <= LEFT), key=lambda like: like.left
    )
    return found if len(found) <= MOST else []


def make_mistakes(inputs: Inputs) -> dict[str, list[Tensors]]:
    """Run the specification with every mistake that a network can have.

    Args:
        inputs: the inputs of a case.

    Returns:
        The outputs of each mistake, in one variant or several, by the mistake in words.

    """
    found: dict[str, list[Tensors]] = {}
    with np.errstate(all="ignore"):
        for mistake, wrong in _wrong_inputs(inputs):
            found.setdefault(mistake, []).append(_run(wrong))
        for mistake, tensors in _wrong_outputs(inputs):
            found.setdefault(mistake, []).append(tensors)
    return found


def _run(i: Inputs) -> Tensors:
    """Run the specification without its checks: a mistake may read NaN from the padding."""
    output = run(i.spec, i.params, i.x, h0=i.h0, c0=i.c0, lengths=i.lengths)
    return {name: a for name, a in output._asdict().items() if a is not None}


def _left(wrong: Tensors, truth: Tensors, got: Mapping[str, Array]) -> float:
    """Return the share of the error that a mistake leaves: 0 for the same result.

    NaN must be where the mistake has it, and counts as an error of the size of the right value.
    """
    left = error = 0.0
    for name, right in truth.items():
        finite = np.isfinite(got[name])
        if not np.array_equal(finite, np.isfinite(wrong[name])):
            return np.inf
        left += float(((got[name] - wrong[name])[finite] ** 2).sum())
        error += float((np.where(finite, got[name] - right, right) ** 2).sum())
    return float(np.sqrt(left / error)) if error else np.inf


# Mistakes that are made on the inputs.


def _wrong_inputs(i: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Yield each mistake in words, and the inputs with it."""
    spec = i.spec
    yield from _wrong_gates(i)
    yield from _wrong_options(i)
    yield from _wrong_weights(i)
    if i.h0 is not None:
        yield "h0 is ignored", replace(i, h0=None)
        if i.c0 is not None:
            yield "c0 is ignored", replace(i, c0=None)
            yield "h0 and c0 are exchanged", replace(i, h0=i.c0, c0=i.h0)
    if i.lengths is not None:
        steps = i.x.shape[1 if spec.batch_first else 0]
        longest = np.full_like(i.lengths, i.lengths.max())
        for lengths in None, longest:
            yield "each row's own length is ignored", replace(i, lengths=lengths)
        yield (
            "every row runs one step too many",
            replace(i, lengths=np.minimum(i.lengths + 1, steps)),
        )
        yield "every row runs one step too few", replace(i, lengths=np.maximum(i.lengths - 1, 0))


def _wrong_gates(i: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Yield the gates in each wrong order, and each gate stuck or negated."""
    spec = i.spec
    names = GATES[spec.cell]
    for order in permutations(range(len(names))):
        moved = [k for k, gate in enumerate(order) if gate != k]
        if not moved:
            continue
        words = f"gates {' and '.join(names[k] for k in moved)} are exchanged"
        if len(moved) > 2:
            words = (
                f"the gates are read in the order {', '.join(names[k] for k in np.argsort(order))}"
            )
        yield words, _reordered(i, order)
        if spec.forget_bias:  # the forget bias may move with its gate
            yield words, _reordered(_without_forget_bias(i, "f", spec.forget_bias), order)
    for k, name in enumerate(names):
        if name not in ("h", "n", "g"):  # those have no σ
            off = _with_gate(i, k, 0.0)
            yield f"gate {name} is always 1", _with_bias(off, k, SATURATED)
            yield f"gate {name} is always 0", _with_bias(off, k, -SATURATED)
            whole = _without_forget_bias(i, "f", spec.forget_bias) if spec.forget_bias else i
            yield f"1 − {name} is used for gate {name}", _with_gate(whole, k, -1.0)


def _wrong_options(i: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Yield the options of each cell, wrong or ignored."""
    spec = i.spec
    if spec.cell == "vanilla":
        act = "relu" if spec.activation == "tanh" else "tanh"
        yield f"{act} is used for {spec.activation}", _with_spec(i, activation=act)
    elif spec.cell == "gru":
        reset = "before" if spec.reset == "after" else "after"
        words = f"the reset gate is applied {reset} the recurrent matmul, not {spec.reset} it"
        yield words, _with_spec(i, reset=reset)
    elif spec.forget_bias:
        for times, words in (0, "is missing"), (2, "is added twice"), (-1, "is subtracted"):
            yield f"the forget bias {words}", _with_spec(i, forget_bias=times * spec.forget_bias)
        for gate in "igo":
            yield (
                f"the forget bias is on gate {gate}",
                _without_forget_bias(i, gate, spec.forget_bias),
            )
    else:
        words = "a forget bias of 1 is added where none is asked for"
        yield words, _with_spec(i, forget_bias=1.0)


def _wrong_weights(i: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Yield weights that are transposed, left out or exchanged."""
    spec = i.spec
    if spec.hidden_size > 1:
        yield "each gate's W_hh is transposed", _with_array(i, "W_hh", _transposed)
        for name in ("W_ih", "W_hh") if spec.num_gates > 1 else ("W_ih",):
            words = f"{name} is reshaped, not transposed"
            yield words, _with_array(i, name, lambda W: W.T.reshape(W.shape))
    words = "the joined matrix [W_hh, W_ih] is read as [W_ih, W_hh]"
    yield words, _with_weights(i, _restacked)
    if spec.bias:
        for name in ("b_ih", "b_hh"):
            yield f"{name} is left out", _with_array(i, name, np.zeros_like)
        yield "b_ih is used for b_hh too", _with_weights(i, lambda w: w._replace(b_hh=w.b_ih))
        yield "b_hh is used for b_ih too", _with_weights(i, lambda w: w._replace(b_ih=w.b_hh))
        if spec.cell == "gru":
            others = np.arange(3 * spec.hidden_size) < 2 * spec.hidden_size
            for name in ("b_ih", "b_hh"):
                words = f"{name} of gate n is left out"
                yield words, _with_array(i, name, lambda b: b * others)
    if spec.num_directions == 2:
        yield (
            "the directions' weights are exchanged",
            replace(i, params=tuple(layer[::-1] for layer in i.params)),
        )
        yield (
            "both directions use the forward weights",
            replace(i, params=tuple(layer[:1] * 2 for layer in i.params)),
        )
        if i.h0 is not None:
            swapped = np.arange(len(i.h0)) ^ 1
            yield (
                "the directions' initial states are exchanged",
                replace(i, h0=i.h0[swapped], c0=None if i.c0 is None else i.c0[swapped]),
            )


def _with_weights(i: Inputs, change: Callable[[Weights], Weights]) -> Inputs:
    """Return the inputs with all weights changed; with biases of 0 if there are none."""

    def full(w: Weights) -> Weights:
        zeros = np.zeros(len(w.W_hh))
        return w if w.b_ih is not None else w._replace(b_ih=zeros, b_hh=zeros)

    params = tuple(tuple(change(full(w)) for w in layer) for layer in i.params)
    return replace(i, params=params, spec=replace(i.spec, bias=True))


def _with_array(i: Inputs, name: str, change: Callable[[Array], Array]) -> Inputs:
    """Return the inputs with one parameter of all layers and directions changed."""
    return _with_weights(i, lambda w: w._replace(**{name: change(getattr(w, name))}))


def _with_spec(i: Inputs, **options: Any) -> Inputs:
    return replace(i, spec=replace(i.spec, **options))


def _reordered(i: Inputs, order: Sequence[int]) -> Inputs:
    """Return the inputs with the gates' blocks in another order."""
    return _with_blocks(i, lambda blocks: [blocks[k] for k in order])


def _with_blocks(i: Inputs, change: Callable[[list[Array]], list[Array]]) -> Inputs:
    """Return the inputs with the gates' blocks of every weight and bias changed."""

    def changed(a: Array) -> Array:
        return np.concatenate(change(np.split(a, i.spec.num_gates)))

    return _with_weights(i, lambda w: Weights(*(changed(a) for a in w if a is not None)))


def _with_gate(i: Inputs, gate: int, factor: float) -> Inputs:
    """Return the inputs with one gate's weights and biases multiplied by a factor."""
    return _with_blocks(
        i, lambda blocks: [b * (factor if k == gate else 1) for k, b in enumerate(blocks)]
    )


def _with_bias(i: Inputs, gate: int, bias: float) -> Inputs:
    """Return the inputs with a number added to one gate's bias."""
    where = np.repeat(np.arange(i.spec.num_gates) == gate, i.spec.hidden_size)
    return _with_array(i, "b_ih", lambda b: b + bias * where)


def _without_forget_bias(i: Inputs, gate: str, bias: float) -> Inputs:
    """Return the inputs with the forget bias in the parameters of a gate."""
    return _with_bias(_with_spec(i, forget_bias=0.0), GATES[i.spec.cell].index(gate), bias)


def _transposed(W: Array) -> Array:
    return np.concatenate([block.T for block in np.split(W, len(W) // W.shape[1])])


def _restacked(w: Weights) -> Weights:
    joined = np.concatenate([w.W_hh, w.W_ih], axis=1)
    return w._replace(W_ih=joined[:, : w.W_ih.shape[1]], W_hh=joined[:, w.W_ih.shape[1] :])


# Mistakes that are made on the outputs, or by running the layers in another way.


def _wrong_outputs(i: Inputs) -> Iterator[tuple[str, Tensors]]:
    """Yield each mistake in words, and the outputs with it."""
    spec, right = i.spec, _run(i)
    both = spec.num_directions == 2
    if "c_n" in right:
        yield "h_n and c_n are exchanged", right | {"h_n": right["c_n"], "c_n": right["h_n"]}
        yield "h_n is returned for c_n", right | {"c_n": right["h_n"]}
    if both:
        halves = np.split(right["y"], 2, axis=-1)
        yield (
            "the directions' outputs are exchanged",
            right | {"y": np.concatenate(halves[::-1], axis=-1)},
        )
        rows = np.arange(len(right["h_n"]))
        yield "the directions' final states are exchanged", _with_states(right, rows ^ 1)
        if spec.num_layers > 1:
            by_direction = rows.reshape(-1, 2).T.ravel()
            yield (
                "final states are ordered by direction, then layer",
                _with_states(right, by_direction),
            )
    if spec.direction != "forward":
        moved = replace(SPECIFICATION, reverse_outputs="processing order")
        y = as_declared(moved, spec, i.lengths, right["y"])
        yield "the reverse direction's outputs are in processing order", right | {"y": y}
        words = "the reverse direction runs forward"
        yield words, _by_direction(i, lambda one: _run(_with_spec(one, direction="forward")))
        if i.lengths is not None:
            words = "the reverse direction ignores the lengths"
            yield (
                words,
                _by_direction(
                    i,
                    lambda one: (_run_over_padding if one.spec.direction == "reverse" else _run)(
                        one
                    ),
                ),
            )
    if spec.direction != "reverse":
        words = "the forward direction runs in reverse"
        yield words, _by_direction(i, lambda one: _run(_with_spec(one, direction="reverse")))
    if i.lengths is not None:
        late = _by_direction(i, lambda one: _run_over_padding(one) | {"y": _run(one)["y"]})
        yield "final states are those after the last step, not the last valid one", late
        order = np.argsort(-i.lengths, kind="stable")
        yield "final states are in the order of the lengths", right | {
            name: right[name][:, order] for name in right if name != "y"}  # fmt: skip


def _with_states(right: Tensors, rows: Array) -> Tensors:
    """Return the outputs with the rows of the final states in another order."""
    return {name: a if name == "y" else a[rows] for name, a in right.items()}


def _by_direction(i: Inputs, run_one: Callable[[Inputs], Tensors]) -> Tensors:
    """Run every layer in every direction alone, as a network of one layer and direction.

    Args:
        i: the inputs.
        run_one: runs such a network.

    Returns:
        The outputs.

    """
    x = i.x
    parts: list[Tensors] = []
    for layer in i.params:
        ran: list[Tensors] = []
        for weights, direction in zip(layer, DIRECTIONS[i.spec.direction], strict=True):
            row = [len(parts) + len(ran)]
            h0, c0 = (None if state is None else state[row] for state in (i.h0, i.c0))
            one = replace(i, params=((weights,),), x=x, h0=h0, c0=c0)
            ran.append(
                run_one(_with_spec(one, num_layers=1, direction=direction, input_size=x.shape[-1]))
            )
        x = np.concatenate([part["y"] for part in ran], axis=-1)
        parts += ran
    states = parts[0].keys() - {"y"}
    return {"y": x} | {name: np.concatenate([part[name] for part in parts]) for name in states}


def _run_over_padding(one: Inputs) -> Tensors:
    """Run a network over the padding, with 0 in it."""
    xs, _ = time_major(one.spec, one.x, one.lengths)
    x = np.swapaxes(xs, 0, 1) if one.spec.batch_first else xs
    return _run(replace(one, x=x, lengths=None))

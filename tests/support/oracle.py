"""An oracle for the specification: the textbook equations, in scalar loops and 50 digits.

Nothing here is vectorised and nothing is masked: every row of the batch is run by itself, over
just its valid steps. From ``reference`` come only the objects that the equations are applied to.

Its gradients know no equation of their own: the same loops run on numbers that remember how they
were computed (``Variable``), and the chain rule goes back over every sum, product and function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import mpmath
import numpy as np

from reference import Array, Gradients, Output, Params, Spec, Weights

MP = mpmath.MPContext()
"""Arithmetic in 50 decimal digits, whatever the global precision of mpmath."""
MP.dps = 50

Vector: TypeAlias = list[Any]  # of mpf, or of Variable
Matrix: TypeAlias = list[Vector]

KINK = 2.0**-10
"""Where gradients are taken, no pre-activation of a relu is as near to 0."""


class Exact(NamedTuple):
    """``Weights`` as nested lists of mpf; a missing bias is a bias of zeros."""

    W_ih: Matrix
    W_hh: Matrix
    b_ih: Vector
    b_hh: Vector


def vanilla(spec: Spec, weights: Exact, x: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    """h' = act(W_ih x + b_ih + W_hh h + b_hh)."""
    new_h = []
    for j in range(spec.hidden_size):
        a = from_input(weights, j, x) + from_state(weights, j, h)
        new_h.append(tanh(a) if spec.activation == "tanh" else relu(a))
    return new_h, c


def gru(spec: Spec, weights: Exact, x: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    """Reset gate r, update gate z, candidate n; blocks of rows in that order.

    n = tanh(W_n x + b_ih,n + r * (U_n h + b_hh,n)) with reset "after",
    n = tanh(W_n x + b_ih,n + U_n (r * h) + b_hh,n) with reset "before".
    """
    size = spec.hidden_size
    r, z = [], []
    for j in range(size):
        r.append(sigmoid(from_input(weights, j, x) + from_state(weights, j, h)))
        z.append(sigmoid(from_input(weights, size + j, x) + from_state(weights, size + j, h)))
    reset_h = [r[k] * h[k] for k in range(size)]
    new_h = []
    for j in range(size):
        row = 2 * size + j
        if spec.reset == "after":
            recurrent = r[j] * from_state(weights, row, h)
        else:
            recurrent = from_state(weights, row, reset_h)
        n = tanh(from_input(weights, row, x) + recurrent)
        new_h.append((1 - z[j]) * n + z[j] * h[j])
    return new_h, c


def lstm(spec: Spec, weights: Exact, x: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    """Input gate i, forget gate f, candidate g, output gate o; blocks of rows in that order."""
    size = spec.hidden_size
    new_h, new_c = [], []
    for j in range(size):
        a_i = from_input(weights, j, x) + from_state(weights, j, h)
        a_f = from_input(weights, size + j, x) + from_state(weights, size + j, h)
        a_g = from_input(weights, 2 * size + j, x) + from_state(weights, 2 * size + j, h)
        a_o = from_input(weights, 3 * size + j, x) + from_state(weights, 3 * size + j, h)
        f = sigmoid(a_f + MP.mpf(spec.forget_bias))
        new_c.append(f * c[j] + sigmoid(a_i) * tanh(a_g))
        new_h.append(sigmoid(a_o) * tanh(new_c[j]))
    return new_h, new_c


STEPS: dict[str, Callable[[Spec, Exact, Vector, Vector, Vector], tuple[Vector, Vector]]] = {
    "vanilla": vanilla,
    "gru": gru,
    "lstm": lstm,
}


def tanh(a: Any) -> Any:
    """The hyperbolic tangent; its derivative is 1 - tanh²."""
    if not isinstance(a, Variable):
        return MP.tanh(a)
    value = MP.tanh(a.value)
    return a.follow(value, (a, 1 - value * value))


def exp(a: Any) -> Any:
    """The exponential, its own derivative."""
    if not isinstance(a, Variable):
        return MP.exp(a)
    value = MP.exp(a.value)
    return a.follow(value, (a, value))


def relu(a: Any) -> Any:
    """max(a, 0); a number that moves must not be where the derivative jumps."""
    if not isinstance(a, Variable):
        return max(MP.mpf(0), a)
    assert abs(a.value) > KINK, f"relu of {MP.nstr(a.value, 5)}, too near 0; choose another seed"
    return a if a.value > 0 else MP.mpf(0)


def sigmoid(a: Any) -> Any:
    """1 / (1 + exp(-a))."""
    return 1 / (1 + exp(-a))


def from_input(weights: Exact, row: int, x: Vector) -> Any:
    """W_ih[row] · x + b_ih[row]."""
    total = weights.b_ih[row]
    for k in range(len(x)):
        total += weights.W_ih[row][k] * x[k]
    return total


def from_state(weights: Exact, row: int, h: Vector) -> Any:
    """W_hh[row] · h + b_hh[row]."""
    total = weights.b_hh[row]
    for k in range(len(h)):
        total += weights.W_hh[row][k] * h[k]
    return total


def oracle(
    spec: Spec,
    params: Params,
    x: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Array, Array, Array | None]:
    """``y (B, T, D·H)`` or ``(T, B, D·H)``, ``h_n (L·D, B, H)``, and ``c_n`` or None; of mpf."""
    if not spec.batch_first:
        x = x.swapaxes(0, 1)
    batch, steps = x.shape[:2]
    num_rows = spec.num_layers * len(directions(spec))
    blank = [[MP.mpf(0)] * spec.hidden_size for _ in range(batch)]
    h_n = [list(blank) for _ in range(num_rows)]
    c_n = [list(blank) for _ in range(num_rows)]
    y = []
    for b in range(batch):
        valid = steps if lengths is None else int(lengths[b])
        sequence = [vector(x[b][t]) for t in range(valid)]
        for layer in range(spec.num_layers):
            outputs: Matrix = [[] for _ in range(valid)]
            for d, direction in enumerate(directions(spec)):
                row = layer * len(directions(spec)) + d
                weights = exact(params[layer][d])
                h = blank[b] if h0 is None else vector(h0[row][b])
                c = blank[b] if c0 is None else vector(c0[row][b])
                order = range(valid) if direction == "forward" else range(valid - 1, -1, -1)
                for t in order:
                    h, c = STEPS[spec.cell](spec, weights, sequence[t], h, c)
                    outputs[t] = outputs[t] + h
                h_n[row][b], c_n[row][b] = h, c
            sequence = outputs
        padding = [MP.mpf(0)] * (len(directions(spec)) * spec.hidden_size)
        y.append(sequence + [padding] * (steps - valid))
    y_n = np.array(y, object)
    return (
        y_n if spec.batch_first else y_n.swapaxes(0, 1),
        np.array(h_n, object),
        np.array(c_n, object) if spec.cell == "lstm" else None,
    )


def directions(spec: Spec) -> Sequence[str]:
    """The directions of every layer, in the order of the rows of ``h_n``."""
    return ("forward", "reverse") if spec.direction == "bidirectional" else (spec.direction,)


def exact(weights: Weights) -> Exact:
    """The weights of one layer in one direction, digit for digit."""
    zeros = [MP.mpf(0)] * len(weights.W_ih)
    return Exact(
        W_ih=[vector(row) for row in weights.W_ih],
        W_hh=[vector(row) for row in weights.W_hh],
        b_ih=zeros if weights.b_ih is None else vector(weights.b_ih),
        b_hh=zeros if weights.b_hh is None else vector(weights.b_hh),
    )


def vector(values: Array) -> Vector:
    """Floating-point numbers as mpf, digit for digit; what is exact already stays as it is."""
    return [MP.mpf(float(v)) if isinstance(v, float | np.floating) else v for v in values]


class Variable:
    """An mpf that remembers how it was computed: which numbers it moves with, and how fast.

    Every one is on a tape, after those that it was computed from.
    """

    __slots__ = ("gradient", "sources", "tape", "value")

    def __init__(self, value: Any, tape: list[Variable], sources: tuple[Any, ...] = ()) -> None:
        self.value, self.tape, self.sources = value, tape, sources
        self.gradient = MP.mpf(0)
        tape.append(self)

    def follow(self, value: Any, *sources: tuple[Any, Any]) -> Variable:
        """A new number, from (number, derivative by it); plain numbers do not move."""
        return Variable(value, self.tape, tuple(s for s in sources if isinstance(s[0], Variable)))

    def __add__(self, other: Any) -> Variable:
        return self.follow(self.value + plain(other), (self, 1), (other, 1))

    def __mul__(self, other: Any) -> Variable:
        return self.follow(self.value * plain(other), (self, plain(other)), (other, self.value))

    def __neg__(self) -> Variable:
        return self.follow(-self.value, (self, -1))

    def __rsub__(self, other: Any) -> Variable:
        return self.follow(plain(other) - self.value, (self, -1))

    def __rtruediv__(self, other: Any) -> Variable:
        value = other / self.value
        return self.follow(value, (self, -value / self.value))

    __radd__, __rmul__ = __add__, __mul__


def plain(number: Any) -> Any:
    """The value of a number that may be a ``Variable``."""
    return number.value if isinstance(number, Variable) else number


def gradient_oracle(
    spec: Spec,
    params: Params,
    x: Array,
    incoming: Output,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> Gradients:
    """The gradients of Σ incoming · output by every argument of ``oracle``, of mpf."""
    tape: list[Variable] = []

    def moving(values: Array | None) -> Any:
        return each(values, lambda v: Variable(MP.mpf(float(v)), tape))

    arguments = Gradients(
        tuple(tuple(Weights(*map(moving, w)) for w in layer) for layer in params),
        *(moving(values) for values in (x, h0, c0)),
    )
    outputs = oracle(spec, *arguments, lengths=lengths)
    for output, seeds in zip(outputs, incoming, strict=True):
        if output is not None:
            for number, seed in zip(output.flat, seeds.flat, strict=True):
                if isinstance(number, Variable):
                    number.gradient += MP.mpf(float(seed))
    for number in reversed(tape):
        for source, derivative in number.sources:
            source.gradient += number.gradient * derivative

    def found(values: Array | None) -> Any:
        return each(values, lambda v: v.gradient)

    return Gradients(
        tuple(tuple(Weights(*map(found, w)) for w in layer) for layer in arguments.params),
        *(found(values) for values in arguments[1:]),
    )


def each(values: Array | None, function: Callable[[Any], Any]) -> Array | None:
    """The object array of ``function`` of every element; None stays."""
    if values is None:
        return None
    made = np.empty(values.shape, object)
    made.flat = [function(value) for value in values.flat]
    return made

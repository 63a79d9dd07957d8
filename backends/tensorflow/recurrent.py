"""A bare recurrent network: its outputs, final states and gradients, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from backends.adapter import Inputs, Result
from backends.dialects import Dialect
from backends.tensorflow.device import Place, feed, result, set_precision
from backends.tensorflow.execution import Feeds, Program
from backends.tensorflow.parameters import canonical, make, values, variables
from backends.tensorflow.unrolling import Cells, Unrolling
from reference import Params, Spec
from reference.trees import named

States = dict[str, Any]
"""For h, and c of an LSTM, the states ``(B, H)`` of all layers and directions."""


class Recurrence(NamedTuple):
    """A way to unroll, and the order in which its cells have their states."""

    unrolling: Unrolling
    dialect: Dialect

    def make(self, spec: Spec | None, tree: Any, dtype: str, scope: str) -> Any:
        """``tree`` with variables for arrays, and this way's cells of ``spec`` for weights."""
        cell = partial(self.unrolling.cell, spec, dtype)  # type: ignore[arg-type]  # None: no cells
        return make(cell, tree, dtype, scope)

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any = None, states: States | None = None
    ) -> tuple[Any, States]:
        """Outputs and final states; from zeros where no states are given."""
        start = None if states is None else self._rows(spec, states)
        y, rows = self.unrolling.run(spec, cells, x, lengths, start)
        return y, self._states(spec, rows)

    def step(self, spec: Spec, cells: Cells, x: Any, states: States) -> tuple[Any, States]:
        """The output and the states after one step of a forward network."""
        y, rows = self.unrolling.step(spec, cells, x, self._rows(spec, states))
        return y, self._states(spec, rows)

    def order(self, spec: Spec) -> str:
        """The parts of a cell's state, as the cell has them."""
        return self.dialect.state_order(spec)

    def _rows(self, spec: Spec, states: States) -> list[tuple[Any, ...]]:
        return list(zip(*(states[part] for part in self.order(spec)), strict=True))

    def _states(self, spec: Spec, rows: Sequence[tuple[Any, ...]]) -> States:
        return dict(zip(self.order(spec), zip(*rows, strict=True), strict=True))


def load(inputs: Inputs, place: Place) -> Callable[[], Any]:
    """Compile the network's program and move its arrays; the call returned runs it once.

    Args:
        inputs: The network and its arrays.
        place: Where and how it runs.

    Returns:
        The call, whose result ``fetch`` takes.
    """
    spec, dtype = inputs.spec, inputs.dtype
    given = _feeds(inputs)
    build = partial(bare, Recurrence(place.unrolling, place.dialect), spec, inputs.params, dtype)
    compiled = place.compile((spec, dtype, inputs.precision), build, given)
    weights = values(place.dialect, [(spec, inputs.params)], dtype)
    me, placed = object(), place.execution.place(given, place.device)

    def call() -> Any:
        set_precision(inputs.precision)
        if compiled.owner != [me]:  # another load of this program may have come between
            compiled.assign(weights)
            compiled.owner[:] = [me]
        return compiled.run(placed)

    return call


def fetch(inputs: Inputs, raw: Any, place: Place) -> Result:
    """Name what such a call returned.

    Args:
        inputs: The network and its arrays.
        raw: The result of the call.
        place: Where and how it ran.

    Returns:
        The tensors by name.
    """
    tensors = dict(raw)
    if inputs.incoming is not None:
        parts = [(inputs.spec, inputs.params)]
        (found,) = canonical(place.dialect, parts, tensors.pop("dparams"))
        tensors |= named(found, "dparams")
    return result(tensors)


def _feeds(inputs: Inputs) -> Feeds:
    """What a program of this network is fed."""
    given = {"x": inputs.x, "lengths": inputs.lengths, "h0": inputs.h0, "c0": inputs.c0}
    incoming = inputs.incoming._asdict() if inputs.incoming else {}
    return feed(inputs.dtype, given | {f"d{name}": d for name, d in incoming.items()})


def bare(recurrence: Recurrence, spec: Spec, params: Params, dtype: str) -> Program:
    """y, h_n and c_n; where dy is fed, also dx, dh0, dc0 and, by every variable, dparams."""
    cells = recurrence.make(spec, params, dtype, "rnn")

    def call(feeds: Feeds) -> dict[str, Any]:
        states = _initial(spec, feeds)
        y, final = recurrence.run(spec, cells, feeds["x"], feeds.get("lengths"), states)
        found = {"y": y} | {f"{part}_n": tf.stack(final[part]) for part in spec.states}
        if "dy" not in feeds:
            return found
        inputs = {name: feeds[name] for name in ("x", "h0", "c0") if name in feeds}
        incoming = [feeds[f"d{name}"] for name in found]
        return found | differentiate([*found.values()], incoming, inputs, variables(cells))

    return Program(variables(cells), call)


def differentiate(
    results: Sequence[Any], incoming: Any, inputs: Mapping[str, Any], parameters: Sequence[Any]
) -> dict[str, Any]:
    """The gradients of Σ incoming · results by ``inputs`` and ``parameters``."""
    found = tf.gradients(results, [*inputs.values(), *parameters], incoming)
    d_inputs, d_parameters = found[: len(inputs)], found[len(inputs) :]
    dparams = [dense(d, v) for d, v in zip(d_parameters, parameters, strict=True)]
    return {f"d{name}": d for name, d in zip(inputs, d_inputs, strict=True)} | {"dparams": dparams}


def dense(gradient: Any, variable: Any) -> Any:
    """A look-up's gradient has the rows that were read, one for every time; here each row's sum."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = variable.shape[0]
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)


def _initial(spec: Spec, feeds: Feeds) -> States | None:
    """h0 and c0, by layer and direction; where one of them is not given, it is zeros."""
    given = [name for name in ("h0", "c0") if name in feeds]
    if not given:
        return None
    zero = tf.zeros_like(feeds[given[0]])
    rows = range(spec.num_layers * spec.num_directions)
    whole = {part: feeds.get(f"{part}0", zero) for part in spec.states}
    return {part: [state[row] for row in rows] for part, state in whole.items()}

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
"""h and, for an LSTM, c: the states ``(B, H)`` of all layers and directions."""


class Recurrence(NamedTuple):
    """An unrolling, with the order in which the dialect's cells take their states."""

    unrolling: Unrolling
    dialect: Dialect

    def make(self, spec: Spec | None, tree: Any, dtype: str, scope: str) -> Any:
        """Make variables and cells for a tree of parameters.

        Args:
            spec: The network of the tree's weights, or None without weights.
            tree: The parameters, in canonical layout.
            dtype: The dtype of the variables.
            scope: The scope of the variables.

        Returns:
            The tree, with cells for weights and variables for other arrays.
        """
        cell = partial(self.unrolling.cell, spec, dtype)  # type: ignore[arg-type]  # None: no cells
        return make(cell, tree, dtype, scope)

    def run(
        self, spec: Spec, cells: Cells, x: Any, lengths: Any = None, states: States | None = None
    ) -> tuple[Any, States]:
        """Run a network over time.

        Args:
            spec: The network.
            cells: The cells by layer and direction.
            x: The input (B, T, I), or (T, B, I).
            lengths: The length of each row (B,), or None.
            states: The initial states, or None for zeros.

        Returns:
            The outputs and the final states.
        """
        start = None if states is None else self._rows(spec, states)
        y, rows = self.unrolling.run(spec, cells, x, lengths, start)
        return y, self._states(spec, rows)

    def step(self, spec: Spec, cells: Cells, x: Any, states: States) -> tuple[Any, States]:
        """Run one step of a forward network.

        Args:
            spec: The network.
            cells: The cells by layer and direction.
            x: The input (B, I).
            states: The states before the step.

        Returns:
            The output (B, H) and the states after the step.
        """
        y, rows = self.unrolling.step(spec, cells, x, self._rows(spec, states))
        return y, self._states(spec, rows)

    def order(self, spec: Spec) -> str:
        """Return the parts of a cell's state, in the order of the dialect.

        Args:
            spec: The network.

        Returns:
            A letter for each part, such as "ch".
        """
        return self.dialect.state_order(spec)

    def _rows(self, spec: Spec, states: States) -> list[tuple[Any, ...]]:
        return list(zip(*(states[part] for part in self.order(spec)), strict=True))

    def _states(self, spec: Spec, rows: Sequence[tuple[Any, ...]]) -> States:
        return dict(zip(self.order(spec), zip(*rows, strict=True), strict=True))


def load(inputs: Inputs, place: Place) -> Callable[[], Any]:
    """Compile the network's program and move its arrays to the device.

    Args:
        inputs: The network and its arrays.
        place: Device, dialect, unrolling, execution and compiler.

    Returns:
        A function that runs the program once; ``fetch`` takes its result.
    """
    spec, dtype = inputs.spec, inputs.dtype
    given = _feeds(inputs)
    build = partial(bare, Recurrence(place.unrolling, place.dialect), spec, inputs.params, dtype)
    compiled = place.compile((spec, dtype, inputs.precision), build, given)
    weights = values(place.dialect, [(spec, inputs.params)], dtype)
    me, placed = object(), place.execution.place(given, place.device)

    def call() -> Any:
        set_precision(inputs.precision)
        if compiled.owner != [me]:  # another load may have used this program
            compiled.assign(weights)
            compiled.owner[:] = [me]
        return compiled.run(placed)

    return call


def fetch(inputs: Inputs, raw: Any, place: Place) -> Result:
    """Name the tensors that a call of ``load``'s function returned.

    Args:
        inputs: The network and its arrays.
        raw: The result of the call.
        place: Device, dialect, unrolling, execution and compiler.

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
    """Return the feeds of a program of this network."""
    given = {"x": inputs.x, "lengths": inputs.lengths, "h0": inputs.h0, "c0": inputs.c0}
    incoming = inputs.incoming._asdict() if inputs.incoming else {}
    return feed(inputs.dtype, given | {f"d{name}": d for name, d in incoming.items()})


def bare(recurrence: Recurrence, spec: Spec, params: Params, dtype: str) -> Program:
    """Return the program of a bare recurrent network.

    Args:
        recurrence: Makes and runs the network.
        spec: The network.
        params: Its parameters, in canonical layout.
        dtype: The dtype of the variables.

    Returns:
        The program, whose call returns y, h_n and c_n; where dy is fed, also dx, dh0, dc0 and dparams.
    """
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
    """Return the gradients of Σ incoming · results.

    Args:
        results: The tensors to differentiate.
        incoming: A gradient by each of them, or None for ones.
        inputs: Tensors by name.
        parameters: Variables.

    Returns:
        Gradients by the inputs, and dparams: a list with one for every variable.
    """
    found = tf.gradients(results, [*inputs.values(), *parameters], incoming)
    d_inputs, d_parameters = found[: len(inputs)], found[len(inputs) :]
    dparams = [_dense(d, v) for d, v in zip(d_parameters, parameters, strict=True)]
    return {f"d{name}": d for name, d in zip(inputs, d_inputs, strict=True)} | {"dparams": dparams}


def _dense(gradient: Any, variable: Any) -> Any:
    """Add up a look-up's gradients for each row of the table; return other gradients unchanged."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = variable.shape[0]
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)


def _initial(spec: Spec, feeds: Feeds) -> States | None:
    """Return h0 and c0 by layer and direction; a missing one is zeros, or None if both are."""
    given = [name for name in ("h0", "c0") if name in feeds]
    if not given:
        return None
    zero = tf.zeros_like(feeds[given[0]])
    rows = range(spec.num_layers * spec.num_directions)
    whole = {part: feeds.get(f"{part}0", zero) for part in spec.states}
    return {part: [state[row] for row in rows] for part, state in whole.items()}

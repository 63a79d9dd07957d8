"""Properties of invariance: padding, the order of rows, the layout and a second run change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends import Inputs
from evidence.properties.property import Property, Runner, Sides
from evidence.properties.related import (
    BY_STEP,
    LARGE,
    SEVERAL_ROWS,
    batch_size,
    make_random,
    row_axis,
    select_rows,
    with_padding,
)
from reference.trees import each

PADDED = ("ragged", "zero", "short")


def _other_padding(inputs: Inputs, runner: Runner) -> Sides:
    """Fill the padding of x with another number: 0, or a large one if it was 0."""
    zero = np.array_equal(inputs.x, with_padding(inputs, inputs.x, 0.0))
    x = with_padding(inputs, inputs.x, LARGE if zero else 0.0)
    return runner.run(inputs), runner.run(replace(inputs, x=x))


def _other_incoming_padding(inputs: Inputs, runner: Runner) -> Sides:
    """Fill the padding of dy with a large number."""
    assert inputs.incoming is not None
    dy = with_padding(inputs, inputs.incoming.y, LARGE)
    return runner.run(inputs), runner.run(replace(inputs, incoming=inputs.incoming._replace(y=dy)))


def _rows_permuted(inputs: Inputs, runner: Runner) -> Sides:
    """Permute the rows, and restore the order of the results' rows."""
    order = make_random(inputs).permutation(batch_size(inputs))
    if (order == np.arange(len(order))).all():
        order = np.roll(order, 1)
    back = np.argsort(order)
    found = runner.run(select_rows(inputs, order))
    return runner.run(inputs), {
        name: a if name.startswith("dparams") else a.take(back, row_axis(inputs.spec, name))
        for name, a in found.items()
    }


def _other_layout(inputs: Inputs, runner: Runner) -> Sides:
    """Exchange batch and time in x and dy, and back in y and dx."""
    spec = replace(inputs.spec, batch_first=not inputs.spec.batch_first)
    d = inputs.incoming
    incoming = d and d._replace(y=np.swapaxes(d.y, 0, 1))
    x = np.swapaxes(inputs.x, 0, 1)
    found = runner.run(replace(inputs, spec=spec, x=x, incoming=incoming))
    return runner.run(inputs), {
        name: np.swapaxes(a, 0, 1) if name in BY_STEP else a for name, a in found.items()
    }


def _called_again(inputs: Inputs, runner: Runner) -> Sides:
    """Call a loaded network a second time, after another one was loaded and called."""
    other = replace(inputs, params=each(np.negative, inputs.params))
    return runner.run(inputs), runner.run_again(inputs, other)


def _loaded_again(inputs: Inputs, runner: Runner) -> Sides:
    """Run the same inputs twice."""
    return runner.run(inputs), runner.run(inputs)


INVARIANCES = (
    Property(
        name="padding",
        sentence="values of x past the lengths change no output, state or gradient",
        sides=_other_padding, relation="equal", where={"lengths": PADDED},
    ),
    Property(
        name="padding of the incoming gradient",
        sentence="values of dy past the lengths change no gradient",
        sides=_other_incoming_padding, relation="equal", where={"lengths": PADDED},
        gradients=(True,),
    ),
    Property(
        name="rows permuted",
        sentence="permuted rows give the same results in the permuted order, and the same sums",
        sides=_rows_permuted, relation="within", where={"size": SEVERAL_ROWS},
    ),
    Property(
        name="batch and time exchanged",
        sentence="batch_first moves axes, and changes nothing else",
        sides=_other_layout, relation="within",
    ),
    Property(
        name="loaded again",
        sentence="the same inputs, loaded a second time, give the same bits",
        sides=_loaded_again, relation="bits",
    ),
    Property(
        name="called again",
        sentence="a loaded network gives the same bits when called again after another network of its kind",
        sides=_called_again, relation="bits",
    ),
)  # fmt: skip

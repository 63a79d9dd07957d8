"""What must change nothing: padding, the order of rows, the layout, being run a second time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends import Inputs
from evidence.properties.property import Answers, Both, Property
from evidence.properties.related import (
    BY_STEP,
    LARGE,
    SEVERAL_ROWS,
    batch_of,
    chance,
    repadded,
    row_axis,
    rows,
)
from reference.trees import each

PADDED = ("ragged", "zero", "short")


def other_padding(inputs: Inputs, ask: Answers) -> Both:
    """Another number in the padding of x: 0, or a large one where it was 0."""
    zero = np.array_equal(inputs.x, repadded(inputs, inputs.x, 0.0))
    x = repadded(inputs, inputs.x, LARGE if zero else 0.0)
    return ask.once(inputs), ask.once(replace(inputs, x=x))


def other_incoming_padding(inputs: Inputs, ask: Answers) -> Both:
    """A large number in the padding of dy."""
    assert inputs.incoming is not None
    dy = repadded(inputs, inputs.incoming.y, LARGE)
    return ask.once(inputs), ask.once(replace(inputs, incoming=inputs.incoming._replace(y=dy)))


def rows_permuted(inputs: Inputs, ask: Answers) -> Both:
    """The rows in another order, and the results' rows put back."""
    order = chance(inputs).permutation(batch_of(inputs))
    if (order == np.arange(len(order))).all():
        order = np.roll(order, 1)
    back = np.argsort(order)
    found = ask.once(rows(inputs, order))
    return ask.once(inputs), {
        name: a if name.startswith("dparams") else a.take(back, row_axis(inputs.spec, name))
        for name, a in found.items()
    }


def other_layout(inputs: Inputs, ask: Answers) -> Both:
    """Batch and time exchanged in x and dy, and back in y and dx."""
    spec = replace(inputs.spec, batch_first=not inputs.spec.batch_first)
    d = inputs.incoming
    incoming = d and d._replace(y=np.swapaxes(d.y, 0, 1))
    x = np.swapaxes(inputs.x, 0, 1)
    found = ask.once(replace(inputs, spec=spec, x=x, incoming=incoming))
    return ask.once(inputs), {
        name: np.swapaxes(a, 0, 1) if name in BY_STEP else a for name, a in found.items()
    }


def called_again(inputs: Inputs, ask: Answers) -> Both:
    """The second call of a loaded network, after another one was loaded and called."""
    other = replace(inputs, params=each(np.negative, inputs.params))
    return ask.once(inputs), ask.again(inputs, other)


def loaded_again(inputs: Inputs, ask: Answers) -> Both:
    """The same inputs twice."""
    return ask.once(inputs), ask.once(inputs)


INVARIANCES = (
    Property(
        name="padding",
        sentence="what x holds past the lengths changes no output, state or gradient",
        sides=other_padding, relation="equal", where={"lengths": PADDED},
    ),
    Property(
        name="padding of the incoming gradient",
        sentence="what dy holds past the lengths changes no gradient",
        sides=other_incoming_padding, relation="equal", where={"lengths": PADDED},
        gradients=(True,),
    ),
    Property(
        name="rows permuted",
        sentence="rows in another order give the same results in that order, and the same sums",
        sides=rows_permuted, relation="within", where={"size": SEVERAL_ROWS},
    ),
    Property(
        name="batch and time exchanged",
        sentence="batch_first moves axes, and changes nothing else",
        sides=other_layout, relation="within",
    ),
    Property(
        name="loaded again",
        sentence="the same inputs, loaded a second time, give the same bits",
        sides=loaded_again, relation="bits",
    ),
    Property(
        name="called again",
        sentence="a loaded network called again, another one of its kind in between, gives the same bits",
        sides=called_again, relation="bits",
    ),
)  # fmt: skip

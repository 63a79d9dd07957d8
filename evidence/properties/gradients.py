"""Properties of gradients: they are linear in the incoming gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends import Inputs
from evidence.properties.property import Property, Runner, Sides
from evidence.properties.related import make_random, only_gradients
from reference.trees import each


def _in_parts(inputs: Inputs, runner: Runner) -> Sides:
    """Multiply some elements of the incoming gradient by 4, divide the others by 2, and undo both afterwards.

    No two parts share an element, and factors are powers of two, so nothing is rounded in between.
    """
    random = make_random(inputs)
    chosen = each(lambda d: random.random(d.shape) < 0.5, inputs.incoming)
    some = each(lambda d, c: np.where(c, 4 * d, 0), inputs.incoming, chosen)
    others = each(lambda d, c: np.where(c, 0, d / 2), inputs.incoming, chosen)
    four, half = (
        only_gradients(runner.run(replace(inputs, incoming=part))) for part in (some, others)
    )
    joined = {name: four[name] / 4 + 2 * half[name] for name in four}
    return only_gradients(runner.run(inputs)), joined


def _scaled(inputs: Inputs, runner: Runner) -> Sides:
    """Multiply the whole incoming gradient by 8, and divide the gradients by 8."""
    found = runner.run(replace(inputs, incoming=each(lambda d: 8 * d, inputs.incoming)))
    eighth = {name: a / 8 for name, a in only_gradients(found).items()}
    return only_gradients(runner.run(inputs)), eighth


def _of_nothing(inputs: Inputs, runner: Runner) -> Sides:
    """Set the incoming gradient to zero."""
    found = runner.run(replace(inputs, incoming=each(np.zeros_like, inputs.incoming)))
    gradients = only_gradients(found)
    return gradients, {name: np.zeros_like(a) for name, a in gradients.items()}


GRADIENTS = (
    Property(
        name="gradients of a sum",
        sentence="the gradients of 4 d₁ and of d₂ / 2, put together, are those of d₁ + d₂",
        sides=_in_parts, relation="within", gradients=(True,),
    ),
    Property(
        name="gradients scaled",
        sentence="8 times the incoming gradient gives 8 times the gradients, to the last bit where "
                 "no exponent runs out",
        sides=_scaled, relation="equal", gradients=(True,),
        where={"dtype": ("float64", "float32", "bfloat16")},
    ),
    Property(
        name="gradients of nothing",
        sentence="an incoming gradient of zeros gives zeros",
        sides=_of_nothing, relation="equal", gradients=(True,),
    ),
)  # fmt: skip

"""What a property is: two answers of one implementation, and how they must relate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from backends import Inputs
from conformance.cases import Row
from conformance.evaluate import Tensors

Relation: TypeAlias = Literal["bits", "equal", "within", "chained", "differs"]
"""How the two sides must relate, element by element:

bits      the same bits
equal     the same numbers; −0 is 0
within    no further apart than both bounds together, each side's being made of its runs' bounds
chained   the right side goes on from its own rounded results, and so is a second correct way to the
          left side's truth: no further apart than twice the bound of the left one
differs   in every tensor, some element further apart than both bounds together
"""


class Runner(Protocol):
    """The implementation, as a property asks it."""

    def run(self, inputs: Inputs) -> Tensors:
        """What it makes of ``inputs``, loaded afresh."""

    def run_again(self, inputs: Inputs, between: Inputs) -> Tensors:
        """The same from the second of two calls, with ``between`` loaded and called in between."""


Sides: TypeAlias = tuple[Tensors, Tensors]
SidesFunction: TypeAlias = Callable[[Inputs, Runner], Sides]
"""The two sides, made of answers by cutting, moving, joining, and adding with factors above 0.

So a second run, in which every answer is its bounds instead, makes the bounds of the sides.
"""


@dataclass(frozen=True, kw_only=True)
class Property:
    """A relation between answers that every correct implementation has, whatever its equations."""

    name: str
    sentence: str
    sides: SidesFunction
    relation: Relation
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values of the axes (``cases/axes.py``) of which it says something, where not of all."""
    gradients: tuple[bool, ...] = (False, True)
    """Of outputs alone, of gradients as well, or of either."""
    needs: Row = field(default_factory=dict)
    """Values that a related network has, and that a dialect must run too."""

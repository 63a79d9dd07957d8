"""Define a property: two results of one implementation, and how they must relate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from backends import Inputs
from conformance.cases import Row
from conformance.evaluate import Tensors

Relation: TypeAlias = Literal["bits", "equal", "within", "chained", "differs"]
"""The relation of the two sides, element by element:

bits      the same bits
equal     the same numbers; −0 is 0
within    no further apart than the sum of both bounds, each side's being made of its runs' bounds
chained   the right side continues from its own rounded results, and so is a second correct way to the
          left side's truth: no further apart than twice the bound of the left one
differs   in every tensor, some element is further apart than the sum of both bounds
"""


class Runner(Protocol):
    """The implementation, as a property calls it."""

    def run(self, inputs: Inputs) -> Tensors:
        """Load the inputs and run them.

        Args:
            inputs: the inputs.

        Returns:
            The tensors by name.

        """

    def run_again(self, inputs: Inputs, between: Inputs) -> Tensors:
        """Load the inputs and call twice, with another network loaded and called in between.

        Args:
            inputs: the inputs.
            between: the inputs of the other network.

        Returns:
            The tensors of the second call.

        """


Sides: TypeAlias = tuple[Tensors, Tensors]
SidesFunction: TypeAlias = Callable[[Inputs, Runner], Sides]
"""A function that makes both sides from runs by cutting, moving, joining, and adding with positive factors.

So a second call, in which every run returns its bounds, makes the bounds of the sides.
"""


@dataclass(frozen=True, kw_only=True)
class Property:
    """A relation between results that every correct implementation satisfies, whatever its equations."""

    name: str
    sentence: str
    sides: SidesFunction
    relation: Relation
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values of the axes (``cases/axes.py``) that the property needs; open axes may have any value."""
    gradients: tuple[bool, ...] = (False, True)
    """The cases that it applies to: without gradients (False), with gradients (True), or both."""
    needs: Row = field(default_factory=dict)
    """Values that a related network has, and that a dialect must support too."""

"""The rounding radius: how far a correct implementation may stray from the truth.

The specification is run K times on an array type that rounds at random like the arithmetic under test
(Monte Carlo arithmetic; Parker, 1997; Verificarlo), and the spread is measured. The equations know
nothing of it: they are the same code.
"""

from reference.rounding.arithmetic import ARITHMETICS, K_ACT, Arithmetic
from reference.rounding.array import Rounding, RoundingArray
from reference.rounding.radius import (
    FLOOR,
    OVERFLOW,
    SAMPLES,
    Lift,
    Radius,
    deviations,
    floored,
    radii,
    radius,
    rms,
)

__all__ = [
    "ARITHMETICS",
    "FLOOR",
    "K_ACT",
    "OVERFLOW",
    "SAMPLES",
    "Arithmetic",
    "Lift",
    "Radius",
    "Rounding",
    "RoundingArray",
    "deviations",
    "floored",
    "radii",
    "radius",
    "rms",
]

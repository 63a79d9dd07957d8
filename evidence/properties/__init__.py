"""Properties: relations between answers of one implementation, which need no truth to compare with.

Every other check trusts the specification's equations. These do not: they run an implementation on
inputs that are related, and hold its answers to each other. The specification itself is one of those
that are held so. Only how far rounding may part two answers is taken from it.
"""

from evidence.properties.compositions import COMPOSITIONS
from evidence.properties.gradients import GRADIENTS
from evidence.properties.invariances import INVARIANCES
from evidence.properties.options import OPTIONS
from evidence.properties.property import Property
from evidence.properties.violation import find_violation

PROPERTIES: dict[str, Property] = {
    p.name: p for p in (*INVARIANCES, *COMPOSITIONS, *GRADIENTS, *OPTIONS)
}

__all__ = ["PROPERTIES", "Property", "find_violation"]

"""Properties: relations between answers of one implementation, which need no truth to compare with.

Every other check trusts the specification's equations. These do not: they run an implementation on
inputs that are related, and hold its answers to each other. The specification itself is one of those
that are held so. Only how far rounding may part two answers is taken from it.
"""

from conformance.properties.compositions import COMPOSITIONS
from conformance.properties.gradients import GRADIENTS
from conformance.properties.hold import violation
from conformance.properties.invariances import INVARIANCES
from conformance.properties.options import OPTIONS
from conformance.properties.property import Property

PROPERTIES: dict[str, Property] = {
    p.name: p for p in (*INVARIANCES, *COMPOSITIONS, *GRADIENTS, *OPTIONS)
}

__all__ = ["PROPERTIES", "Property", "violation"]

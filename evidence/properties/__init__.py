"""Properties: relations between results of one implementation, which need no truth to compare with.

Every other check trusts the specification's equations. A property does not: it runs one implementation on
related inputs and compares the results with each other. The specification is checked this way too. It
provides only the bound on how far rounding may move two results apart.
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

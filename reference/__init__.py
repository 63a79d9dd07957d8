"""The specification of recurrent networks, in NumPy.

``spec`` says which network it is and ``parameters`` which arrays it learns; ``cells`` holds the
equations, ``rnn`` runs them over time, directions and layers, ``bptt`` takes their gradients, and
``checked`` refuses bad arguments of both. ``rounding`` says how far off a correct implementation
may be.
"""

from reference.bptt import Gradients
from reference.checked import run, vjp
from reference.parameters import (
    PARAMETERS,
    Parameter,
    Params,
    Role,
    Weights,
    weight_shapes,
)
from reference.rnn import Output
from reference.spec import GATES, STATES, Array, Spec

__all__ = [
    "GATES",
    "PARAMETERS",
    "STATES",
    "Array",
    "Gradients",
    "Output",
    "Parameter",
    "Params",
    "Role",
    "Spec",
    "Weights",
    "run",
    "vjp",
    "weight_shapes",
]

"""The specification of recurrent networks, in NumPy.

``spec`` says what a network is, ``cells`` holds the equations, ``rnn`` runs them over time,
directions and layers, ``rounding`` says how far a correct implementation may be off.
"""

from reference.rnn import Output, run
from reference.spec import GATES, STATES, Array, Params, Spec, Weights, weight_shapes

__all__ = [
    "GATES",
    "STATES",
    "Array",
    "Output",
    "Params",
    "Spec",
    "Weights",
    "run",
    "weight_shapes",
]

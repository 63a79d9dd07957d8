"""The specification of recurrent networks, in NumPy.

``spec`` says what a network is, ``cells`` holds the equations, ``rnn`` runs them over time,
directions and layers, ``bptt`` takes their gradients, ``checked`` refuses bad arguments of both;
``rounding`` says how far a correct implementation may be off.
"""

from reference.bptt import Gradients
from reference.checked import run, vjp
from reference.rnn import Output
from reference.spec import GATES, STATES, Array, Params, Spec, Weights, weight_shapes

__all__ = [
    "GATES",
    "STATES",
    "Array",
    "Gradients",
    "Output",
    "Params",
    "Spec",
    "Weights",
    "run",
    "vjp",
    "weight_shapes",
]

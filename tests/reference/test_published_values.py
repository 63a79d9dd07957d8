"""Numbers that others have printed.

A tutorial on basic RNNs in TensorFlow prints one mini-batch, four instances of two steps of three
inputs, and what five tanh neurons with random weights and zero biases made of it. The weights are
not printed, so the check is weak. At the first step, instances 0, 1 and 3 determine the input
weights; instance 2 lies on the line through 0 and 1, so its printed outputs are a prediction.
That tests one thing: the output is the tanh of something linear in the input. The prediction
reads neither the recurrent weights nor the biases, and compares only neurons 0, 2 and 4, because
the float32 outputs of 1 and 3 are too near ±1 to be inverted. The second step determines
nothing: it has four equations for the five unknown recurrent weights of each neuron.

The printed numbers were computed in float32, whose neighbours are 6e-8 apart between 0.5 and 1.
The worst of the three predictions, that of neuron 4, is 1.2e-7 off.
"""

from __future__ import annotations

import numpy as np
import pytest

from reference import Spec, Weights, run

X = np.array(
    [
        [[0, 1, 2], [9, 8, 7]],
        [[3, 4, 5], [0, 0, 0]],
        [[6, 7, 8], [6, 5, 4]],
        [[9, 0, 1], [3, 2, 1]],
    ],
    np.float64,
)
"""(B, T, I)."""

Y0 = np.array(
    [
        [-0.2964572, 0.82874775, -0.34216955, -0.75720584, 0.19011548],
        [-0.12842922, 0.99981797, 0.84704727, -0.99570125, 0.38665548],
        [0.04731077, 0.99999976, 0.99330056, -0.999933, 0.55339795],
        [0.70323634, 0.99309105, 0.99909431, -0.85363263, 0.7472108],
    ]
)
"""(B, H), the outputs at the first step as printed."""

KNOWN = [0, 1, 3]
PREDICTED = 2
ALLOWED = 2e-7


@pytest.mark.parametrize("neuron", [0, 2, 4])
def test_collinear_instance(neuron: int) -> None:
    """The weights that instances 0, 1 and 3 determine predict instance 2."""
    W_ih = np.linalg.solve(X[KNOWN, 0], np.arctanh(Y0[KNOWN])).T
    zeros = np.zeros(5)
    spec = Spec(cell="vanilla", input_size=3, hidden_size=5)
    params = ((Weights(W_ih, np.zeros((5, 5)), zeros, zeros),),)
    got = run(spec, params, X).y[PREDICTED, 0, neuron]
    printed = Y0[PREDICTED, neuron]
    assert abs(got - printed) <= ALLOWED, (
        f"neuron {neuron} of instance {PREDICTED}: {got:.9f} predicted from the printed outputs "
        f"of instances {KNOWN}, but {printed:.9f} is printed; {ALLOWED} allowed"
    )

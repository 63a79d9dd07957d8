"""A backend that is wrong on purpose: PyTorch, running a TensorFlow model whose forget bias was lost.

rnnspec check --backend docs/examples/lost_forget_bias.py:LostForgetBias --case "lstm-forget/*" --dtype float32
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backends import Inputs
from backends.pytorch import PyTorch


class LostForgetBias(PyTorch):
    """PyTorch, after a conversion of weights that did not fold the forget bias into a bias."""

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        return super().load(replace(inputs, spec=replace(inputs.spec, forget_bias=0.0)))

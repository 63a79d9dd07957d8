"""The optimisers of TensorFlow 1 and of tf_keras, under one interface.

Both make float32 of the Python numbers that they are given, which leaves β₂ = 0.999 in float64 with
1 − β₂ off by 1e-5. In float64, and only there, they get float64 tensors instead; and tf_keras,
which makes a variable of its ``floatx`` for the learning rate, gets float64 for that too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras

from reference.networks.optimisers import Adam, GradientDescent, Momentum, Optimiser

NUMBERS: dict[type, Callable[[Any], tuple[float, ...]]] = {
    GradientDescent: lambda o: (o.rate,),
    Momentum: lambda o: (o.rate, o.momentum),
    Adam: lambda o: (o.rate, o.beta1, o.beta2, o.epsilon),
}
"""What each optimiser is made with, in the order in which both take them."""


def numbers(optimiser: Optimiser, dtype: Any) -> list[Any]:
    """The hyperparameters, as precise as the parameters are."""
    plain = NUMBERS[type(optimiser)](optimiser)
    return [tf.constant(n, dtype) for n in plain] if dtype == tf.float64 else list(plain)


class TensorFlow1:
    """An optimiser of ``tf.compat.v1.train``, whose slots are made as the update is."""

    classes: ClassVar[dict[type, Any]] = {
        GradientDescent: tf.compat.v1.train.GradientDescentOptimizer,
        Momentum: tf.compat.v1.train.MomentumOptimizer,
        Adam: tf.compat.v1.train.AdamOptimizer,
    }
    module = "tf.compat.v1.train"

    def __init__(self, optimiser: Optimiser, variables: Sequence[Any]) -> None:
        self._variables = variables
        self._own = self.classes[type(optimiser)](*numbers(optimiser, variables[0].dtype))

    def apply(self, gradients: Sequence[Any]) -> list[Any]:
        """The operations that update the parameters."""
        return [self._own.apply_gradients(zip(gradients, self._variables, strict=True))]

    def slots(self) -> Sequence[Any]:
        """Its own variables, once there is an update."""
        return self._own.variables()


class Keras:
    """An optimiser of ``tf_keras.optimizers``, built before any tracing."""

    classes: ClassVar[dict[type, Any]] = {
        GradientDescent: tf_keras.optimizers.SGD,
        Momentum: tf_keras.optimizers.SGD,
        Adam: tf_keras.optimizers.Adam,
    }
    module = "tf_keras.optimizers"

    def __init__(self, optimiser: Optimiser, variables: Sequence[Any]) -> None:
        self._variables = variables
        dtype = variables[0].dtype
        with _floatx("float64" if dtype == tf.float64 else "float32"):
            self._own = self.classes[type(optimiser)](
                *numbers(optimiser, dtype),
                jit_compile=False,  # whether XLA compiles is the execution's to say
            )
        self._own.build(variables)

    def apply(self, gradients: Sequence[Any]) -> list[Any]:
        """Updates the parameters; a ``tf.function`` sees to it that this runs."""
        self._own.apply_gradients(zip(gradients, self._variables, strict=True))
        return []

    def slots(self) -> Sequence[Any]:
        """Its own variables."""
        return self._own.variables


@contextmanager
def _floatx(name: str) -> Iterator[None]:
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx(name)
    try:
        yield
    finally:
        tf_keras.backend.set_floatx(before)

"""The optimisers of TensorFlow 1 and of tf_keras, under one interface.

Both convert Python numbers to float32, so that 1 − β₂ is wrong by 1e-5 for β₂ = 0.999 in float64. In float64, and
only there, both get float64 tensors instead. tf_keras makes the learning rate a variable of its ``floatx``, which
is then float64 too.
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
"""The hyperparameters of each optimiser, in the order of both libraries."""


def _numbers(optimiser: Optimiser, dtype: Any) -> list[Any]:
    """Return the hyperparameters, as precise as the parameters."""
    plain = NUMBERS[type(optimiser)](optimiser)
    return [tf.constant(n, dtype) for n in plain] if dtype == tf.float64 else list(plain)


class TensorFlow1:
    """An optimiser of ``tf.compat.v1.train``, which makes its slots with the update.

    Args:
        optimiser: The optimiser of the specification.
        variables: The parameters to train.
    """

    classes: ClassVar[dict[type, Any]] = {
        GradientDescent: tf.compat.v1.train.GradientDescentOptimizer,
        Momentum: tf.compat.v1.train.MomentumOptimizer,
        Adam: tf.compat.v1.train.AdamOptimizer,
    }
    module = "tf.compat.v1.train"

    def __init__(self, optimiser: Optimiser, variables: Sequence[Any]) -> None:
        self._variables = variables
        self._own = self.classes[type(optimiser)](*_numbers(optimiser, variables[0].dtype))

    def apply(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the operations that update the parameters.

        Args:
            gradients: The gradient by every variable.

        Returns:
            The operations.
        """
        return [self._own.apply_gradients(zip(gradients, self._variables, strict=True))]

    def slots(self) -> Sequence[Any]:
        """Return the optimiser's variables, after ``apply``.

        Returns:
            The variables.
        """
        return self._own.variables()


class Keras:
    """An optimiser of ``tf_keras.optimizers``, built before any tracing.

    Args:
        optimiser: The optimiser of the specification.
        variables: The parameters to train.
    """

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
                *_numbers(optimiser, dtype),
                jit_compile=False,  # the execution decides about XLA
            )
        self._own.build(variables)

    def apply(self, gradients: Sequence[Any]) -> list[Any]:
        """Update the parameters, inside a ``tf.function``.

        Args:
            gradients: The gradient by every variable.

        Returns:
            No operations: a ``tf.function`` runs the update by itself.
        """
        self._own.apply_gradients(zip(gradients, self._variables, strict=True))
        return []

    def slots(self) -> Sequence[Any]:
        """Return the optimiser's variables.

        Returns:
            The variables.
        """
        return self._own.variables


@contextmanager
def _floatx(name: str) -> Iterator[None]:
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx(name)
    try:
        yield
    finally:
        tf_keras.backend.set_floatx(before)

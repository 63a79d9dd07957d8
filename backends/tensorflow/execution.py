"""The ways to execute a program: a graph in a Session, or a ``tf.function``, plain or with XLA."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from backends.tensorflow.optimisers import Keras, TensorFlow1
from reference import Array

Feeds = Mapping[str, Any]
"""The arrays of a run, by name; missing arrays have no name."""


class Program(NamedTuple):
    """A program, made inside the graph, or before any tracing, as legacy cells require."""

    variables: Sequence[Any]
    """The parameters, in the order of ``parameters.values``."""
    call: Callable[[Feeds], Any]
    slots: Callable[[], Sequence[Any]] = tuple
    """Returns an optimiser's variables, after ``call`` was traced."""


class Compiled(NamedTuple):
    """A program that is ready for parameters and feeds."""

    run: Callable[[Feeds], Any]
    """Runs the program and returns NumPy arrays."""
    assign: Callable[[Sequence[Array]], None]
    """Sets the parameters, and resets an optimiser's variables."""
    read: Callable[[], list[Array]]
    """Returns the current parameters."""
    owner: list[object]
    """The load whose parameters the variables have, as a list of one."""


class Execution(ABC):
    """One way to execute a program on a device."""

    how: str
    optimiser: type[TensorFlow1 | Keras]
    """The class of this execution's optimisers."""

    def place(self, feeds: Feeds, device: str) -> Feeds:
        """Return feeds in the form that the compiled program takes.

        Args:
            feeds: Arrays by name.
            device: TensorFlow's name of the device.

        Returns:
            The feeds.
        """
        return feeds

    @abstractmethod
    def compile(
        self, build: Callable[[], Program], feeds: Feeds, device: str, *, fixed: bool
    ) -> Compiled:
        """Compile a program for feeds of given names.

        Args:
            build: Makes the program.
            feeds: Examples of the feeds.
            device: TensorFlow's name of the device.
            fixed: True to compile for the shapes of these feeds only.

        Returns:
            The compiled program.
        """


class Session(Execution):
    """A graph, run in a ``tf.compat.v1.Session``."""

    how = "graph and Session, which feeds arrays at every call"
    optimiser = TensorFlow1

    def compile(
        self, build: Callable[[], Program], feeds: Feeds, device: str, *, fixed: bool
    ) -> Compiled:
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph, tf.device(device):
            places = {
                name: v1.placeholder(a.dtype, a.shape if fixed else any_size(a))
                for name, a in feeds.items()
            }
            program = build()
            outputs = program.call(places)
            values = [v1.placeholder(v.dtype, v.shape) for v in program.variables]
            assignments = [
                *(v1.assign(v, p) for v, p in zip(program.variables, values, strict=True)),
                v1.variables_initializer(program.slots()),
            ]
        session = v1.Session(graph=graph)

        def run(feeds: Feeds) -> Any:
            return session.run(outputs, {places[name]: a for name, a in feeds.items()})

        def assign(weights: Sequence[Array]) -> None:
            session.run(assignments, dict(zip(values, weights, strict=True)))

        def read() -> list[Array]:
            return session.run(list(program.variables))

        return Compiled(run, assign, read, [])


class Function(Execution):
    """A ``tf.function``.

    Args:
        jit_compile: True to compile with XLA.
    """

    optimiser = Keras

    def __init__(self, *, jit_compile: bool) -> None:
        self.jit_compile = jit_compile
        self.how = "tf.function with XLA" if jit_compile else "tf.function"

    def place(self, feeds: Feeds, device: str) -> Feeds:
        with tf.device(device):
            return {name: tf.convert_to_tensor(a) for name, a in feeds.items()}

    def compile(
        self, build: Callable[[], Program], feeds: Feeds, device: str, *, fixed: bool
    ) -> Compiled:
        with tf.device(device):
            program = build()
            slots = [(v, v.numpy()) for v in program.slots()]
        function = tf.function(
            program.call,
            autograph=False,
            jit_compile=self.jit_compile,
            reduce_retracing=not (self.jit_compile or fixed),
        )

        # Entering a device takes as long as the rest of the call, and a single device needs none.
        several = len(tf.config.list_logical_devices()) > 1
        on_device = partial(tf.device, device) if several else nullcontext

        def run(feeds: Feeds) -> Any:
            with on_device():
                return {name: _fetched(found) for name, found in function(feeds).items()}

        def assign(weights: Sequence[Array]) -> None:
            for variable, value in [*zip(program.variables, weights, strict=True), *slots]:
                variable.assign(value)

        def read() -> list[Array]:
            return [v.numpy() for v in program.variables]

        return Compiled(run, assign, read, [])


def _fetched(found: Any) -> Any:
    """Return a tensor, or a list of tensors, as NumPy; tf.nest would take far longer."""
    return [t.numpy() for t in found] if isinstance(found, list) else found.numpy()


def any_size(a: Array) -> list[int | None]:
    """Return a placeholder's shape; only feature widths are fixed, so sizes share one graph.

    Args:
        a: An example of the feed.

    Returns:
        The shape, with None for any size.
    """
    if np.issubdtype(a.dtype, np.integer) or a.ndim < 2:
        return [None] * a.ndim
    return [*([None] * (a.ndim - 1)), a.shape[-1]]

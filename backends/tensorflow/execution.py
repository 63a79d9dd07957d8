"""How a program is executed: as a graph in a Session, or as a ``tf.function``, plain or with XLA."""

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
"""What a run is given, by name; what is not given has no name."""


class Program(NamedTuple):
    """What is to run: made inside the graph, or before any tracing, as legacy cells must be."""

    variables: Sequence[Any]
    """The parameters, in the order of ``parameters.values``."""
    call: Callable[[Feeds], Any]
    slots: Callable[[], Sequence[Any]] = tuple
    """An optimiser's own variables, once ``call`` has been traced."""


class Compiled(NamedTuple):
    """A program that waits for parameters and feeds."""

    run: Callable[[Feeds], Any]
    """What the call returns, as NumPy arrays."""
    assign: Callable[[Sequence[Array]], None]
    """Sets the parameters, and an optimiser's own variables to what they were at first."""
    read: Callable[[], list[Array]]
    """The parameters as they are now."""
    owner: list[object]
    """Whose parameters the variables hold: one entry."""


class Execution(ABC):
    """One way to execute a program on a device."""

    how: str
    optimiser: type[TensorFlow1 | Keras]
    """The optimisers of those who execute so."""

    def place(self, feeds: Feeds, device: str) -> Feeds:
        """``feeds`` as the compiled program takes them; a Session takes NumPy arrays."""
        return feeds

    @abstractmethod
    def compile(
        self, build: Callable[[], Program], feeds: Feeds, device: str, *, fixed: bool
    ) -> Compiled:
        """The program for feeds of these names; where ``fixed``, of these sizes only."""


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
    """A ``tf.function``, compiled by XLA where ``jit_compile``."""

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

        # A call's device costs as much as all else here; where there is one device alone, it is that.
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
    """A tensor, or a list of some; tf.nest, which takes everything, takes far longer."""
    return [t.numpy() for t in found] if isinstance(found, list) else found.numpy()


def any_size(a: Array) -> list[int | None]:
    """A placeholder's shape: only feature widths are fixed, so that sizes share one graph."""
    if np.issubdtype(a.dtype, np.integer) or a.ndim < 2:
        return [None] * a.ndim
    return [*([None] * (a.ndim - 1)), a.shape[-1]]

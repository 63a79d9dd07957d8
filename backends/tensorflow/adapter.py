"""The TensorFlow adapters: inputs to feeds, programs compiled once for many inputs, results by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, ClassVar

import tensorflow as tf

from backends.adapter import (
    PRECISIONS,
    AnyInputs,
    Backend,
    DeviceNotFound,
    Inputs,
    NetworkInputs,
    Prepared,
    Result,
    TrainingInputs,
    Unsupported,
    share_memory,
)
from backends.dialects import (
    TENSORFLOW_CUDNN,
    TENSORFLOW_LEGACY,
    TENSORFLOW_UNROLLED,
    TENSORFLOW_WHILE,
    TENSORFLOW_XLA,
)
from backends.tensorflow import network, recurrent, training
from backends.tensorflow.calls import calls
from backends.tensorflow.device import TF32, Place, feed, find_device, set_precision
from backends.tensorflow.execution import Compiled, Execution, Feeds, Function, Program
from backends.tensorflow.unrolling import Unrolling
from backends.tensorflow.ways import EXECUTIONS, UNROLLINGS
from reference import Array

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # "deprecated", once per cell

KEPT = 16
"""Number of compiled programs to keep; a few hundred would take gigabytes."""


class TensorFlow(Backend):
    """An unrolling and an execution together."""

    packages = ("tensorflow", "tf-keras")
    unrolling: ClassVar[Unrolling]
    execution: ClassVar[Execution]

    def __init__(self, device: str) -> None:
        super().__init__(device)
        share_memory(device, "TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self.device = find_device(device)
        self.framework_defaults = {"tensor_float_32_execution": str(TF32)}
        set_precision("ieee")
        self.settings = {"tensor_float_32_execution": "False"}
        self._compiled: dict[Hashable, Compiled] = {}
        self._tracing = 0.0

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        self.refuse(inputs)
        return recurrent.load(inputs, self._place())

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        return recurrent.fetch(inputs, raw, self._place())

    def run_network(self, inputs: NetworkInputs) -> Result:
        self.refuse(inputs)
        set_precision(inputs.precision)
        return network.run(inputs, self._place())

    def train(self, inputs: TrainingInputs) -> Result:
        self.refuse(inputs)
        set_precision(inputs.precision)
        if len({self._structure(batch._asdict()) for batch in inputs.batches}) > 1:
            raise Unsupported("batches: their feeds differ, and one graph has to take all batches")
        return training.train(inputs, self._place())

    def prepared(self) -> Prepared:
        return Prepared(tracing=self._tracing)

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], Any]:
        placed = Function(jit_compile=False).place(feed(dtype, {"W": W, "v": v}), self.device)

        @tf.function(autograph=False)
        def chain() -> Any:
            result = placed["v"]
            for _ in range(times):
                result = tf.matmul(result[:, : len(W)], placed["W"])
            return result

        def call() -> Any:
            set_precision(precision)
            return chain().numpy()

        return call

    def ran(self, inputs: AnyInputs) -> str:
        called = ", ".join(calls(inputs, self.unrolling, self.execution))
        return called + PRECISIONS[inputs.precision]

    def _compile(self, what: Hashable, build: Callable[[], Program], feeds: Feeds) -> Compiled:
        key = (what, self._structure(feeds), self.dialect.state)
        if key not in self._compiled:
            if len(self._compiled) == KEPT:
                self._compiled.pop(next(iter(self._compiled)))  # the oldest
            fixed = self.unrolling.fixed_steps
            self._compiled[key] = self.execution.compile(
                partial(self._clocked, build), feeds, self.device, fixed=fixed
            )
        return self._compiled[key]

    def _clocked(self, build: Callable[[], Program]) -> Program:
        """Return a program that times its tracing: only then does its Python code run."""
        program = build()

        def call(feeds: Feeds) -> Any:
            started = time.perf_counter()
            outputs = program.call(feeds)
            self._tracing += time.perf_counter() - started
            return outputs

        return program._replace(call=call)

    def _structure(self, feeds: Feeds) -> Hashable:
        """Return the names and, for fixed steps, shapes of feeds; each structure needs a graph."""
        fixed = self.unrolling.fixed_steps
        given = {name: a for name, a in feeds.items() if a is not None}
        return tuple((name, a.shape if fixed else ()) for name, a in given.items())

    def _place(self) -> Place:
        return Place(self.device, self.dialect, self.unrolling, self.execution, self._compile)


class DynamicSession(TensorFlow):
    """``dynamic_rnn`` as TensorFlow 1 ran it."""

    dialect = TENSORFLOW_LEGACY
    unrolling = UNROLLINGS["tensorflow_dynamic_rnn"]
    execution = EXECUTIONS["tensorflow_dynamic_rnn"]


class DynamicFunction(TensorFlow):
    """``dynamic_rnn`` inside a ``tf.function``."""

    dialect = TENSORFLOW_LEGACY
    unrolling = UNROLLINGS["tensorflow_dynamic_rnn_function"]
    execution = EXECUTIONS["tensorflow_dynamic_rnn_function"]


class DynamicXla(TensorFlow):
    """``dynamic_rnn`` inside a ``tf.function``, compiled by XLA."""

    dialect = TENSORFLOW_XLA
    unrolling = UNROLLINGS["tensorflow_dynamic_rnn_xla"]
    execution = EXECUTIONS["tensorflow_dynamic_rnn_xla"]


class StaticSession(TensorFlow):
    """``static_rnn``: one copy of the cell for every step."""

    dialect = TENSORFLOW_LEGACY
    unrolling = UNROLLINGS["tensorflow_static_rnn"]
    execution = EXECUTIONS["tensorflow_static_rnn"]


class UnrolledSession(TensorFlow):
    """Cells written in tensor maths, step by step."""

    dialect = TENSORFLOW_UNROLLED
    unrolling = UNROLLINGS["tensorflow_unrolled"]
    execution = EXECUTIONS["tensorflow_unrolled"]


class WhileXla(TensorFlow):
    """Cells written in tensor maths, in a ``tf.while_loop`` compiled by XLA."""

    dialect = TENSORFLOW_WHILE
    unrolling = UNROLLINGS["tensorflow_while"]
    execution = EXECUTIONS["tensorflow_while"]


class CudnnFunction(TensorFlow):
    """cuDNN's kernels inside a ``tf.function``."""

    dialect = TENSORFLOW_CUDNN
    unrolling = UNROLLINGS["tensorflow_cudnn"]
    execution = EXECUTIONS["tensorflow_cudnn"]

    def __init__(self, device: str) -> None:
        super().__init__(device)
        if self.kind != "cuda":
            raise DeviceNotFound(f"device {device!r}: CudnnRNNV3 needs cuda")

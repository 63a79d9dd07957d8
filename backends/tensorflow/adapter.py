"""The adapter: inputs to feeds, programs compiled once for many, results by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
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
from backends.layouts import values as trained_values
from backends.tensorflow.calls import calls
from backends.tensorflow.cudnn import Cudnn
from backends.tensorflow.execution import Compiled, Execution, Feeds, Function, Program, Session
from backends.tensorflow.network import spec_of, whole
from backends.tensorflow.parameters import Parts, canonical, values
from backends.tensorflow.recurrent import Recurrence, bare
from backends.tensorflow.training import training
from backends.tensorflow.unrolled import Unrolled
from backends.tensorflow.unrolling import Dynamic, Static, Unrolling
from backends.tensorflow.while_loop import While
from reference import Array
from reference.trees import named

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # "deprecated", once per cell

TF32 = tf.config.experimental.tensor_float_32_execution_enabled()
"""Whether it may use TF32; read at import, before any backend says so."""

KEPT = 16
"""Programs that stay compiled: a few hundred would take gigabytes."""


class TensorFlow(Backend):
    """A way to unroll and a way to execute, together."""

    packages = ("tensorflow", "tf-keras")
    unrolling: ClassVar[Unrolling]
    execution: ClassVar[Execution]

    def __init__(self, device: str) -> None:
        super().__init__(device)
        share_memory(device, "TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self.device = _device(device)
        self.framework_defaults = {"tensor_float_32_execution": str(TF32)}
        set_precision("ieee")
        self.settings = {"tensor_float_32_execution": "False"}
        self._compiled: dict[Hashable, Compiled] = {}
        self._tracing = 0.0

    @property
    def recurrence(self) -> Recurrence:
        """How recurrent networks are run."""
        return Recurrence(self.unrolling, self.dialect)

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        spec, dtype = inputs.spec, inputs.dtype
        self.refuse(inputs)
        feeds = _bare_feeds(inputs)
        build = partial(bare, self.recurrence, spec, inputs.params, dtype)
        compiled = self._compile((spec, dtype, inputs.precision), build, feeds)
        weights = values(self.dialect, [(spec, inputs.params)], dtype)
        me, placed = object(), self.execution.place(feeds, self.device)

        def call() -> Any:
            set_precision(inputs.precision)
            if compiled.owner != [me]:  # another load of this program may have come between
                compiled.assign(weights)
                compiled.owner[:] = [me]
            return compiled.run(placed)

        return call

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        tensors = dict(raw)
        if inputs.incoming is not None:
            parts = [(inputs.spec, inputs.params)]
            (found,) = canonical(self.dialect, parts, tensors.pop("dparams"))
            tensors |= named(found, "dparams")
        return _result(tensors)

    def run_network(self, inputs: NetworkInputs) -> Result:
        network, dtype, parts = inputs.network, inputs.dtype, self._parts(inputs)
        feeds = _feeds(dtype, inputs.data._asdict())
        build = partial(whole, self.recurrence, network, inputs.params, dtype)
        compiled = self._compile((network, dtype, inputs.precision), build, feeds)
        compiled.assign(values(self.dialect, parts, dtype))
        tensors = dict(compiled.run(self.execution.place(feeds, self.device)))
        found = canonical(self.dialect, parts, tensors.pop("dparams"))
        return _result(tensors | named(found, "dparams"))

    def train(self, inputs: TrainingInputs) -> Result:
        dtype, parts = inputs.dtype, self._parts(inputs)
        batches = [_feeds(dtype, batch._asdict()) for batch in inputs.batches]
        if len({self._structure(feeds) for feeds in batches}) > 1:
            raise Unsupported("batches: one graph takes all of them, and theirs would not be one")
        build = partial(training, self.recurrence, inputs, self.execution.optimiser)
        key = (inputs.network, dtype, inputs.precision, inputs.optimiser, inputs.clip)
        compiled = self._compile(key, build, batches[0])
        compiled.assign(values(self.dialect, parts, dtype))
        ran = [compiled.run(self.execution.place(feeds, self.device)) for feeds in batches]
        left = compiled.read()
        exact = canonical(self.dialect, parts, [a.astype(np.float64) for a in left], trained_values)
        kinds = canonical(self.dialect, parts, left)  # as they were, for their types alone
        losses = {"loss": np.stack([each["loss"] for each in ran])}
        result = _result(losses | named(kinds, "params"))
        ended = {n: a for n, a in named(exact, "params").items() if n not in inputs.fixed}
        return result._replace(tensors=losses | ended)

    def prepared(self) -> Prepared:
        return Prepared(tracing=self._tracing)

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], Any]:
        placed = Function(jit_compile=False).place(_feeds(dtype, {"W": W, "v": v}), self.device)

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
        """The program; TensorFlow runs its call in Python only while it traces."""
        program = build()

        def call(feeds: Feeds) -> Any:
            started = time.perf_counter()
            outputs = program.call(feeds)
            self._tracing += time.perf_counter() - started
            return outputs

        return program._replace(call=call)

    def _structure(self, feeds: Feeds) -> Hashable:
        """What a graph is made for: what is fed and, where steps are fixed, in which sizes."""
        fixed = self.unrolling.fixed_steps
        return tuple((name, a.shape if fixed else ()) for name, a in feeds.items())

    def _parts(self, inputs: NetworkInputs | TrainingInputs) -> Parts:
        """The parameters of every layer, which multiply from now on as is asked.

        Raises ``Unsupported`` for what cannot be run.
        """
        self.refuse(inputs)
        set_precision(inputs.precision)
        trees = zip(inputs.network, inputs.params, strict=True)
        return [(spec_of(layer), tree) for layer, tree in trees]


class DynamicSession(TensorFlow):
    """``dynamic_rnn`` as TensorFlow 1 ran it."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Dynamic()
    execution = Session()


class DynamicFunction(TensorFlow):
    """The same calls inside a ``tf.function``."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Dynamic()
    execution = Function(jit_compile=False)


class DynamicXla(TensorFlow):
    """The same ``tf.function``, compiled by XLA."""

    dialect = TENSORFLOW_XLA
    unrolling = Dynamic()
    execution = Function(jit_compile=True)


class StaticSession(TensorFlow):
    """``static_rnn``: one copy of the cell for every step."""

    dialect = TENSORFLOW_LEGACY
    unrolling = Static()
    execution = Session()


class UnrolledSession(TensorFlow):
    """Cells written in tensor maths, step by step."""

    dialect = TENSORFLOW_UNROLLED
    unrolling = Unrolled()
    execution = Session()


class WhileXla(TensorFlow):
    """The same cells in a loop of the graph, compiled by XLA, with gradients made for it."""

    dialect = TENSORFLOW_WHILE
    unrolling = While()
    execution = Function(jit_compile=True)


class CudnnFunction(TensorFlow):
    """cuDNN's kernels inside a ``tf.function``."""

    dialect = TENSORFLOW_CUDNN
    unrolling = Cudnn()
    execution = Function(jit_compile=False)

    def __init__(self, device: str) -> None:
        super().__init__(device)
        if self.kind != "cuda":
            raise DeviceNotFound(f"device {device!r}: CudnnRNNV3 needs cuda")


def set_precision(precision: str) -> None:
    """Make float32 products in one of ``backends.adapter.PRECISIONS``."""
    wanted = {"ieee": False, "tf32": True, "default": TF32}[precision]
    if tf.config.experimental.tensor_float_32_execution_enabled() != wanted:
        tf.config.experimental.enable_tensor_float_32_execution(wanted)


def _bare_feeds(inputs: Inputs) -> Feeds:
    given = {"x": inputs.x, "lengths": inputs.lengths, "h0": inputs.h0, "c0": inputs.c0}
    incoming = inputs.incoming._asdict() if inputs.incoming else {}
    return _feeds(inputs.dtype, given | {f"d{name}": d for name, d in incoming.items()})


def _feeds(dtype: str, arrays: Mapping[str, Array | None]) -> Feeds:
    """What is given: numbers in ``dtype``, words and lengths as 32-bit integers."""
    given = {name: a for name, a in arrays.items() if a is not None}
    numbers = tf.as_dtype(dtype).as_numpy_dtype
    return {
        name: a.astype(np.int32 if a.dtype.kind in "iu" else numbers) for name, a in given.items()
    }


def _result(tensors: Mapping[str, Array]) -> Result:
    return Result(
        {name: np.asarray(a).astype(np.float64) for name, a in tensors.items()},
        {name: str(a.dtype) for name, a in tensors.items()},
    )


def _device(name: str) -> str:
    found = [f"{d.device_type}:{i}".lower().replace("gpu", "cuda")
             for kind in ("CPU", "GPU")
             for i, d in enumerate(tf.config.list_logical_devices(kind))]  # fmt: skip
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(f"device {name!r}: TensorFlow {tf.__version__} found {found}")
    return wanted.replace("cuda", "gpu")

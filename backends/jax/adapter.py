"""JAX: networks as pure functions, run over time by ``lax.scan`` under ``jax.jit``; optax trains them.

JAX has no recurrent module. Users write one as ``JaxScan`` does, and make it fast as ``JaxVjp`` does.
``JaxCudnn`` calls cuDNN's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax

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
    share_memory,
)
from backends.dialects import JAX, JAX_CUDNN, JAX_VJP
from backends.jax import cudnn, deferred, network, recurrent, scan, training
from backends.jax.compile_time import prepared
from backends.jax.device import (
    DEFAULTS,
    Place,
    find_device,
    put,
    set_precision,
    set_wide,
    settings,
)
from reference import Array


class JaxScan(Backend):
    """One jitted function for each kind of inputs."""

    dialect = JAX
    packages = ("jax", "jaxlib", "optax")
    unroll: ClassVar[scan.Unroll] = partial(scan.network, scan.scan)
    """The function that runs a network over time."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        share_memory(device, "XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.framework_defaults = DEFAULTS
        set_wide()
        set_precision("ieee")
        self.settings = settings()
        self.device = find_device(device)

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        self.refuse(inputs)
        return self._waiting(recurrent.load(inputs, self._place()), inputs.precision)

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        return recurrent.fetch(inputs, raw, self._place())

    def run_network(self, inputs: NetworkInputs) -> Result:
        self.refuse(inputs)
        set_precision(inputs.precision)
        return network.run(inputs, self._place())

    def train(self, inputs: TrainingInputs) -> Result:
        self.refuse(inputs)
        set_precision(inputs.precision)
        return training.train(inputs, self._place())

    def prepared(self) -> Prepared:
        return prepared()

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], jax.Array]:
        held = put(self.device, dtype, (W, v))

        @jax.jit
        def chain(W: jax.Array, v: jax.Array) -> jax.Array:
            def again(_: int, result: jax.Array) -> jax.Array:
                return result[:, : len(W)] @ W

            once = v @ W
            return once if times == 1 else jax.lax.fori_loop(1, times, again, once)

        return self._waiting(partial(chain, *held), precision)

    def _waiting(self, call: Callable[[], Any], precision: str) -> Callable[[], Any]:
        """Return a function that runs ``call`` in a precision and waits for the device."""

        def waits() -> Any:
            set_precision(precision)
            return jax.block_until_ready(call())

        return waits

    def ran(self, inputs: AnyInputs) -> str:
        return f"jax.jit of {self._called(inputs)}{PRECISIONS[inputs.precision]}"

    def _called(self, inputs: AnyInputs) -> str:
        if isinstance(inputs, Inputs):
            return self._call(inputs)
        called = network.called(inputs.network)
        if isinstance(inputs, TrainingInputs):
            return f"{called}; {training.called(inputs.optimiser, inputs.clip)}"
        return called

    def _call(self, inputs: Inputs) -> str:
        return f"{'jax.vjp of ' if inputs.incoming else ''}jax.lax.scan"

    def _place(self) -> Place:
        return Place(self.device, self.dialect, self.unroll)


class JaxVjp(JaxScan):
    """``JaxScan`` with a ``custom_vjp``: one matmul after the loop for each weight's gradient."""

    dialect = JAX_VJP
    unroll = partial(scan.network, deferred.scan)

    def _call(self, inputs: Inputs) -> str:
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        hoisted = "; the input's product before it" if deferred.hoists(batch) else ""
        vjp = "jax.vjp of a jax.custom_vjp of " if inputs.incoming else ""
        return f"{vjp}jax.lax.scan{hoisted}"


class JaxCudnn(JaxScan):
    """``jax.experimental.rnn.lstm``: all layers and directions in one call of cuDNN."""

    dialect = JAX_CUDNN
    unroll = staticmethod(cudnn.network)

    def __init__(self, device: str) -> None:
        super().__init__(device)
        if self.kind != "cuda":
            raise DeviceNotFound(
                f"device {device!r}: jax.experimental.rnn is cuDNN's LSTM, which needs cuda"
            )

    def _call(self, inputs: Inputs) -> str:
        return f"{'jax.vjp of ' if inputs.incoming else ''}jax.experimental.rnn.lstm (cuDNN)"

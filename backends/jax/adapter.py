"""JAX: networks as pure functions, run over time by ``lax.scan`` under ``jax.jit``; optax trains them.

JAX has no recurrent module of its own. ``JaxScan`` is how its users write one, ``JaxVjp`` is how they
make it fast, and ``JaxCudnn`` is the one that cuDNN has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import jax
import numpy as np

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
from backends.jax import cudnn, deferred, parameters, training
from backends.jax import network as layers
from backends.jax import recurrent as rnn
from backends.jax.compile_time import prepared
from backends.jax.device import (
    DEFAULTS,
    find_device,
    put,
    result,
    set_precision,
    set_wide,
    settings,
)
from reference import Array
from reference.trees import named


class JaxScan(Backend):
    """Each kind of inputs is one jitted function."""

    dialect = JAX
    packages = ("jax", "jaxlib", "optax")
    unroll: ClassVar[rnn.Unroll] = partial(rnn.network, rnn.scan)
    """Runs a network over time."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        share_memory(device, "XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.framework_defaults = DEFAULTS
        set_wide()
        set_precision("ieee")
        self.settings = settings()
        self.device = find_device(device)

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        spec = inputs.spec
        self.refuse(inputs)
        blocks = parameters.blocks(self.dialect, spec, inputs.params)
        arrays = (blocks, inputs.x, inputs.h0, inputs.c0, inputs.lengths)
        held = put(self.device, inputs.dtype, arrays)
        spec = replace(spec, forget_bias=0.0)  # the bias has it: one program for every value
        if inputs.incoming is None:
            return self._waiting(partial(rnn.forward, self.unroll, spec, *held), inputs.precision)
        by_state = {"h": inputs.incoming.h_n, "c": inputs.incoming.c_n}
        order = self.dialect.state_order(spec)
        incoming = (inputs.incoming.y, tuple(by_state[name] for name in order))
        d = put(self.device, inputs.dtype, incoming)
        call = partial(rnn.differentiate, self.unroll, spec, *held, d)
        return self._waiting(call, inputs.precision)

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        spec = inputs.spec
        (y, states), d = raw if inputs.incoming else (raw, None)
        final = zip(self.dialect.state_order(spec), states, strict=True)
        arrays = {"y": y} | {f"{name}_n": state for name, state in final}
        if d:
            d_blocks, *d_arrays = d
            d_named = zip(("dx", "dh0", "dc0"), d_arrays, strict=True)
            arrays |= {name: a for name, a in d_named if a is not None}
            d_params = parameters.gradients(self.dialect, spec, inputs.params, d_blocks)
            arrays |= named(d_params, "dparams")
        return result(arrays)

    def run_network(self, inputs: NetworkInputs) -> Result:
        held = self._held(inputs)
        data = put(self.device, inputs.dtype, inputs.data)
        y, loss, (d_held, *dx) = layers.differentiate(self.unroll, inputs.network, held, data)
        found = parameters.network_gradients(self.dialect, inputs.network, inputs.params, d_held)
        arrays = {"y": y, "loss": loss} | ({"dx": dx[0]} if dx else {})
        return result(arrays | named(found, "dparams"))

    def train(self, inputs: TrainingInputs) -> Result:
        held = self._held(inputs)
        batches = put(self.device, inputs.dtype, inputs.batches)
        losses, found = training.train(
            self.unroll,
            inputs.network,
            inputs.optimiser,
            inputs.clip,
            parameters.trained(inputs.network, held),
            held,
            batches,
            self.device,
        )
        its = (self.dialect, inputs.network, inputs.params, found)
        loss = {"loss": np.stack(losses)}
        typed = result(loss | named(parameters.network_gradients(*its), "params"))
        exact = result(loss | named(parameters.network_values(*its), "params"))
        left = {name: a for name, a in exact.tensors.items() if name not in inputs.fixed}
        return Result(left, typed.dtypes)

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
        """``call`` in this precision; it returns once the device is done."""

        def waits() -> Any:
            set_precision(precision)
            return jax.block_until_ready(call())

        return waits

    def ran(self, inputs: AnyInputs) -> str:
        return f"jax.jit of {self._called(inputs)}{PRECISIONS[inputs.precision]}"

    def _called(self, inputs: AnyInputs) -> str:
        if isinstance(inputs, Inputs):
            return self._call(inputs)
        called = layers.called(inputs.network)
        if isinstance(inputs, TrainingInputs):
            return f"{called}; {training.called(inputs.optimiser, inputs.clip)}"
        return called

    def _call(self, inputs: Inputs) -> str:
        return f"{'jax.vjp of ' if inputs.incoming else ''}jax.lax.scan"

    def _held(self, inputs: NetworkInputs | TrainingInputs) -> Any:
        """The network's parameters on the device, which multiplies from now on as is asked."""
        self.refuse(inputs)
        set_precision(inputs.precision)
        blocks = parameters.stored(self.dialect, inputs.network, inputs.params)
        return put(self.device, inputs.dtype, blocks)


class JaxVjp(JaxScan):
    """The same with a ``custom_vjp``: the weights' gradients after the loop, in one product each."""

    dialect = JAX_VJP
    unroll = partial(rnn.network, deferred.scan)

    def _call(self, inputs: Inputs) -> str:
        batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
        hoisted = "; the input's product before it" if deferred.hoists(batch) else ""
        vjp = "jax.vjp of a jax.custom_vjp of " if inputs.incoming else ""
        return f"{vjp}jax.lax.scan{hoisted}"


class JaxCudnn(JaxScan):
    """``jax.experimental.rnn.lstm``: all layers and directions in one call of cuDNN's."""

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

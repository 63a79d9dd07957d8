"""JAX: cells in ``jax.numpy``, run over time by ``lax.scan`` under one ``jax.jit``.

JAX has no recurrent module of its own; this is how its users write one. The spec is static; the
weights, states and lengths are arguments, so that cases of one shape share one compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from backends.adapter import Backend, DeviceNotFound, Inputs, Result, Unsupported
from backends.dialects import JAX_SCAN, unsupported
from backends.layouts import Block, convert
from reference import Array, Spec

SETTINGS = {"jax_enable_x64": True, "jax_default_matmul_precision": "highest"}
"""float64 must not become float32, and float32 products must not become TF32 or bfloat16."""


DEFAULTS = {name: str(getattr(jax.config, name)) for name in SETTINGS}
"""Read at import, before any backend sets them."""


class JaxScan(Backend):
    """One jitted function for the whole network."""

    dialect = JAX_SCAN
    packages = ("jax", "jaxlib")

    def __init__(self, device: str) -> None:
        self.framework_defaults = DEFAULTS
        for name, value in SETTINGS.items():
            jax.config.update(name, value)
        self.settings = {name: str(value) for name, value in SETTINGS.items()}
        self.device = _device(device)

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        spec = inputs.spec
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, spec, inputs.dtype, lengths):
            raise Unsupported(why)
        dialect = self.dialect.cells[spec.cell]

        def put(values: Array) -> jax.Array:
            return jax.device_put(jnp.asarray(values, inputs.dtype), self.device)

        blocks = [[convert(spec, dialect, w)[0] for w in layer] for layer in inputs.params]
        arrays = jax.tree.map(put, (blocks, inputs.x, inputs.h0, inputs.c0))
        ends = None if lengths is None else jax.device_put(jnp.asarray(lengths), self.device)
        return lambda: jax.block_until_ready(network(spec, *arrays, ends))

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        y, states = raw
        names = self.dialect.state if inputs.spec.cell == "lstm" else "h"
        tensors = {"y": y} | {f"{n}_n": s for n, s in zip(names, states, strict=True)}
        dtypes = {name: str(a.dtype) for name, a in tensors.items()}
        arrays = {name: np.asarray(a.astype("float64")) for name, a in tensors.items()}
        return Result(arrays["y"], arrays["h_n"], arrays.get("c_n"), dtypes)

    def ran(self, inputs: Inputs) -> str:
        return "jax.jit of jax.lax.scan"


@partial(jax.jit, static_argnums=0)
def network(
    spec: Spec,
    params: list[list[Block]],
    x: jax.Array,
    h0: jax.Array | None,
    c0: jax.Array | None,
    lengths: jax.Array | None,
) -> tuple[jax.Array, list[jax.Array]]:
    """The outputs and the final states, in the layout and shapes of ``reference.run``."""
    xs = jnp.swapaxes(x, 0, 1) if spec.batch_first else x
    steps, batch, _ = xs.shape
    valid = None
    if lengths is not None:
        valid = (jnp.arange(steps)[:, None] < lengths)[..., None]
    zero = jnp.zeros((batch, spec.hidden_size), x.dtype)
    backwards = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    finals: list[Any] = []
    for layer in params:
        outputs = []
        for w, reverse in zip(layer, backwards[spec.direction], strict=True):
            start = [zero if s is None else s[len(finals)] for s in (h0, c0)]
            state = tuple(start if spec.cell == "lstm" else start[:1])
            final, ys = scan(spec, w, xs, state, valid, reverse)
            outputs.append(ys)
            finals.append(final)
        xs = jnp.concatenate(outputs, axis=-1)
    states = [jnp.stack(part) for part in zip(*finals, strict=True)]
    y = jnp.swapaxes(xs, 0, 1) if spec.batch_first else xs
    return y, states


def scan(
    spec: Spec, w: Block, xs: jax.Array, state: Any, valid: jax.Array | None, reverse: bool
) -> Any:
    """One layer in one direction: final state and outputs."""

    def step(state: Any, at: Any) -> Any:
        x, ok = at
        new = CELLS[spec.cell](spec, w, x, state)
        if ok is None:
            return new, new[0]
        kept = tuple(jnp.where(ok, n, s) for n, s in zip(new, state, strict=True))
        return kept, jnp.where(ok, new[0], 0)

    return lax.scan(step, state, (xs, valid), reverse=reverse)


def _affine(v: jax.Array, W: Any, b: Any) -> jax.Array:
    return v @ W if b is None else v @ W + b


def vanilla(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """h' = act(x W + b + h U)."""
    act = jnp.tanh if spec.activation == "tanh" else jax.nn.relu
    return (act(_affine(x, w.kernel, w.bias) + state[0] @ w.recurrent),)


def gru(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """The reset gate applied after or before the recurrent product, as the spec says."""
    (h,) = state
    x_r, x_z, x_n = jnp.split(_affine(x, w.kernel, w.bias), 3, axis=-1)
    if spec.reset == "after":
        h_r, h_z, h_n = jnp.split(_affine(h, w.recurrent, w.recurrent_bias), 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * h_n)
    else:
        assert w.recurrent is not None
        cut = 2 * spec.hidden_size
        b = w.recurrent_bias
        b_rz, b_n = (None, None) if b is None else (b[:cut], b[cut:])
        h_r, h_z = jnp.split(_affine(h, w.recurrent[:, :cut], b_rz), 2, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + _affine(r * h, w.recurrent[:, cut:], b_n))
    return ((1 - z) * n + z * h,)


def lstm(spec: Spec, w: Block, x: jax.Array, state: Any) -> Any:
    """The forget bias is stored in the bias, as the dialect declares."""
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(_affine(x, w.kernel, w.bias) + h @ w.recurrent, 4, axis=-1)
    c = jax.nn.sigmoid(a_f) * c + jax.nn.sigmoid(a_i) * jnp.tanh(a_g)
    return jax.nn.sigmoid(a_o) * jnp.tanh(c), c


CELLS: dict[str, Callable[..., Any]] = {"vanilla": vanilla, "gru": gru, "lstm": lstm}


def _device(name: str) -> Any:
    found: dict[str, Any] = {}
    for platform in ("cpu", "cuda"):
        try:
            found |= {f"{platform}:{d.id}": d for d in jax.devices(platform)}
        except RuntimeError:  # JAX's way of saying that it has no such platform
            continue
    wanted = name if ":" in name else f"{name}:0"
    if wanted not in found:
        raise DeviceNotFound(f"device {name!r}: JAX {jax.__version__} found {list(found)}")
    return found[wanted]

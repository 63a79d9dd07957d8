"""PyTorch: ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM``, with packed sequences where lengths are given.

``pack_padded_sequence`` refuses rows of length 0. The adapter leaves such rows out of the batch
and gives them back as the specification has them: outputs 0, final state = initial state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from backends.adapter import Backend, DeviceNotFound, Inputs, Result, Unsupported
from backends.dialects import PYTORCH, unsupported
from backends.layouts import convert
from reference import Array

PRECISION: dict[str, Any] = {
    "torch.backends.cuda.matmul": torch.backends.cuda.matmul,
    "torch.backends.cudnn.rnn": torch.backends.cudnn.rnn,
    "torch.backends.mkldnn.matmul": torch.backends.mkldnn.matmul,
    "torch.backends.mkldnn.rnn": torch.backends.mkldnn.rnn,
}
"""Every switch that lets float32 be computed in fewer bits; all are set to IEEE float32."""

DEFAULTS = {f"{name}.fp32_precision": str(s.fp32_precision) for name, s in PRECISION.items()}
"""Read at import, before any backend sets them."""

MODULES = {"vanilla": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class PyTorch(Backend):
    """The fused modules, in inference mode."""

    dialect = PYTORCH
    packages = ("torch",)

    def __init__(self, device: str) -> None:
        self.device = _device(device)
        self.framework_defaults = DEFAULTS
        for switch in PRECISION.values():
            switch.fp32_precision = "ieee"
        self.settings = dict.fromkeys(DEFAULTS, "ieee")

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        spec = inputs.spec
        lengths = None if inputs.lengths is None else tuple(int(n) for n in inputs.lengths)
        if why := unsupported(self.dialect, spec, inputs.dtype, lengths):
            raise Unsupported(why)
        module = self._module(inputs)
        rows = _rows(inputs)
        x = self._tensor(inputs, inputs.x[rows] if spec.batch_first else inputs.x[:, rows])
        state = self._initial_state(inputs, rows)
        if lengths is None:
            return self._synchronised(lambda: module(x, state))
        kept = torch.tensor(lengths)[rows]
        total = x.shape[1 if spec.batch_first else 0]

        def call() -> Any:
            packed = pack_padded_sequence(x, kept, spec.batch_first, enforce_sorted=False)
            output, final = module(packed, state)
            y, _ = pad_packed_sequence(output, spec.batch_first, total_length=total)
            return y, final

        return self._synchronised(call)

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        y, final = raw
        states = dict(zip(self.dialect.state, final, strict=True)) if _is_lstm(inputs) else {
            "h": final
        }  # fmt: skip
        tensors = {"y": y} | {f"{name}_n": states[name] for name in ("h", "c") if name in states}
        dtypes = {name: str(t.dtype).removeprefix("torch.") for name, t in tensors.items()}
        arrays = {name: t.to("cpu", torch.float64).numpy() for name, t in tensors.items()}
        rows, batch_axis = _rows(inputs), 0 if inputs.spec.batch_first else 1
        if not rows.all():
            arrays["y"] = _fill(arrays["y"], rows, batch_axis, None)
            arrays["h_n"] = _fill(arrays["h_n"], rows, 1, inputs.h0)
            if "c_n" in arrays:
                arrays["c_n"] = _fill(arrays["c_n"], rows, 1, inputs.c0)
        return Result(arrays["y"], arrays["h_n"], arrays.get("c_n"), dtypes)

    def ran(self, inputs: Inputs) -> str:
        packed = "padded" if inputs.lengths is None else "packed"
        dropped = "" if _rows(inputs).all() else ", rows of length 0 left out by the adapter"
        return f"torch.nn.{MODULES[inputs.spec.cell].__name__}, {packed} input{dropped}"

    def _module(self, inputs: Inputs) -> nn.Module:
        spec, dialect = inputs.spec, self.dialect.cells[inputs.spec.cell]
        blocks = [
            [convert(spec, dialect, weights)[0] for weights in layer] for layer in inputs.params
        ]
        options = {"nonlinearity": spec.activation} if spec.cell == "vanilla" else {}
        module = MODULES[spec.cell](
            spec.input_size,
            spec.hidden_size,
            spec.num_layers,
            bias=blocks[0][0].bias is not None,
            batch_first=spec.batch_first,
            bidirectional=spec.direction == "bidirectional",
            device=self.device,
            dtype=getattr(torch, inputs.dtype),
            **options,
        )
        values: dict[str, Array | None] = {}
        for layer, by_direction in enumerate(blocks):
            for suffix, block in zip(("", "_reverse"), by_direction, strict=False):
                values |= {
                    f"weight_ih_l{layer}{suffix}": block.kernel,
                    f"weight_hh_l{layer}{suffix}": block.recurrent,
                    f"bias_ih_l{layer}{suffix}": block.bias,
                    f"bias_hh_l{layer}{suffix}": block.recurrent_bias,
                }
        module.load_state_dict(
            {name: self._tensor(inputs, v) for name, v in values.items() if v is not None}
        )
        return module.eval()

    def _initial_state(self, inputs: Inputs, rows: Array) -> Any:
        given = {"h": inputs.h0, "c": inputs.c0}
        if inputs.h0 is None and inputs.c0 is None:
            return None
        states = [
            self._tensor(inputs, np.zeros_like(inputs.h0) if (s := given[name]) is None else s)[
                :, rows
            ]
            for name in (self.dialect.state if _is_lstm(inputs) else "h")
        ]
        return tuple(states) if _is_lstm(inputs) else states[0]

    def _tensor(self, inputs: Inputs, values: Array) -> torch.Tensor:
        return torch.tensor(values, dtype=getattr(torch, inputs.dtype), device=self.device)

    def _synchronised(self, call: Callable[[], Any]) -> Callable[[], Any]:
        def wait() -> Any:
            with torch.inference_mode():
                result = call()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return result

        return wait


def _is_lstm(inputs: Inputs) -> bool:
    return inputs.spec.cell == "lstm"


def _rows(inputs: Inputs) -> Array:
    """The batch rows that PyTorch is given: all but those of length 0."""
    batch = inputs.x.shape[0 if inputs.spec.batch_first else 1]
    return np.ones(batch, bool) if inputs.lengths is None else inputs.lengths > 0


def _fill(kept: Array, rows: Array, axis: int, initial: Array | None) -> Array:
    """``kept`` with the rows that were left out put back: ``initial``, or 0 where there is none."""
    shape = list(kept.shape)
    shape[axis] = len(rows)
    whole = np.zeros(shape) if initial is None else initial.copy()
    whole[(slice(None),) * axis + (rows,)] = kept
    return whole


def _device(name: str) -> torch.device:
    found = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise DeviceNotFound(f"device {name!r}: PyTorch {torch.__version__} found {found}")
    return torch.device(wanted)

"""The reference against other implementations.

Forward against ONNX's reference evaluator: both are written in NumPy and meant as specifications. Forward and backward
against PyTorch's nn.LSTM, on one thread: the distance of hand-written NumPy gradients from an optimised library.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from threadpoolctl import threadpool_limits

from backends.dialects import ONNX
from backends.layouts import convert
from benchmarks.studies.libraries.library import Calls, Library, Size, problem
from reference import Array, Output, run, vjp


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit every thread pool of this process to one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def _onnx_calls(size: Size) -> Calls:
    """Return forward calls that compute h_n."""
    spec, params, x = problem(size, batch_first=False)
    (block,) = convert(spec, ONNX["lstm"], params[0][0])
    feeds = {
        "X": x,
        "W": block.kernel[None],
        "R": block.recurrent[None],  # type: ignore[index]  # not None in this layout
        "B": np.concatenate([block.bias, block.recurrent_bias])[None],
    }
    evaluator = ReferenceEvaluator(_model(spec.hidden_size))
    return (
        lambda: [run(spec, params, x).h_n],
        lambda: [np.asarray(evaluator.run(["Y_h"], feeds)[0])],
    )


def _pytorch_calls(size: Size) -> Calls:
    """Return calls that compute y, and the gradients of its mean with respect to x and every weight."""
    spec, params, x = problem(size, batch_first=True)
    module = torch.nn.LSTM(spec.input_size, spec.hidden_size, batch_first=True)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    module.load_state_dict(dict(zip(names, map(torch.tensor, params[0][0]), strict=True)))
    x_torch = torch.tensor(x, requires_grad=True)
    arguments = (x_torch, *(getattr(module, name) for name in names))
    rows = (1, len(x), spec.hidden_size)
    incoming = Output(np.ones((*x.shape[:2], rows[-1]), "f") / x[..., 0].size,
                      np.zeros(rows, "f"), np.zeros(rows, "f"))  # fmt: skip
    dy = torch.tensor(incoming.y)

    def ours() -> list[Array]:
        output, pullback = vjp(spec, params, x)
        found = pullback(incoming)
        return [output.y, found.x, *found.params[0][0]]  # type: ignore[list-item]  # it has biases

    def theirs() -> list[Array]:
        y, _ = module(x_torch)
        return [y.detach().numpy(), *(d.numpy() for d in torch.autograd.grad(y, arguments, dy))]

    return ours, theirs


def _model(hidden: int) -> onnx.ModelProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)

    node = onnx.helper.make_node("LSTM", ["X", "W", "R", "B"], ["Y", "Y_h"], hidden_size=hidden)
    graph = onnx.helper.make_graph([node], "lstm", [value(n) for n in "XWRB"],
                                   [value("Y"), value("Y_h")])  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])


LIBRARIES = (
    Library("ONNX", "LSTM forward, float32, NumPy, all cores",
         ((64, 50, 128, 256), (32, 25, 512, 512), (1, 100, 128, 256)), _onnx_calls),
    Library("PyTorch", "LSTM forward and backward, float32, one thread",
         ((16, 25, 512, 512), (16, 150, 256, 256)), _pytorch_calls,
         _one_thread),
)  # fmt: skip

"""``python -m benchmarks.peers``: the reference beside its peers, each pair in one run.

Forward beside ONNX's reference evaluator: both are NumPy, and both are read as specifications.
Forward and backward beside PyTorch's nn.LSTM, on one thread: how far hand-written gradients in NumPy
are from a library made for speed. The two of a pair take turns, so that a change of the machine's
speed meets both; the figure is the median of the ratios of neighbours, with a bootstrap 95 % interval.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from backends.dialects import ONNX
from backends.layouts import convert
from reference import Array, Output, Params, Spec, Weights, run, vjp, weight_shapes

ROUNDS = 41

Size = tuple[int, int, int, int]
Calls = tuple[Callable[[], list[Array]], Callable[[], list[Array]]]


class Peer(NamedTuple):
    """Something to stand beside: its name, what is timed, on which (B, T, I, H), and how."""

    name: str
    title: str
    sizes: tuple[Size, ...]
    calls: Callable[[Size], Calls]
    """Ours and theirs, on the same arrays; both return the same tensors."""
    threads: int | None
    """None for as many as there are."""


def main() -> int:
    """Print the tables; 1 where two do not agree, whose times would then mean nothing."""
    for peer in PEERS:
        table = Table("(B, T, I, H)", "rnnspec ms", f"{peer.name} ms", f"{peer.name} / rnnspec",
                      "95 % interval", title=peer.title)  # fmt: skip
        with threads(peer.threads):
            for size in track(peer.sizes, peer.name):
                ours, theirs = peer.calls(size)
                if why := difference(ours(), theirs()):
                    Console(stderr=True).print(f"{peer.name} {size}: {why}: no times")
                    return 1
                a, b = in_turn(ours, theirs)
                ratios = np.array(b) / np.array(a)
                low, high = interval(ratios)
                table.add_row(str(size), f"{1e3 * statistics.median(a):.2f}",
                              f"{1e3 * statistics.median(b):.2f}", f"{np.median(ratios):.3f}",
                              f"{low:.3f} … {high:.3f}")  # fmt: skip
        Console().print(table)
    return 0


def difference(ours: list[Array], theirs: list[Array]) -> str:
    """What is not the same to five digits of the largest element; empty where all is."""
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        off = np.abs(a - b).max() / np.abs(b).max()
        if not off <= 1e-5:  # a NaN is no agreement
            return f"tensor {k} differs by {off} of its largest element"
    return ""


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Limit every thread pool of this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    with threadpool_limits(count):
        yield
    torch.set_num_threads(before)


def problem(size: Size, *, batch_first: bool) -> tuple[Spec, Params, Array]:
    """An LSTM in float32, with its weights and input."""
    batch, steps, inputs, hidden = size
    random = np.random.default_rng(0)
    spec = Spec(cell="lstm", input_size=inputs, hidden_size=hidden, batch_first=batch_first)

    def draw(shape: Any) -> Array:
        width = np.sqrt(3 / shape[-1])
        return random.uniform(-width, width, shape).astype(np.float32)

    weights = Weights(*(draw(shape) for shape in weight_shapes(spec, 0).values()))
    axes = (batch, steps) if batch_first else (steps, batch)
    return spec, ((weights,),), draw((*axes, inputs))


def beside_onnx(size: Size) -> Calls:
    """Forward, h_n."""
    spec, params, x = problem(size, batch_first=False)
    (block,) = convert(spec, ONNX["lstm"], params[0][0])
    feeds = {
        "X": x,
        "W": block.kernel[None],
        "R": block.recurrent[None],  # type: ignore[index]  # not joined, as declared
        "B": np.concatenate([block.bias, block.recurrent_bias])[None],
    }
    evaluator = ReferenceEvaluator(_model(spec.hidden_size))
    return (
        lambda: [run(spec, params, x).h_n],
        lambda: [np.asarray(evaluator.run(["Y_h"], feeds)[0])],
    )


def beside_pytorch(size: Size) -> Calls:
    """Forward and backward: y, and the gradients of the mean of y by x and every weight."""
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


def in_turn(a: Callable[[], Any], b: Callable[[], Any]) -> tuple[list[float], list[float]]:
    """Seconds of ``a`` and of ``b``, a b b a a b b a …, after three rounds that do not count."""
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for number in range(ROUNDS + 3):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            (a, b)[which]()
            if number >= 3:
                seconds[which].append(time.perf_counter() - started)
    return seconds[0], seconds[1]


def interval(ratios: Array) -> tuple[float, float]:
    """Bootstrap 95 % interval of the median."""
    chosen = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(chosen, axis=1), [0.025, 0.975])
    return float(low), float(high)


PEERS = (
    Peer("ONNX", "LSTM forward, float32, NumPy, all cores",
         ((64, 50, 128, 256), (32, 25, 512, 512), (1, 100, 128, 256)), beside_onnx, None),
    Peer("PyTorch", "LSTM forward and backward, float32, one thread",
         ((16, 25, 512, 512), (16, 150, 256, 256)), beside_pytorch, 1),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

"""``python -m benchmarks.peers``: the reference beside ONNX's reference evaluator, in one run.

Both are NumPy, and both are read as specifications. They take turns, so that a change of the
machine's speed meets both; the figure is the median of the ratios of neighbours, with a bootstrap
95 % interval.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backends.dialects import CellDialect
from backends.layouts import convert
from reference import Array, Spec, Weights, run, weight_shapes

SIZES = ((64, 50, 128, 256), (32, 25, 512, 512), (1, 100, 128, 256))
"""(B, T, I, H)."""

ROUNDS = 41
ONNX_LSTM = CellDialect(
    blocks=("iofg",),
    joined=False,
    transposed=False,
    biases=2,
    bias_optional=True,
    forget_bias="",
)


def main() -> int:
    """Print the table; 1 where the two do not agree, whose times would then mean nothing."""
    table = Table("(B, T, I, H)", "rnnspec ms", "ONNX ms", "ONNX / rnnspec", "95 % interval",
                  title="LSTM forward, float32, NumPy, all cores")  # fmt: skip
    for size in track(SIZES, "timing"):
        ours, theirs = calls(*size)
        difference = np.abs(ours() - theirs()).max()
        if not difference <= 1e-5:  # a NaN is no agreement
            Console(stderr=True).print(f"{size}: the two differ by {difference}: no times")
            return 1
        a, b = in_turn(ours, theirs)
        ratios = np.array(b) / np.array(a)
        low, high = interval(ratios)
        table.add_row(str(size), f"{1e3 * statistics.median(a):.2f}",
                      f"{1e3 * statistics.median(b):.2f}", f"{np.median(ratios):.3f}",
                      f"{low:.3f} … {high:.3f}")  # fmt: skip
    Console().print(table)
    return 0


def calls(batch: int, steps: int, inputs: int, hidden: int) -> tuple[Callable[[], Array], ...]:
    """The two as calls without arguments that return h_n, on the same time-major arrays."""
    random = np.random.default_rng(0)
    spec = Spec(cell="lstm", input_size=inputs, hidden_size=hidden, batch_first=False)

    def draw(shape: Any) -> Array:
        size = np.sqrt(3 / shape[-1])
        return random.uniform(-size, size, shape).astype(np.float32)

    weights = Weights(*(draw(shape) for shape in weight_shapes(spec, 0).values()))
    x = draw((steps, batch, inputs))
    (block,) = convert(spec, ONNX_LSTM, weights)
    feeds = {
        "X": x,
        "W": block.kernel[None],
        "R": block.recurrent[None],  # type: ignore[index]  # not joined, as declared
        "B": np.concatenate([block.bias, block.recurrent_bias])[None],
    }
    evaluator = ReferenceEvaluator(_model(hidden))
    return (
        lambda: run(spec, ((weights,),), x).h_n[0],
        lambda: np.asarray(evaluator.run(["Y_h"], feeds)[0])[0],
    )


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


if __name__ == "__main__":
    sys.exit(main())

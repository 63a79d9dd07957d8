"""Cases on both sides of cuDNN's kernel-selection thresholds, as PyTorch sets them (aten/src/ATen/native/cudnn/RNN.cpp).

    persistent, small H    forward H ≤ 192 for LSTM and GRU, ≤ 384 for vanilla; back ≤ 128 and ≤ 256; no projection
    persistent static      16 bits, one layer, one direction, H and I multiples of 128, H ≤ 1024, no packed input

They run on a GPU, and elsewhere with ``--case``.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases.axes import CELLS
from conformance.cases.case import Case
from reference import Spec

SMALL: dict[str, tuple[int, int]] = {
    "vanilla-tanh": (384, 256),
    "vanilla-relu": (384, 256),
    "gru-after": (192, 128),
    "lstm": (192, 128),
}
"""The largest H of a persistent kernel, forward and backward."""

STATIC = 128
"""The divisor of H and I that a persistent static kernel needs."""

BATCH, STEPS = 3, 5
DTYPES = ("float32", "bfloat16", "float16")


def cudnn_cases() -> Iterator[Case]:
    """Yield the cases in every dtype that cuDNN takes except float64, whose kernels are not persistent.

    Yields:
        The cases.

    """
    for dtype in DTYPES:
        for cell, (forward, back) in SMALL.items():
            for most, gradients in ((forward, False), (back, True)):
                for units in (most, most + 1):
                    yield _case(cell, units, 7, dtype, gradients=gradients)
        for cell in ("vanilla-tanh", "gru-after", "lstm"):
            for inputs in (STATIC, STATIC + 1):
                yield _case(cell, 2 * STATIC, inputs, dtype, gradients=True)
                yield _case(cell, 2 * STATIC, inputs, dtype, gradients=True, lengths="ragged")


def _case(
    cell: str, units: int, inputs: int, dtype: str, *, gradients: bool, lengths: str = "full"
) -> Case:
    compared = "gradients" if gradients else "forward"
    return Case(
        id=f"cudnn/{cell}/{compared}/{lengths}/i{inputs}-h{units}/{dtype}",
        spec=Spec(**CELLS[cell], input_size=inputs, hidden_size=units),
        dtype=dtype, batch=BATCH, steps=STEPS, lengths=lengths,
        padding=None if lengths == "full" else 0.0, state=True, gradients=gradients,
    )  # fmt: skip

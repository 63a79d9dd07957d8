"""The workloads, as data: networks and sizes with published names, so that figures can be compared.

deepbench/   Baidu's DeepBench, cell-H-B-T
braun/       S. Braun's LSTM benchmarks for speech (arXiv:1806.01818), input size 123
tutorial/    sizes of the tutorials that the suite grew from, far below those that kernels are made for
scaling/     LSTMs H-B-T-L, with one of the four sizes varied at a time
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

from conformance.cases import DTYPES, OTHER_PRECISIONS, Case
from reference import Spec

Mode: TypeAlias = Literal["forward", "training"]
MODES: tuple[Mode, ...] = ("forward", "training")
"""``forward`` computes outputs; ``training`` also the gradients of all parameters, inputs and states."""

TIMED = (*DTYPES, *OTHER_PRECISIONS)
"""Dtypes that a workload can be timed in."""


class Workload(NamedTuple):
    """A network with its sizes, and the sets that it belongs to."""

    name: str
    spec: Spec
    batch: int
    steps: int
    sets: tuple[str, ...]

    def case(self, mode: Mode, dtype: str = "float32") -> Case:
        """Return the workload as a case.

        Weights and inputs are the same in both modes and in every precision.

        Args:
            mode: ``forward`` or ``training``.
            dtype: one of ``TIMED``.

        Returns:
            The case.
        """
        other = dtype in OTHER_PRECISIONS
        return Case(
            id=f"{self.name}/{dtype}", spec=self.spec, dtype="float32" if other else dtype,
            precision=dtype if other else "ieee", batch=self.batch, steps=self.steps, state=True,
            gradients=mode == "training",
        )  # fmt: skip


def _lstm(inputs: int, hidden: int, **options: object) -> Spec:
    return Spec(cell="lstm", input_size=inputs, hidden_size=hidden, **options)  # type: ignore[arg-type]  # Spec checks them


_relu = Spec(cell="vanilla", activation="relu", input_size=1, hidden_size=1)
_gru = Spec(cell="gru", input_size=1, hidden_size=1)


def _square(spec: Spec, hidden: int) -> Spec:
    return replace(spec, input_size=hidden, hidden_size=hidden)


_TABLE = (
    Workload("deepbench/lstm-512-16-25", _lstm(512, 512), 16, 25, ("cpu",)),
    Workload("deepbench/lstm-256-16-150", _lstm(256, 256), 16, 150, ("cpu",)),
    Workload("deepbench/lstm-256-1-150", _lstm(256, 256), 1, 150, ("cpu",)),
    Workload("deepbench/lstm-1024-128-25", _lstm(1024, 1024), 128, 25, ("gpu",)),
    Workload("deepbench/lstm-4096-128-25", _lstm(4096, 4096), 128, 25, ("gpu",)),
    Workload("deepbench/vanilla-64-1-96", _square(_relu, 64), 1, 96, ("quick", "cpu")),
    Workload("deepbench/vanilla-1760-16-50", _square(_relu, 1760), 16, 50, ("gpu",)),
    Workload("deepbench/vanilla-2560-128-50", _square(_relu, 2560), 128, 50, ("gpu",)),
    Workload("deepbench/gru-512-32-1", _square(_gru, 512), 32, 1, ("cpu",)),
    Workload("deepbench/gru-2816-32-1500", _square(_gru, 2816), 32, 1500, ("gpu",)),
    Workload("braun/1x320-short", _lstm(123, 320), 64, 100, ("cpu",)),
    Workload("braun/1x320-long", _lstm(123, 320), 32, 1000, ("gpu",)),
    Workload(
        "braun/4x320-bi", _lstm(123, 320, num_layers=4, direction="bidirectional"), 32, 1000,
        ("gpu",),
    ),
    Workload("tutorial/6x5x3-7", _lstm(3, 7), 6, 5, ("quick", "cpu")),
    Workload("tutorial/gru-6x5x3-7", replace(_gru, input_size=3, hidden_size=7), 6, 5, ("quick", "cpu")),
    Workload("tutorial/4x2x3-5", _lstm(3, 5), 4, 2, ("cpu",)),
    Workload("tutorial/30-of-400-words", _lstm(400, 3), 1, 30, ("cpu",)),
)  # fmt: skip

_BASE = (256, 16, 20, 1)
_SWEPT = (
    (32, 64, 128, 256, 512, 1024),
    (1, 2, 4, 8, 16, 32, 64),
    (5, 10, 20, 40, 80),
    (1, 2, 3, 4),
)
"""Values of H, B, T and L; one of them varies while the others have the base's value."""


def _swept() -> Iterator[Workload]:
    sizes = {(*_BASE[:k], n, *_BASE[k + 1 :]) for k, values in enumerate(_SWEPT) for n in values}
    for H, B, T, L in sorted(sizes):
        spec = _lstm(H, H, num_layers=L)
        sets = ("quick", "scaling") if (H, B, T, L) == _BASE else ("scaling",)
        yield Workload(f"scaling/lstm-{H}-{B}-{T}-{L}", spec, B, T, sets)


WORKLOADS: dict[str, Workload] = {w.name: w for w in (*_TABLE, *_swept())}
SETS = ("quick", "cpu", "gpu", "scaling")


def names_in_set(name: str) -> list[str]:
    """Return the names of a set's workloads.

    Args:
        name: one of ``SETS``.

    Returns:
        The names, in the order of the table.
    """
    return [w.name for w in WORKLOADS.values() if name in w.sets]

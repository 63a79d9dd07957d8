"""The cases, as data: what is run, on which shapes, with which lengths and which padding.

A drawn case is one value from every axis, and its id is those values in order. The default cases
(default_cases.txt) cover every feasible triple of values on every backend; the named cases are
inputs taken from tutorials, and sums deep enough to show how a kernel accumulates.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference import Spec

CELLS: dict[str, dict[str, Any]] = {
    "vanilla-tanh": {"cell": "vanilla"},
    "vanilla-relu": {"cell": "vanilla", "activation": "relu"},
    "gru-after": {"cell": "gru"},
    "gru-before": {"cell": "gru", "reset": "before"},
    "lstm": {"cell": "lstm"},
    "lstm-forget": {"cell": "lstm", "forget_bias": 1.5},
}
SIZES: dict[str, tuple[int, int, int, int]] = {
    "b4-t9-i19-h17": (4, 9, 19, 17),  # all different; a vector register's width and a remainder
    "b5-t7-i4-h4": (5, 7, 4, 4),  # I = H
    "b5-t5-i4-h6": (5, 5, 4, 6),  # B = T
    "b1-t6-i5-h4": (1, 6, 5, 4),
    "b4-t1-i5-h6": (4, 1, 5, 6),
    "b4-t5-i6-h1": (4, 5, 6, 1),
}
PADDINGS: dict[str, float | None] = {
    "pad-none": None,
    "pad-zero": 0.0,
    "pad-large": 2.0**15,  # finite in every dtype
    "pad-nan": float("nan"),
}
DTYPES = ("float64", "float32", "bfloat16", "float16")
AXES: dict[str, tuple[str, ...]] = {
    "cell": tuple(CELLS),
    "layers": ("1-layer", "2-layer", "3-layer"),
    "direction": ("forward", "reverse", "bidirectional"),
    "lengths": ("full", "ragged", "zero", "short"),
    "padding": tuple(PADDINGS),
    "state": ("no-state", "state"),
    "bias": ("bias", "no-bias"),
    "layout": ("batch-major", "time-major"),
    "size": tuple(SIZES),
    "dtype": DTYPES,
}
"""lengths: full gives none at all; ragged has 1, T and others between; zero has a 0 among them; in
short all are below T."""

Row = Mapping[str, str]
"""One value for every axis, or for some of them."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, its sizes, and what its arrays are to look like; seeded by its own id."""

    id: str
    spec: Spec
    dtype: str
    batch: int
    steps: int
    lengths: str = "full"
    padding: float | None = None
    state: bool = False
    x: tuple[Any, ...] | None = None
    """The input itself, as nested tuples ``(B, T, I)``, where it is given and not drawn."""
    ends: tuple[int, ...] | None = None
    """The lengths themselves, where they are given and not drawn."""
    scale: float = 1.0
    """Of the input weights, against the usual 1/√I."""
    one_sign: bool = False
    """Inputs and input weights are all positive, so that partial sums only grow."""


def feasible(row: Row) -> bool:
    """Can a case with these values exist? A row may leave axes open."""
    lengths, padding = row.get("lengths"), row.get("padding")
    if lengths and padding and (lengths == "full") != (padding == "pad-none"):
        return False  # where there is no padding, nothing can fill it, and only there
    if lengths and "size" in row:
        batch, steps, _, _ = SIZES[row["size"]]
        if lengths == "ragged" and (batch == 1 or steps == 1):
            return False  # one row, or one step, cannot be ragged
        if lengths == "short" and steps == 1:
            return False  # shorter than 1 is 0, which is the case "zero"
    return True


def drawn(row: Row) -> Case:
    """The case with one value from every axis."""
    batch, steps, input_size, hidden_size = SIZES[row["size"]]
    return Case(
        id="/".join(row[axis] for axis in AXES),
        spec=Spec(
            **CELLS[row["cell"]],
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=int(row["layers"][0]),
            direction=row["direction"],  # type: ignore[arg-type]  # one of the Literal's values
            bias=row["bias"] == "bias",
            batch_first=row["layout"] == "batch-major",
        ),
        dtype=row["dtype"],
        batch=batch,
        steps=steps,
        lengths=row["lengths"],
        padding=PADDINGS[row["padding"]],
        state=row["state"] == "state",
    )


def by_id(case_id: str) -> Case:
    """The case of this id, from the named ones or from the product of the axes.

    Raises ``ValueError`` naming the part that is no value of its axis.
    """
    if case_id in NAMED:
        return NAMED[case_id]
    parts = case_id.split("/")
    if len(parts) != len(AXES):
        raise ValueError(
            f"case {case_id!r}: {len(parts)} parts given, expected one of the named cases or "
            f"{len(AXES)} parts: {'/'.join(AXES)}"
        )
    row = dict(zip(AXES, parts, strict=True))
    for axis, value in row.items():
        if value not in AXES[axis]:
            raise ValueError(f"case {case_id!r}: {axis} {value!r} given, expected {AXES[axis]}")
    if not feasible(row):
        raise ValueError(
            f"case {case_id!r}: these lengths, padding and size do not go together "
            "(see feasible() in conformance/cases.py)"
        )
    return drawn(row)


def default_rows() -> list[dict[str, str]]:
    """The covering array in default_cases.txt, made by ``python -m conformance.covering``."""
    text = (Path(__file__).parent / "default_cases.txt").read_text("utf-8")
    return [dict(zip(AXES, line.split("/"), strict=True)) for line in text.split()]


def default_cases() -> list[Case]:
    """The cases of every run: the covering array and the named cases."""
    return [drawn(row) for row in default_rows()] + list(NAMED.values())


def full_cases() -> Iterator[Case]:
    """The whole product of the axes, and the named cases."""
    for values in itertools.product(*AXES.values()):
        row = dict(zip(AXES, values, strict=True))
        if feasible(row):
            yield drawn(row)
    yield from NAMED.values()


# The sliding windows printed in the tutorial of row 001, and the mini-batch of row 003.
WINDOWS = tuple(
    tuple(tuple(float(row + 3 * step + k) for k in range(1, 4)) for step in range(5))
    for row in range(6)
)
MINI_BATCH = (
    ((0.0, 1.0, 2.0), (9.0, 8.0, 7.0)),
    ((3.0, 4.0, 5.0), (0.0, 0.0, 0.0)),
    ((6.0, 7.0, 8.0), (6.0, 5.0, 4.0)),
    ((9.0, 0.0, 1.0), (3.0, 2.0, 1.0)),
)


def _named() -> Iterator[Case]:
    for dtype in DTYPES:
        for cell, options in CELLS.items():
            # Row 000: zero padding to seq_max_len = 20 changes nothing where lengths are given,
            # and does change the states where dynamic_rnn is called without them.
            spec = Spec(**options, input_size=3, hidden_size=5)
            for name, lengths in (("with", "ragged"), ("without", "full")):
                yield Case(id=f"tutorial/000-zero-padding-{name}-lengths/{cell}/{dtype}",
                           spec=spec, dtype=dtype, batch=4, steps=20, lengths=lengths,
                           ends=(13, 20, 1, 7), padding=0.0)  # fmt: skip
            yield Case(id=f"deep-sum/{cell}/{dtype}",
                       spec=Spec(**options, input_size=1000, hidden_size=5),
                       dtype=dtype, batch=2, steps=3, one_sign=True)  # fmt: skip
        for bias in (True, False):
            yield Case(id=f"tutorial/001-sliding-window/{'bias' if bias else 'no-bias'}/{dtype}",
                       spec=Spec(cell="vanilla", input_size=3, hidden_size=7, bias=bias),
                       dtype=dtype, batch=6, steps=5, x=WINDOWS, scale=0.05)  # fmt: skip
        yield Case(id=f"tutorial/003-mini-batch/{dtype}",
                   spec=Spec(cell="vanilla", input_size=3, hidden_size=5, bias=True),
                   dtype=dtype, batch=4, steps=2, x=MINI_BATCH, scale=0.1)  # fmt: skip


NAMED: dict[str, Case] = {case.id: case for case in _named()}

__all__ = ["AXES", "NAMED", "Case", "by_id", "default_cases", "feasible", "full_cases"]

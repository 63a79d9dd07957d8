"""Define the axes along which recurrent networks differ, and make the case of a value from each axis.

A case's id is its values in order, after ``gradients/`` if gradients are compared as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.cases.case import Case
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
"""The values of each axis. Lengths: ``full`` gives none, ``ragged`` has 1, T and others in between, ``zero`` has
a 0 among them, and ``short`` has only lengths below T.
"""

GRADIENTS = "gradients/"
"""The start of the id of a case from the axes that compares gradients as well."""

Row = Mapping[str, str]
"""One value for every axis, or for some of them."""


def feasible(row: Row) -> bool:
    """Return True if a case with these values can exist.

    Args:
        row: values of the axes; it may leave axes open.

    Returns:
        False if two values contradict each other.

    """
    lengths, padding = row.get("lengths"), row.get("padding")
    if lengths and padding and (lengths == "full") != (padding == "pad-none"):
        return False  # padding needs lengths, and lengths need padding
    if lengths and "size" in row:
        batch, steps, _, _ = SIZES[row["size"]]
        if lengths == "ragged" and (batch == 1 or steps == 1):
            return False  # one row, or one step, cannot be ragged
        if lengths == "short" and steps == 1:
            return False  # a length below 1 is 0, which is "zero"
    return True


def make_case(row: Row, *, gradients: bool = False) -> Case:
    """Make the case with one value from every axis.

    Args:
        row: a value for every axis.
        gradients: compare gradients as well.

    Returns:
        The case.

    """
    batch, steps, input_size, hidden_size = SIZES[row["size"]]
    return Case(
        id=GRADIENTS * gradients + "/".join(row[axis] for axis in AXES),
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
        gradients=gradients,
    )

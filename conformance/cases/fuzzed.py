"""Fuzzed cases: one recurrent network, its sizes and the transforms of its arrays, all in its id.

    fuzz/lstm/2-layer/forward/ends-5.0.3/pad-nan/state/bias/batch-major/b3-t5-i4-h6/…
        …saturated/constant/gradients/float32/seed-17

So the id alone is enough to repeat a failure, to keep it and to shrink it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from conformance.cases.axes import CELLS, DTYPES, PADDINGS
from conformance.cases.case import Case
from conformance.cases.extremes import INPUTS, WEIGHTS
from reference import Spec

FUZZ = "fuzz/"
"""The start of the id of a fuzzed case."""

Ends = tuple[int, ...]
Size = tuple[int, int, int, int]

CHOICES: dict[str, tuple[str, ...]] = {
    "cell": tuple(CELLS),
    "direction": ("forward", "reverse", "bidirectional"),
    "padding": tuple(PADDINGS),
    "state": ("no-state", "state"),
    "bias": ("bias", "no-bias"),
    "layout": ("batch-major", "time-major"),
    "weights": tuple(WEIGHTS),
    "inputs": tuple(INPUTS),
    "compared": ("forward", "gradients"),
    "dtype": DTYPES,
}
"""The allowed words for each part of an id that is a word."""

NUMBERS: dict[str, str] = {
    "layers": r"([1-9]\d?)-layer",
    "ends": r"full|ends-(\d+(?:\.\d+)*)",
    "size": r"b([1-9]\d*)-t([1-9]\d*)-i([1-9]\d*)-h([1-9]\d*)",
    "seed": r"seed-(\d+)",
}
"""The pattern of each part of an id that has numbers."""

RELU_WEIGHTS = ("plain",)
"""The transforms of weights with which a relu network neither explodes nor comes near its kink, as values that
underflow do.
"""


@dataclass(frozen=True, kw_only=True)
class FuzzedCase:
    """The values that define a fuzzed case, in the order of its id."""

    cell: str
    layers: int
    direction: str
    ends: Ends | None
    padding: str
    state: str
    bias: str
    layout: str
    size: Size
    weights: str
    inputs: str
    compared: str
    dtype: str
    seed: int

    def __post_init__(self) -> None:
        if why := self.conflict:
            raise ValueError(f"fuzzed case {self.id!r}: {why}")

    @property
    def conflict(self) -> str:
        """A sentence on values that contradict each other; empty if there are none."""
        batch, steps, _, _ = self.size
        if (self.ends is None) != (self.padding == "pad-none"):
            return "lengths and padding must be given together"
        if self.ends and (len(self.ends) != batch or max(self.ends) > steps):
            return f"expected {batch} lengths of at most {steps}"
        if self.cell == "vanilla-relu" and self.weights not in RELU_WEIGHTS:
            return f"a relu explodes with these weights; expected one of {RELU_WEIGHTS}"
        if self.cell == "vanilla-relu" and self.inputs != "plain":
            return "a relu comes near its kink with these inputs; expected 'plain'"
        return ""

    def with_changes(self, **changes: Any) -> FuzzedCase | None:
        """Return the case with some values changed.

        Args:
            changes: the new values by name.

        Returns:
            The changed case; None if the values contradict each other.

        """
        try:
            return replace(self, **changes)
        except ValueError:
            return None

    @property
    def id(self) -> str:
        """The id, which has all values."""
        return FUZZ + "/".join(_WRITE.get(k, str)(v) for k, v in asdict(self).items())

    def case(self) -> Case:
        """Make the case that can be checked.

        Returns:
            The case.

        """
        batch, steps, input_size, hidden_size = self.size
        return Case(
            id=self.id,
            spec=Spec(
                **CELLS[self.cell],
                input_size=input_size,
                hidden_size=hidden_size,
                num_layers=self.layers,
                direction=self.direction,  # type: ignore[arg-type]  # one of CHOICES
                bias=self.bias == "bias",
                batch_first=self.layout == "batch-major",
            ),
            dtype=self.dtype,
            batch=batch,
            steps=steps,
            lengths="full" if self.ends is None else "given",
            ends=self.ends,
            padding=PADDINGS[self.padding],
            state=self.state == "state",
            gradients=self.compared == "gradients",
            weights=self.weights,
            inputs=self.inputs,
        )


_WRITE: dict[str, Any] = {
    "layers": lambda n: f"{n}-layer",
    "ends": lambda ends: "full" if ends is None else "ends-" + ".".join(map(str, ends)),
    "size": lambda size: "b{}-t{}-i{}-h{}".format(*size),
    "seed": lambda n: f"seed-{n}",
}
_READ: dict[str, Any] = {
    "layers": int,
    "ends": lambda text: None if text is None else tuple(map(int, text.split("."))),
    "size": lambda *sizes: tuple(map(int, sizes)),
    "seed": int,
}


def parse_fuzz_id(case_id: str) -> FuzzedCase:
    """Parse the id of a fuzzed case.

    Args:
        case_id: the id.

    Returns:
        The values of the case.

    Raises:
        ValueError: the number of parts is wrong, or a part is not allowed; the text names it.

    """
    parts = case_id.removeprefix(FUZZ).split("/")
    names = list(FuzzedCase.__dataclass_fields__)
    if len(parts) != len(names):
        raise ValueError(
            f"case {case_id!r}: {len(parts)} parts given after {FUZZ}, expected {len(names)}: "
            f"{'/'.join(names)}"
        )
    found: dict[str, Any] = {}
    for name, part in zip(names, parts, strict=True):
        if name in CHOICES:
            if part not in CHOICES[name]:
                raise ValueError(
                    f"case {case_id!r}: {name} {part!r} given, expected {CHOICES[name]}"
                )
            found[name] = part
        elif match := re.fullmatch(NUMBERS[name], part):
            found[name] = _READ[name](*match.groups())
        else:
            raise ValueError(f"case {case_id!r}: {name} {part!r} given, expected {NUMBERS[name]}")
    return FuzzedCase(**found)

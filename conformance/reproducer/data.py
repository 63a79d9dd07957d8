"""The data section of a script: every array that the case has, and the bound of every result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from backends import Inputs, TrainingInputs
from conformance.reproducer.literals import literal
from conformance.reproducer.subject import Subject
from reference import Array


def data(subject: Subject) -> str:
    """Assignments to ``given``, ``lengths``, ``incoming`` and so on, and to ``bounds``."""
    dtype = subject.dtype
    parts = [_dictionary("given", subject.given, dtype)]
    inputs = subject.inputs
    if isinstance(inputs, Inputs):
        if inputs.lengths is not None:
            parts.append(f"lengths = {literal(inputs.lengths)}")
        if inputs.incoming is not None:
            d = {name: a for name, a in inputs.incoming._asdict().items() if a is not None}
            parts.append(_dictionary("incoming", d, dtype))
    elif isinstance(inputs, TrainingInputs):
        stacked = {
            "x": np.stack([batch.x for batch in inputs.batches]),
            "targets": np.stack(
                [batch.targets for batch in inputs.batches if batch.targets is not None]
            ),
        }
        parts.append(_dictionary("batches", stacked, dtype))
    else:
        words = inputs.data.x if inputs.data.x.dtype.kind in "iu" else None
        arrays = inputs.data._replace(x=words)._asdict()  # type: ignore[arg-type]  # numbers are given
        for name, values in arrays.items():
            if values is not None:
                text = literal(values, dtype)
                more = (
                    ".astype(np.float64)" if values.dtype.kind == "f" and dtype != "float64" else ""
                )
                parts.append(f"{'words' if name == 'x' else name} = {text}{more}")
    if subject.inlined:
        parts.append(_dictionary("expected", subject.truth.values, "float64"))
    return "\n".join([*parts, _bounds(subject)])


def _dictionary(name: str, arrays: Mapping[str, Array], dtype: str) -> str:
    """An assignment of arrays by name, in float64."""
    text = _braces(name, (f'"{key}": {literal(a, dtype)}' for key, a in arrays.items()))
    if dtype == "float64":
        return text
    numbers = any(a.dtype.kind == "f" for a in arrays.values())
    wide = "a.astype(np.float64)"
    if any(a.dtype.kind != "f" for a in arrays.values()):
        wide += ' if a.dtype.kind == "f" else a'
    return text + f"\n{name} = {{name: {wide} for name, a in {name}.items()}}" * numbers


def _bounds(subject: Subject) -> str:
    """How far each element may be off, and what the RMS of error / σ may be."""
    rows = (f'"{name}": ({literal(bound, "float32")}, {limit:.6g})'
            for name, (bound, limit) in subject.bounds.items())  # fmt: skip
    return _braces("bounds", rows)


def _braces(name: str, rows: Iterable[str]) -> str:
    return f"{name} = {{\n" + "".join(f"    {_indented(row)},\n" for row in rows) + "}"


def _indented(row: str) -> str:
    """The lines after the first four columns in, but for those of a packed array."""
    head, packed, rest = row.partition('"""')
    return head.replace("\n", "\n    ") + packed + rest

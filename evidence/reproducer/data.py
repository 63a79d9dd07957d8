"""The data section of a script: every array that the case has, and the bound of every result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from backends import Inputs, NetworkInputs, TrainingInputs
from evidence.reproducer.literals import literal
from evidence.reproducer.subject import Subject
from reference import Array


def data(subject: Subject) -> str:
    """Write assignments to ``given``, ``lengths``, ``incoming`` and so on, and to ``bounds``.

    Args:
        subject: The case on its backend.

    Returns:
        The source.
    """
    dtype, inputs = subject.dtype, subject.inputs
    parts = [_dictionary("given", subject.given, dtype)]
    if isinstance(inputs, Inputs):
        parts += _sequence(inputs)
    elif isinstance(inputs, TrainingInputs):
        targets = [batch.targets for batch in inputs.batches if batch.targets is not None]
        stacked = {"x": np.stack([b.x for b in inputs.batches]), "targets": np.stack(targets)}
        parts.append(_dictionary("batches", stacked, dtype))
    else:
        parts += _network(inputs)
    return "\n".join([*parts, _bounds(subject)])


def places(subject: Subject) -> dict[int, str]:
    """Return how a script reads every array of its inputs.

    Args:
        subject: The case on its backend.

    Returns:
        Expressions by the id of the array.
    """
    inputs = subject.inputs
    found = {id(a): f'given["{name}"]' for name, a in subject.given.items()}
    if isinstance(inputs, Inputs):
        found[id(inputs.lengths)] = "lengths"
        incoming = inputs.incoming._asdict() if inputs.incoming else {}
        return found | {id(a): f'incoming["{name}"]' for name, a in incoming.items()}
    if isinstance(inputs, NetworkInputs):
        for name, a in inputs.data._asdict().items():
            found.setdefault(id(a), "words" if name == "x" else name)
    return found


def _sequence(inputs: Inputs) -> Iterator[str]:
    """Lengths and incoming gradients of a recurrent network alone, where it has them."""
    if inputs.lengths is not None:
        yield f"lengths = {literal(inputs.lengths)}"
    if inputs.incoming is not None:
        d = {name: a for name, a in inputs.incoming._asdict().items() if a is not None}
        yield _dictionary("incoming", d, inputs.dtype)


def _network(inputs: NetworkInputs) -> Iterator[str]:
    """Words, targets and lengths of a network; an input of numbers is among what is given."""
    for name, values in inputs.data._asdict().items():
        numbers = values is not None and values.dtype.kind == "f"
        if values is None or (name == "x" and numbers):
            continue
        wide = ".astype(np.float64)" if numbers and inputs.dtype != "float64" else ""
        yield f"{'words' if name == 'x' else name} = {literal(values, inputs.dtype)}{wide}"


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
    rows = (f'"{name}": ({literal(bound, _type_of(bound))}, {limit:.6g})'
            for name, (bound, limit) in subject.bounds.items())  # fmt: skip
    return _braces("bounds", rows)


def _braces(name: str, rows: Iterable[str]) -> str:
    return f"{name} = {{\n" + "".join(f"    {_indented(row)},\n" for row in rows) + "}"


def _indented(row: str) -> str:
    """The lines after the first four columns in, but for those of a packed array."""
    head, packed, rest = row.partition('"""')
    return head.replace("\n", "\n    ") + packed + rest


def _type_of(bound: Array) -> str:
    """float32 where it holds the numbers, which is half as long."""
    return "float32" if np.array_equal(bound.astype(np.float32), bound) else "float64"

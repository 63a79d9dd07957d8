"""Examples of a property: ids of cases that an implementation runs and that the property is about."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from backends import Backend, Unsupported
from conformance.cases import AXES, GRADIENTS, Case, by_id, feasible
from conformance.known_differences import KnownDifference
from evidence.covering import runs_on
from evidence.properties import Property, find_violation

SMALL = ("b5-t5-i4-h6", "b5-t7-i4-h4", "b4-t5-i6-h1", "b4-t1-i5-h6", "b1-t6-i5-h4")
"""All sizes but the one that takes as long as the others together."""
TYPICAL = "lstm/1-layer/forward/ragged/pad-nan/state/bias/batch-major/b/float64"


class Subject(NamedTuple):
    """An implementation to check, and the sizes of its examples."""

    adapter: Backend
    examples: int
    sizes: tuple[str, ...] = SMALL
    layers: tuple[str, ...] = AXES["layers"]
    nan_leaks: bool = False
    """True if NaN in the padding is known to reach gradients; then the padding is finite."""


class Examined(NamedTuple):
    """The result of checking a property on random examples."""

    examples: int
    """The number of examples run."""
    violation: str = ""
    """The first example that breaks the property, in words."""
    silent: str = ""
    """The reason why there is no example."""


def leaks_nan(backend: str, known: Iterable[KnownDifference]) -> bool:
    """Tell whether NaN in the padding is known to reach a backend's gradients.

    Args:
        backend: its name.
        known: the known differences.

    Returns:
        Whether an entry covers it.

    """
    return any(entry.covers(backend, GRADIENTS + TYPICAL) for entry in known)


def values(subject: Subject, p: Property, *, gradients: bool) -> Mapping[str, tuple[str, ...]]:
    """Return the values on every axis that a subject runs and that a property is about.

    Args:
        subject: the implementation.
        p: the property.
        gradients: whether gradients are compared too.

    Returns:
        The values by axis.

    """
    found = {**AXES, "size": subject.sizes, "layers": subject.layers}
    if gradients and subject.nan_leaks:
        found["padding"] = tuple(v for v in found["padding"] if v != "pad-nan")
    for axis, meant in p.where.items():
        found[axis] = tuple(v for v in found[axis] if v in meant)
    dialect, kind = subject.adapter.dialect, subject.adapter.kind
    return {axis: tuple(v for v in some if runs_on(dialect, {axis: v}, kind))
            for axis, some in found.items()}  # fmt: skip


def silence(subject: Subject, p: Property) -> str:
    """Return the reason why a property has no example on a subject.

    Args:
        subject: the implementation.
        p: the property.

    Returns:
        The reason; empty where there are examples.

    """
    if not runs_on(subject.adapter.dialect, p.needs, subject.adapter.kind):
        return f"its dialect has no {' '.join(p.needs.values())}"
    found = values(subject, p, gradients=p.gradients[0])
    return ", ".join(f"its dialect has no {axis} of these: {', '.join(p.where.get(axis, ()))}"
                     for axis, some in found.items() if not some)  # fmt: skip


def random_case(draw: random.Random, subject: Subject, p: Property) -> str:
    """Draw the id of a case.

    Args:
        draw: the source of randomness.
        subject: the implementation.
        p: the property.

    Returns:
        The id; empty where the values drawn first leave none for another axis.

    """
    gradients = draw.choice(p.gradients)
    row: dict[str, str] = {}
    for axis, some in values(subject, p, gradients=gradients).items():
        fitting = [v for v in some if feasible({**row, axis: v})]
        if not fitting:
            return ""
        row[axis] = draw.choice(fitting)
    return GRADIENTS * gradients + "/".join(row[axis] for axis in AXES)


def examine(subject: Subject, p: Property, seed: int) -> Examined:
    """Check a property on random examples, up to the first one that breaks it.

    Args:
        subject: the implementation, and how many examples to run.
        p: the property.
        seed: of the examples.

    Returns:
        How many examples were run, and what broke the property.

    """
    if why := silence(subject, p):
        return Examined(0, silent=why)
    draw, run = random.Random(f"{seed} {p.name}"), 0
    for _ in range(10 * subject.examples):
        if run == subject.examples:
            break
        case_id, attempt = random_case(draw, subject, p), draw.randrange(2**16)
        if not case_id:
            continue
        case = by_id(case_id)
        assert isinstance(case, Case)
        try:
            found = find_violation(p, subject.adapter, case, attempt)
        except Unsupported:
            continue
        run += 1
        if found:
            return Examined(run, violation=found)
    return Examined(run, silent="" if run else "its dialect runs none of the cases drawn")

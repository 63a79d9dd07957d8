"""What is known of a case before its script runs: every description in it, and which arrays it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from evidence.reproducer.modules import Definition

ABSENT = {"lengths": ("lengths", "valid", "ok"), "target_lengths": ("target_lengths",)}
"""Names that are None throughout the adapters where a case has no array of this kind."""

DESCRIPTIONS = ("reference.networks.layers", "reference.networks.optimisers")
"""Modules whose classes describe a case; no adapter makes objects of them."""
MADE = ("Table", "Affine", "DecoderParams", "Data")
"""Classes of theirs that adapters make objects of all the same."""

Values = list[Any]
"""All that an expression can be in this case."""


class Facts:
    """The possible values of names and of types, for one case on one backend."""

    def __init__(
        self, inputs: AnyInputs, known: Sequence[object], names: Mapping[str, Any]
    ) -> None:
        """Collect the facts.

        Args:
            inputs: The case's inputs.
            known: Further descriptions, such as the dialect's.
            names: Names of parameters that always have the value given.
        """
        self.names: dict[str, Values] = {name: [value] for name, value in names.items()}
        for kind, absent in ABSENT.items():
            if not any(getattr(data, kind, None) is not None for data in _data(inputs)):
                self.names |= {name: [None] for name in absent}
        self.types: dict[Definition, list[Any]] = {}
        for value in (inputs, *known):
            for found in _described(value):
                same = self.types.setdefault(defined(type(found)), [])
                if not any(found is other for other in same):
                    same.append(found)

    def has_none(self, kind: Definition | None) -> bool:
        """Return whether a class describes networks or training, and nothing in the case is of it."""
        described = kind is not None and kind.module in DESCRIPTIONS and kind.name not in MADE
        return described and kind not in self.types


def defined(kind: type) -> Definition:
    """Return where a class of ours is defined."""
    return Definition(kind.__module__, kind.__name__)


def _data(inputs: AnyInputs) -> Iterator[Any]:
    match inputs:
        case Inputs():
            yield inputs
        case NetworkInputs():
            yield inputs.data
        case TrainingInputs():
            yield from inputs.batches


def _described(value: object) -> Iterator[object]:
    """Yield every object of a class of ours in a tree of data classes, tuples and mappings."""
    if isinstance(value, np.ndarray):
        return
    if is_dataclass(value):
        yield value
        for field in fields(value):
            yield from _described(getattr(value, field.name))
    elif isinstance(value, tuple):
        if hasattr(value, "_fields"):
            yield value
        for part in value:
            yield from _described(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _described(part)

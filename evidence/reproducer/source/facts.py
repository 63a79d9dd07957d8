"""Facts about a case that are known before its script runs: its descriptions, and the arrays that it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from evidence.reproducer.source.modules import Definition

ABSENT = {"lengths": ("lengths", "valid", "ok"), "target_lengths": ("target_lengths",)}
"""Names that are None throughout the adapters where a case has no array of this kind."""

DESCRIPTIONS = ("reference.networks.layers", "reference.networks.optimisers")
"""Modules whose classes describe a case; no adapter makes objects of them."""
MADE = ("Table", "Affine", "DecoderParams", "Data")
"""Classes of theirs that adapters make objects of all the same."""

Values = list[Any]
"""Every value that an expression can have in this case."""


class Facts:
    """The possible values of names and of types, for one case on one backend.

    Args:
        inputs: The case's inputs.
        known: Further descriptions, such as the dialect's.
        names: Names of parameters that always have the value given.
    """

    def __init__(
        self, inputs: AnyInputs, known: Sequence[object], names: Mapping[str, Any]
    ) -> None:
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
        """Tell whether a class describes networks or training, and the case has no object of it.

        Args:
            kind: The definition of the class; None for a class that is not ours.

        Returns:
            True where ``isinstance`` of this class is False for everything in the script.
        """
        described = kind is not None and kind.module in DESCRIPTIONS and kind.name not in MADE
        return described and kind not in self.types


def defined(kind: type) -> Definition:
    """Return where a class of ours is defined.

    Args:
        kind: The class.

    Returns:
        Its module and name.
    """
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

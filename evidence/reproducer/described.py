"""A case's inputs, and what an adapter declares, as code that makes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import numpy as np

from backends import Dialect, TrainingInputs
from evidence.reproducer.source.facts import defined
from evidence.reproducer.source.modules import Definition
from evidence.reproducer.source.written import wrapped
from reference.networks.layers import Data

Calls = Callable[[type], str]
"""From a class of ours to its name in the script."""


class Describer:
    """A writer of our objects as calls of their classes, with the fields that a script reads.

    Args:
        calls: The name of each class in the script.
        read: Every attribute that the script reads.
        arrays: The expression for each array, by its id.
    """

    def __init__(self, calls: Calls, read: Collection[str], arrays: Mapping[int, str]) -> None:
        self.calls, self.read, self.arrays = calls, read, arrays

    def assigned(self, name: str, value: object) -> str:
        """Return an assignment of ``value`` to ``name``, broken into lines.

        Args:
            name: The variable.
            value: A tree of data classes, tuples, mappings, arrays and plain values.

        Returns:
            The source.
        """
        return "\n".join(wrapped(f"{name} = {self.text(value)}", 0))

    def text(self, value: Any) -> str:
        """Return an expression that makes ``value``.

        Args:
            value: A tree of data classes, tuples, mappings, arrays and plain values.

        Returns:
            The source, in one line.
        """
        if isinstance(value, np.ndarray):
            return self.arrays[id(value)]
        if isinstance(value, TrainingInputs):
            return self._call(value, {"batches": self._batches()})
        if is_dataclass(value):
            return self._call(value, {})
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._tuple(value)
        if isinstance(value, tuple):
            parts = [self.text(part) for part in value]
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        if isinstance(value, Mapping):
            rows = (f"{key!r}: {self.text(part)}" for key, part in value.items())
            return f"{{{', '.join(rows)}}}"
        return _plain(value)

    def _call(self, value: Any, written: Mapping[str, str]) -> str:
        """Keyword arguments for the fields that are read, but for defaults."""
        parts = []
        for field in fields(value):
            its = getattr(value, field.name)
            if field.name not in self.read or (
                field.default is not MISSING and its is field.default
            ):
                continue
            parts.append(f"{field.name}={written.get(field.name) or self.text(its)}")
        return f"{self.calls(type(value))}({', '.join(parts)})"

    def _tuple(self, value: Any) -> str:
        parts = []
        for name, part in zip(value._fields, value, strict=True):
            default = value._field_defaults.get(name, MISSING)
            if default is not MISSING and part is default:
                continue
            key = f"{name}=" if default is not MISSING else ""
            parts.append(key + self.text(part))
        return f"{self.calls(type(value))}({', '.join(parts)})"

    def _batches(self) -> str:
        """All batches from two stacked arrays."""
        data = self.calls(Data)
        return (
            f"tuple({data}(x, targets=targets) for x, targets in "
            'zip(batches["x"], batches["targets"], strict=True))'
        )


def classes(value: Any, read: Collection[str]) -> Iterator[Definition]:
    """Yield every class that an expression for ``value`` calls.

    Args:
        value: A tree as in ``Describer.text``.
        read: Every attribute that the script reads.

    Yields:
        Where each class is defined.
    """
    if isinstance(value, np.ndarray):
        return
    parts: Iterator[Any] = iter(())
    if is_dataclass(value):
        yield defined(type(value))
        parts = (getattr(value, f.name) for f in fields(value) if f.name in read)
    elif isinstance(value, tuple):
        if hasattr(value, "_fields"):
            yield defined(type(value))
        parts = iter(value)
    elif isinstance(value, Mapping):
        parts = iter(value.values())
    for part in parts:
        yield from classes(part, read)


def narrowed(dialect: Dialect, cells: Collection[str]) -> Any:
    """Return a dialect with these cells alone.

    Args:
        dialect: What the backend declares.
        cells: Names of the cells that the case has.

    Returns:
        The same dialect without the others.
    """
    return replace(dialect, cells={name: dialect.cells[name] for name in cells}, arithmetic={})


def _plain(value: Any) -> str:
    """A plain value as code."""
    if not isinstance(value, str | int | float | bool | type(None)):
        raise TypeError(f"{type(value).__name__}: given, expected a plain value of a description")
    return f'"{value}"' if isinstance(value, str) else repr(value)

"""What a backend is: the two calls through which every framework is reached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from backends.dialects import Dialect
from reference import Array, Params, Spec


class Unsupported(Exception):
    """The framework cannot represent the network; the text is "<option>: <why>"."""


class DeviceNotFound(Exception):
    """The device asked for is not there; the text says what was found."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that one run of a network needs, in canonical layout.

    Arrays are float64 and hold values exact in ``dtype``; the adapter casts. Shapes are those of
    ``reference.run``.
    """

    spec: Spec
    dtype: str
    params: Params
    x: Array
    h0: Array | None = None
    c0: Array | None = None
    lengths: Array | None = None


class Result(NamedTuple):
    """What came back: float64 arrays in the shapes of ``reference.Output``, as the dialect
    declares them, and the dtype that the framework itself returned for each.
    """

    y: Array
    h_n: Array
    c_n: Array | None
    dtypes: dict[str, str]


class Backend(ABC):
    """One way in which one framework runs a recurrent network.

    ``__init__`` opens the device, sets precision explicitly, and raises ``DeviceNotFound`` with
    what was found. An adapter adds nothing to the framework's arithmetic.
    """

    dialect: ClassVar[Dialect]
    packages: ClassVar[tuple[str, ...]]
    """The distributions whose versions name this backend's version."""

    settings: dict[str, str]
    """What the adapter set, by the framework's own names."""
    framework_defaults: dict[str, str]
    """What the same settings were before."""

    @abstractmethod
    def __init__(self, device: str) -> None: ...

    @abstractmethod
    def load(self, inputs: Inputs) -> Callable[[], Any]:
        """Move ``inputs`` into the framework; the returned call runs the network once and waits.

        Raises ``Unsupported`` where the framework cannot represent the network.
        """

    @abstractmethod
    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        """What such a call returned, as NumPy arrays."""

    @abstractmethod
    def ran(self, inputs: Inputs) -> str:
        """The framework's own call, as a reader of its documentation would name it."""

    def run(self, inputs: Inputs) -> Result:
        """Load, run once, fetch."""
        return self.fetch(inputs, self.load(inputs)())

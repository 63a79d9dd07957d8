"""A backend that is open on a cluster's workers, as the process that runs the session knows it: by its dialect.

That process needs neither the framework nor the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from backends import BACKENDS, AnyInputs, Backend, Inputs, Result, find
from backends.dialects import Dialect
from conformance.open_backend import OpenBackend


class Seen(NamedTuple):
    """What a worker says of a backend that it has open."""

    version: str
    source: str
    settings: dict[str, str]
    framework_defaults: dict[str, str]


NOTHING = Seen("", "", {}, {})


class Adapter(Backend):
    """It declares, and runs nothing."""

    packages = ()

    def __init__(self, device: str, dialect: Dialect, seen: Seen) -> None:
        super().__init__(device)
        self.dialect = dialect  # type: ignore[misc]  # of the class, elsewhere
        self.settings = seen.settings
        self.framework_defaults = seen.framework_defaults

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        raise NotImplementedError("it runs on the fleet's workers")

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        raise NotImplementedError("it runs on the fleet's workers")

    def ran(self, inputs: AnyInputs) -> str:
        raise NotImplementedError("it runs on the fleet's workers")


@dataclass(frozen=True)
class Elsewhere(OpenBackend):
    """A backend under its name, open on workers."""

    seen: Seen = NOTHING

    @property
    def version(self) -> str:
        """As the workers have it."""
        return self.seen.version

    @property
    def source(self) -> str:
        """As the workers have it."""
        return self.seen.source


def elsewhere(name: str, device: str, seen: Seen, left_out: tuple[str, ...]) -> Elsewhere:
    """The backend of this name; one from outside the tree is imported for its dialect."""
    dialect = BACKENDS[name].dialect if name in BACKENDS else find(name).dialect
    return Elsewhere(name, device, Adapter(device, dialect, seen), left_out, seen)

"""A backend that is open on a cluster's workers, as the main process sees it.

The main process knows the backend's dialect, and needs neither its framework nor its device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from backends import BACKENDS, AnyInputs, Backend, Inputs, Result, find
from backends.dialects import Dialect
from conformance.open_backend import OpenBackend


class RemoteFacts(NamedTuple):
    """Facts about an open backend, as a worker reports them."""

    version: str
    source: str
    settings: dict[str, str]
    framework_defaults: dict[str, str]


NO_FACTS = RemoteFacts("", "", {}, {})


class _DeclaredAdapter(Backend):
    """An adapter that declares what the backend can do, and runs nothing."""

    packages = ()

    def __init__(self, device: str, dialect: Dialect, facts: RemoteFacts) -> None:
        super().__init__(device)
        self.dialect = dialect  # type: ignore[misc]  # a class variable of other adapters
        self.settings = facts.settings
        self.framework_defaults = facts.framework_defaults

    def load(self, inputs: Inputs) -> Callable[[], Any]:
        raise NotImplementedError("the backend runs on the cluster's workers")

    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        raise NotImplementedError("the backend runs on the cluster's workers")

    def ran(self, inputs: AnyInputs) -> str:
        raise NotImplementedError("the backend runs on the cluster's workers")


@dataclass(frozen=True)
class RemoteBackend(OpenBackend):
    """A backend that is open on the cluster's workers."""

    facts: RemoteFacts = NO_FACTS

    @property
    def version(self) -> str:
        """The framework's version on the workers."""
        return self.facts.version

    @property
    def source(self) -> str:
        """The fingerprint of the backend's source on the workers."""
        return self.facts.source


def remote_backend(
    name: str, device: str, facts: RemoteFacts, left_out: tuple[str, ...]
) -> RemoteBackend:
    """Return a backend that is open on workers.

    Args:
        name: its name; a backend from outside the project is imported for its dialect.
        device: the workers' device.
        facts: the workers' report.
        left_out: patterns of the cases that the backend skips by default.

    Returns:
        The backend, which can tell which cases it supports but run none.
    """
    dialect = BACKENDS[name].dialect if name in BACKENDS else find(name).dialect
    return RemoteBackend(name, device, _DeclaredAdapter(device, dialect, facts), left_out, facts)

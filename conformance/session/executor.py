"""Run a session's checks: in its own processes, or wherever a plugin says."""

from __future__ import annotations

import pytest

from conformance.cases import AnyCase
from conformance.check import check
from conformance.open_backend import OpenBackend
from conformance.session.options import open_backends
from records.schema import CaseRecord, Environment


class Executor:
    """The default executor: opens backends in this process and checks cases here."""

    def open(self, config: pytest.Config, *, everything: bool) -> list[OpenBackend]:
        """Open every backend that the options name.

        Args:
            config: the session's options.
            everything: whether a backend also runs the cases that it leaves out by default.

        Returns:
            The backends, in the order of the options.

        Raises:
            pytest.UsageError: a backend, its framework or the device is missing.

        """
        return open_backends(config, everything=everything)

    def environments(self) -> dict[str, Environment]:
        """Return the environments of other machines.

        Returns:
            The environments by fingerprint; the default executor has none.

        """
        return {}

    def check(self, case: AnyCase, backend: OpenBackend) -> CaseRecord:
        """Check a case on a backend.

        Args:
            case: the case.
            backend: the open backend.

        Returns:
            The record of the check.

        """
        return check(case, backend)


class Hooks:
    """The hooks that this project adds to pytest."""

    @pytest.hookspec(firstresult=True)
    def pytest_rnnspec_executor(self, config: pytest.Config) -> Executor | None:
        """Return the executor that the options ask for; None for the default one."""

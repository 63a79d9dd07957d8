"""Run a pytest session and return one of the project's exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.open_backend import ROOT
from records.exit_codes import ExitCode

PYTEST: dict[int, ExitCode] = {
    pytest.ExitCode.OK: ExitCode.CLEAN,  # such as --collect-only
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.NOT_ENOUGH_DATA,
}
"""The exit code for each of pytest's own statuses; the others are harness errors."""


class _ExitCodeCollector:
    """A plugin that keeps the session's exit code; a session that never starts is a harness error."""

    def __init__(self) -> None:
        self.code = ExitCode.HARNESS_ERROR

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the exit status. By now, the project's plugins have replaced pytest's status by a code of their own."""
        status = session.exitstatus
        self.code = status if isinstance(status, ExitCode) else PYTEST.get(status, self.code)


def run_pytest(folder: Path, arguments: list[str]) -> ExitCode:
    """Run the tests in a folder with the project's pytest settings.

    Args:
        folder: the folder with the tests.
        arguments: pytest's command-line arguments.

    Returns:
        The exit code.

    """
    collector = _ExitCodeCollector()
    settings = [f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), str(folder), "-rs",
           "--disable-warnings"]  # fmt: skip  # of the frameworks: no outcome
    status = pytest.main([*settings, *arguments], plugins=[collector])
    only_help = status == pytest.ExitCode.OK and collector.code == ExitCode.HARNESS_ERROR  # --help
    return ExitCode.CLEAN if only_help else collector.code

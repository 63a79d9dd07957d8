"""Run a pytest session and return one of the project's exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.open_backend import ROOT
from records.exit_codes import ExitCode

SETTINGS = Path(__file__).with_name("settings.ini")

PYTEST: dict[int, ExitCode] = {
    pytest.ExitCode.OK: ExitCode.CLEAN,  # such as --collect-only
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.NOT_ENOUGH_DATA,
}
"""The exit code for each of pytest's own statuses; the others are harness errors."""


class SessionRefused(Exception):
    """The session cannot start; the text says what was given, what was expected, and what to do."""


class _ExitCodeCollector:
    """A plugin that keeps the session's exit code; a session that never starts is a harness error."""

    def __init__(self) -> None:
        self.code = ExitCode.HARNESS_ERROR

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_parse(self) -> Iterator[None]:
        """Refuse options that pytest does not know, without its usage."""
        try:
            return (yield)
        except pytest.UsageError as error:
            found = re.search(r"error: (.*)", str(error))
            raise SessionRefused(f"pytest: {found[1] if found else error}") from error

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self) -> Iterator[None]:
        """Refuse options that do not go together."""
        try:
            return (yield)
        except pytest.UsageError as error:
            raise SessionRefused(str(error)) from error

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the exit status. By now, the project's plugins have replaced pytest's status by a code of their own."""
        status = session.exitstatus
        self.code = status if isinstance(status, ExitCode) else PYTEST.get(status, self.code)


def run_pytest(folder: Path, arguments: list[str]) -> ExitCode:
    """Run the tests in a folder with the project's settings.

    Args:
        folder: holds the tests and their ``conftest.py``.
        arguments: pytest's.

    Returns:
        The exit code of the session.

    Raises:
        SessionRefused: an option is wrong, or a backend, a device or a file is missing.

    """
    keeper = _ExitCodeCollector()
    cache = Path(".pytest_cache").absolute()  # not in the folder where the suite is installed
    own = [f"--rootdir={ROOT}", f"--confcutdir={ROOT}", "-c", str(SETTINGS), "-o",
           f"cache_dir={cache}", str(folder)]  # fmt: skip
    status = pytest.main([*own, *arguments], plugins=[keeper])
    only_asked = status == pytest.ExitCode.OK and keeper.code == ExitCode.HARNESS_ERROR  # --help
    return ExitCode.CLEAN if only_asked else keeper.code

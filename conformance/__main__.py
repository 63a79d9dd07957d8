"""``python -m conformance``: the pytest front end, with the project's exit codes.

Takes the options in conftest.py and all of pytest's own, such as ``-k``, ``-n 2``, ``--lf`` and
``--junitxml``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reports.exit_codes import ExitCode

HERE = Path(__file__).parent


class Keeper:
    """Holds on to what the recorder decides."""

    def __init__(self) -> None:
        self.code = ExitCode.HARNESS_ERROR

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        recorder = session.config.pluginmanager.get_plugin("rnnspec-recorder")
        if recorder is not None:
            self.code = recorder.exit_code
        elif session.exitstatus == pytest.ExitCode.OK:
            self.code = ExitCode.CLEAN  # --collect-only: nothing was to be measured


def main(arguments: list[str]) -> int:
    """Run the session and return the exit code of reports/exit_codes.py."""
    keeper = Keeper()
    own = [f"--rootdir={HERE.parent}", "-c", str(HERE.parent / "pyproject.toml"), str(HERE)]
    status = pytest.main([*own, *arguments], plugins=[keeper])
    asked_for_help = status == pytest.ExitCode.OK and keeper.code == ExitCode.HARNESS_ERROR
    return int(ExitCode.CLEAN if asked_for_help else keeper.code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

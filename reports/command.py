"""Command lines of this project: how bad arguments are refused."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from reports.exit_codes import ExitCode


class Parser(argparse.ArgumentParser):
    """A parser whose refusals have the exit code that they have everywhere in the project."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.HARNESS_ERROR, f"{self.prog}: error: {message}\n")

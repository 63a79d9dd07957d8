"""Command lines: bad arguments are refused with the exit code that they have everywhere here."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from records.exit_codes import ExitCode


class Parser(argparse.ArgumentParser):
    """Options in full only; whatever does not fit them is a harness error."""

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what was wrong, and exit."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.HARNESS_ERROR, f"{self.prog}: error: {message}\n")


def positive(text: str) -> float:
    """A number above 0; raises ``ArgumentTypeError`` for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a number above 0")
    return value


def counted(least: int) -> Any:
    """An integer of at least ``least``, as a type for ``add_argument``."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} given, expected an integer from {least} on")
        return value

    return number

"""Merge the run files of a backend's processes into one, as each process ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from conformance.open_backend import now
from records.exit_codes import ExitCode, exit_code
from records.reading import Run
from records.runs import RunWriter, read_folder
from records.schema import Footer, Measurement


class MergedRun:
    """The merged run of one backend; its header is that of the first process, with the user's command.

    Args:
        folder: where the run file is written.
        rows: number of rows of each process.
        command: the user's command.
    """

    def __init__(self, folder: Path, rows: int, command: str) -> None:
        self._folder, self._rows, self._command = folder, rows, command
        self._writer: RunWriter | None = None
        self._measured: list[Measurement] = []
        self._left_out = 0
        self._asked = 0
        self._broken = 0

    @property
    def broken(self) -> bool:
        """True if a process ended without an answer; another one would do the same."""
        return self._broken > 0

    @property
    def path(self) -> Path | None:
        """Path of the run file, or None before the first row."""
        return self._writer.path if self._writer else None

    def take(self, code: int, folder: Path) -> None:
        """Append the run of a process that has ended.

        Args:
            code: its exit code.
            folder: the folder with its run file.
        """
        self._asked += self._rows
        runs, _ = read_folder(folder)
        for run in runs:
            self._append(run)
        answers = (ExitCode.CLEAN, ExitCode.CONFORMANCE_FAILURE, ExitCode.NOT_ENOUGH_DATA)
        if not runs or code not in answers:  # pytest ends with 4 too, if it refuses an option
            self._broken += 1

    def close(self) -> ExitCode:
        """Finish the run file.

        Returns:
            The exit code for the run.
        """
        if self._writer is None:
            return ExitCode.HARNESS_ERROR
        missing = self._asked - len(self._measured)
        outcomes = Counter(m.outcome for m in self._measured)
        code = exit_code(outcomes, missing=missing, harness_errors=self._broken)
        footer = Footer(
            ended_at=now(), counts={}, measurements=len(self._measured), selected=self._asked,
            deselected=self._left_out, stale_known=[], exit_code=code,
        )  # fmt: skip
        self._writer.close(footer)
        return code

    def _append(self, run: Run) -> None:
        if self._writer is None:
            header = run.header
            self._writer = RunWriter(self._folder, replace(header, command=self._command))
            self._left_out = run.footer.deselected if run.footer else 0
        for measurement in run.measurements:
            self._writer.write(measurement)
            self._measured.append(measurement)


def describe_end(code: int, log: Path) -> str:
    """Describe the end of a process that gave no answer.

    Args:
        code: its exit code; negative for a signal.
        log: the file with its output.

    Returns:
        The code, and the last 30 lines of output.
    """
    signal = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = log.read_text("utf-8", "replace").rstrip().splitlines()
    return "\n".join([f"the process ended with {signal}:", *lines[-30:]])

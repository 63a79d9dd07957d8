"""Continue an interrupted run: with the same backend, machine and code, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from records.reading import BadRunFile, Run
from records.runs import RunWriter, read_folder
from records.schema import Header

UNIQUE_FIELDS = ("run_id", "started_at", "command")
"""The fields of a header that differ between any two runs."""


class CannotResume(Exception):
    """No run can be continued; the text says why, and what to do."""


class ResumedRun(NamedTuple):
    """A run to continue: its writer, and its records so far."""

    writer: RunWriter
    run: Run


def resume(folder: Path, header: Header) -> ResumedRun:
    """Continue the latest interrupted run of the same backend, device and front end.

    Args:
        folder: the folder of run files.
        header: the header of this run.

    Returns:
        The run's writer and its records so far.

    Raises:
        CannotResume: there is no such run, its machine, versions, settings or code differ, or it is still
            being written.

    """
    found = [run for run in read_folder(folder)[0]
             if not run.complete and _place(run.header) == _place(header)]  # fmt: skip
    if not found:
        raise CannotResume(
            f"--resume: no interrupted run of {header.backend} on {header.device} in {folder}; "
            "run without --resume to start one"
        )
    latest = found[-1]
    if differences := _differences(latest.header, header):
        raise CannotResume(
            f"--resume: {latest.path} differs from this run in {', '.join(differences)}; run "
            "without --resume to start a new one"
        )
    try:
        return ResumedRun(*RunWriter.resume(latest.path))
    except (BlockingIOError, BadRunFile, FileNotFoundError) as error:
        raise CannotResume(f"--resume: {latest.path} is still being written: {error}") from error


def _place(header: Header) -> tuple[str, str, str]:
    """Return backend, device and front end of a run."""
    return header.backend, header.device, header.front_end


def _differences(old: Header, new: Header) -> list[str]:
    """Return the fields that differ, with both values; environments differ by their fingerprints."""
    names = [name for name in new.__struct_fields__ if name not in (*UNIQUE_FIELDS, "environment")]
    return [
        f"{name} ({getattr(old, name)}, now {getattr(new, name)})"
        for name in names
        if getattr(old, name) != getattr(new, name)
    ]

"""Going on with a run that was interrupted: the same backend on the same machine and code, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from records.reading import BadRunFile, Run
from records.runs import RunWriter, read_folder
from records.schema import Header

UNIQUE_FIELDS = ("run_id", "started_at", "command")
"""Fields of a header that no two runs have alike."""


class CannotResume(Exception):
    """No run can be gone on with; the text says why, and what to do."""


class ResumedRun(NamedTuple):
    """A run that goes on: its writer, and what it had when it was interrupted."""

    writer: RunWriter
    run: Run


def resume(folder: Path, header: Header) -> ResumedRun:
    """Go on with the latest interrupted run in ``folder`` that began as the run of ``header`` would.

    That is with the same backend, device and front end. Raises ``CannotResume`` where there is none, where
    it was seen on another machine, with other versions, settings or code, or where it is still going.
    """
    found = [run for run in read_folder(folder)[0]
             if not run.complete and _place(run.header) == _place(header)]  # fmt: skip
    if not found:
        raise CannotResume(
            f"--resume: no interrupted run of {header.backend} on {header.device} in {folder}; "
            "leave --resume out to start one"
        )
    latest = found[-1]
    if other := _differences(latest.header, header):
        raise CannotResume(
            f"--resume: {latest.path} differs from this run in {', '.join(other)}; leave --resume "
            "out to start one anew"
        )
    try:
        return ResumedRun(*RunWriter.resume(latest.path))
    except (BlockingIOError, BadRunFile, FileNotFoundError) as error:
        raise CannotResume(f"--resume: {latest.path} is still being written: {error}") from error


def _place(header: Header) -> tuple[str, str, str]:
    """What a run is of."""
    return header.backend, header.device, header.front_end


def _differences(was: Header, this: Header) -> list[str]:
    """What is not the same, with both values; environments by their fingerprints."""
    names = [name for name in this.__struct_fields__ if name not in (*UNIQUE_FIELDS, "environment")]
    return [
        f"{name} ({getattr(was, name)}, now {getattr(this, name)})"
        for name in names
        if getattr(was, name) != getattr(this, name)
    ]

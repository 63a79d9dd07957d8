"""Scripts of a case, or of every case of a run file that differs or fails."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from backends import BACKENDS, Unsupported
from commands.suggest import did_you_mean
from conformance.cases import by_id
from conformance.draw import digest, draw
from evidence.reproducer.render import script
from records.reading import Run
from records.schema import CaseRecord

DEVICE = re.compile(r"cpu|cuda(:\d+)?")
FAILED = ("differs", "errored")
USER = "own/"
"""The beginning of the ids of users' own networks."""


class NoScript(Exception):
    """There is no script of what was given; the text says what was expected, and what to do."""


def script_of(case_id: str, backend: str, device: str) -> str:
    """Write the script of one case on one backend.

    Args:
        case_id: the case.
        backend: a name in the list of backends.
        device: cpu, cuda or cuda:N.

    Returns:
        The script.

    Raises:
        NoScript: the case, the backend or the device is unknown, or the backend does not run the case.

    """
    if backend not in BACKENDS:
        raise NoScript(
            f"--backend: {backend!r} given; {did_you_mean(backend, BACKENDS)}expected one of {', '.join(BACKENDS)}; a "
            "script takes the framework's calls from these adapters; repeat a case of your own backend with "
            f"{shlex.join(['rnnspec', 'check', '--backend', backend, '--case', case_id])}"
        )
    if not DEVICE.fullmatch(device):
        raise NoScript(f"--device: {device!r} given; expected cpu, cuda or cuda:N")
    try:
        case = by_id(case_id)
    except ValueError as why:
        raise NoScript(
            f"--{why}; rnnspec check --backend pytorch -- --collect-only lists them"
        ) from why
    try:
        return script(case, backend, device)
    except Unsupported as why:
        raise NoScript(
            f"--case {case_id}: {backend} does not run it ({why}), so there is nothing to show; choose "
            "another backend"
        ) from why


def scripts_of(run: Run) -> Iterator[tuple[str, str]]:
    """Write the scripts of all cases of a run that differ or fail.

    Args:
        run: a run file.

    Yields:
        File name and text of each script.

    Raises:
        NoScript: the run is of the user's own backend or network, or a case's arrays are others by now.

    """
    for record in run.cases:
        if record.outcome in FAILED:
            yield f"{_file_name(record)}.py", _of_record(record)


def _of_record(record: CaseRecord) -> str:
    """Write the script of one record; an error names the run file's record, since no other option was given."""
    if record.backend not in BACKENDS:
        raise NoScript(
            f"--run: a run of {record.backend!r} given; expected a run of one of {', '.join(BACKENDS)}; a script "
            f"takes the framework's calls from these adapters; repeat a case of your own backend with {record.repeat}"
        )
    if record.case.startswith(USER):
        raise NoScript(
            f"--run: a run of your own network, {record.case}, given; expected a run of the suite's cases; its "
            f"arrays are in your files, not in a case; repeat it with {record.repeat}"
        )
    try:
        case = by_id(record.case)
        if (now := digest(draw(case))) != record.case_version:
            raise NoScript(
                f"--run: {record.case} was run on other arrays ({record.case_version}) than it has here "
                f"({now}); run it again: {record.repeat}"
            )
        return script(case, record.backend, record.device)
    except (ValueError, Unsupported) as why:
        raise NoScript(
            f"--run: {record.case} on {record.backend} has no script here ({why}); run it again: {record.repeat}"
        ) from why


def _file_name(record: CaseRecord) -> str:
    """In ASCII and without separators."""
    return re.sub(r"[^a-z0-9-]+", "_", f"{record.backend}_{record.case}")

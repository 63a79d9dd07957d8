"""``rnnspec reproduce``: a difference as a script of NumPy and one framework."""

from __future__ import annotations

from pathlib import Path

from backends import BACKENDS
from commands.command_line import Refused, command, option, refusing
from evidence.reproducer.scripts import NoScript, script_of, scripts_of
from records.exit_codes import ExitCode
from records.reading import BadRunFile, read_run
from rnnspec.options import default_case_ids


@command(
    "reproduce",
    examples=(
        "rnnspec reproduce --backend jax_scan --case large-state/lstm/float32 --script bug.py",
        "rnnspec reproduce --run results/runs/RUN.jsonl.gz --script scripts/",
    ),
)
@option("--backend", choices=tuple(BACKENDS), closed=False, repeats=False)
@option("--case", complete=default_case_ids, repeats=False)
@option("--device", default=None)
@option("--run")
@option("--script")
def reproduce(
    backend: str | None,
    case: str | None,
    device: str | None,
    run: Path | None,
    script: Path | None,
) -> ExitCode:
    """Write a difference as a script of NumPy and one framework.

    The script needs nothing of this project, and the framework only where it is run: made for a framework's bug
    tracker. Name a backend and a case, or a run file for a script of every case that differs or fails.
    """
    with refusing(NoScript):
        if run is not None:
            if backend or case or device:
                raise Refused("--run: given with --backend, --case or --device, which the run file contains; "
                              "leave them out")  # fmt: skip
            return _of_run(run, script)
        if backend is None or case is None:
            raise Refused("--backend, --case: expected both, or --run with a run file")
        text = script_of(case, backend, device or "cpu")
        if script is None:
            print(text, end="")
        else:
            _write(script, text)
    return ExitCode.CLEAN


def _of_run(path: Path, folder: Path | None) -> ExitCode:
    """Write a script for every record of a run that differs or failed."""
    if folder is None:
        raise Refused("--script: not given; with --run, expected the folder for the scripts")
    try:
        run = read_run(path)
    except BadRunFile as why:
        raise Refused(f"--run: {why}; expected a run file of rnnspec check") from why
    texts = dict(scripts_of(run))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"--script: {folder} cannot be made a folder: {error.strerror}") from error
    for name, text in texts.items():
        _write(folder / name, text)
        print(folder / name)
    if not texts:
        print(f"{path}: none of {len(run.cases)} records differs or failed")
    return ExitCode.CLEAN


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Refused(f"--script: {path} cannot be written: {error.strerror}") from error

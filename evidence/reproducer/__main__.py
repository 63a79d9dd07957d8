"""``python -m evidence.reproducer``: a difference as a script of NumPy and one framework.

For one case of one backend, to stdout or ``--out FILE``; or for every record of a run file that differs
or errored, into the folder ``--out DIR``. The script needs nothing of this project, and the framework
only where it is run.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from backends import BACKENDS, Unsupported
from conformance.cases import AnyCase, by_id
from conformance.draw import digest, draw
from evidence.reproducer import script
from records.exit_codes import ExitCode
from records.options import Parser
from records.reading import BadRunFile, Run, read_run
from records.schema import CaseRecord

DEVICE = re.compile(r"cpu|cuda(:\d+)?")
FAILED = ("differs", "errored")


class Refused(Exception):
    """What was given cannot be used; the text says what was expected, and what to do."""


def main(arguments: list[str] | None = None) -> ExitCode:
    """Write the script, or the scripts, that the options ask for."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.run is not None:
            return of_run(options)
        of_case(options)
    except Refused as why:
        parser.error(str(why))
    return ExitCode.CLEAN


def of_case(options: argparse.Namespace) -> None:
    """The script of the case and backend given, to stdout or a file."""
    if options.backend is None or options.case is None:
        raise Refused("--backend and --case: give both, or --run with a run file")
    text = one(options.case, options.backend, options.device or "cpu")
    if options.out is None:
        print(text, end="")
    else:
        _write(options.out, text)


def one(case_id: str, backend: str, device: str) -> str:
    """The script of one case on one backend; raises ``Refused`` for what there is none of."""
    if backend not in BACKENDS:
        raise Refused(
            f"--backend {backend!r}: expected one of {', '.join(BACKENDS)}; a script has the calls of "
            "the framework in it, which are known of these alone"
        )
    if not DEVICE.fullmatch(device):
        raise Refused(f"--device {device!r}: expected cpu, cuda or cuda:N")
    try:
        return script(_case(case_id), backend, device)
    except Unsupported as why:
        raise Refused(
            f"--case {case_id}: {backend} does not run it ({why}), so there is nothing to show; choose "
            "another backend"
        ) from why


def of_run(options: argparse.Namespace) -> ExitCode:
    """A script for every record of the run that differs or errored."""
    if options.backend or options.case or options.device:
        raise Refused(
            "--run: the run says which backend, device and cases; leave those options out"
        )
    if options.out is None:
        raise Refused("--run: give --out with the folder that the scripts go to")
    try:
        run: Run = read_run(options.run)
    except BadRunFile as why:
        raise Refused(f"--run {why}; expected a run file of python -m conformance") from why
    failing = [record for record in run.cases if record.outcome in FAILED]
    texts = {options.out / f"{_file_name(r)}.py": of_record(r) for r in failing}
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"--out {options.out}: cannot be made a folder: {error.strerror}") from error
    for path, text in texts.items():
        _write(path, text)
        print(path)
    if not failing:
        print(f"{options.run}: none of {len(run.cases)} records differs or errored")
    return ExitCode.CLEAN


def of_record(record: CaseRecord) -> str:
    """The script of a record; raises ``Refused`` where the case's arrays are others by now."""
    if (now := digest(draw(_case(record.case)))) != record.case_version:
        raise Refused(
            f"--run: {record.case} was run on other arrays ({record.case_version}) than it has here "
            f"({now}); run it again: {record.repeat}"
        )
    return one(record.case, record.backend, record.device)


def _case(case_id: str) -> AnyCase:
    try:
        return by_id(case_id)
    except ValueError as why:
        raise Refused(
            f"--{why}; python -m conformance --backend pytorch --collect-only lists them"
        ) from why


def _file_name(record: CaseRecord) -> str:
    """In ASCII and without separators."""
    return re.sub(r"[^a-z0-9-]+", "_", f"{record.backend}_{record.case}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Refused(f"--out {path}: cannot be written: {error.strerror}") from error


def _parser() -> Parser:
    parser = Parser("python -m evidence.reproducer", __doc__)  # fmt: skip
    parser.add_argument("--backend", metavar="NAME", help=f"one of {', '.join(BACKENDS)}")
    parser.add_argument("--case", metavar="ID", help="the id of a case")
    parser.add_argument("--device", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--run", type=Path, metavar="FILE",
                        help="a run file: every record of it that differs or errored")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="PATH",
                        help="the script's file (default: stdout), or with --run a folder")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())

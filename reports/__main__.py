"""``python -m reports``: the matrix of the runs at hand, in the terminal, as a page, and for other tools."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from records.exit_codes import ExitCode, exit_code
from records.options import Parser
from records.schema import Outcome, json_schema
from records.text import count
from reports import exports
from reports.history.index import BadIndex
from reports.history.triage import BadTriageFile, read_triage
from reports.load import load_matrix
from reports.matrix import Matrix
from reports.page import write_page
from reports.terminal import text

TRIAGE = Path("triage.toml")


def main(arguments: list[str] | None = None) -> ExitCode:
    """Print the matrix, write the page and the exports, and say what was found as an exit code."""
    parser = Parser("python -m reports", __doc__)
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), metavar="DIR",
                        help="where the run files are (default: %(default)s)")  # fmt: skip
    parser.add_argument("--site", type=Path, default=Path("results/site"), metavar="DIR",
                        help="where index.html is written, and exports/ (default: %(default)s)")  # fmt: skip
    parser.add_argument("--format", action="append", choices=exports.FORMS, metavar="FORM",
                        help=f"export to this form only, of {', '.join(exports.FORMS)}; may be given "
                        "again (default: all)")  # fmt: skip
    parser.add_argument("--index", type=Path, metavar="FILE",
                        help="what is derived from all runs, and made anew where it is not there "
                        "(default: beside the folder of run files, by its name: "
                        "results/runs.sqlite)")  # fmt: skip
    parser.add_argument("--triage", type=Path, metavar="FILE",
                        help=f"changes for the worse that someone has looked at (default: {TRIAGE}, "
                        "where there is one)")  # fmt: skip
    parser.add_argument("--schema", action="store_true",
                        help="print the JSON Schema of a run file's lines and stop")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.schema:
        print(json.dumps(json_schema(), indent=2, sort_keys=True))
        return ExitCode.CLEAN
    for name in ("runs", "site"):
        folder = getattr(options, name)
        if folder.exists() and not folder.is_dir():
            parser.error(f"--{name} {folder}: expected a folder, found a file")
    try:
        there = options.triage or (TRIAGE if TRIAGE.exists() else None)
        entries = read_triage(there) if there else []
        runs = options.runs.resolve()
        index = options.index or runs.with_name(f"{runs.name}.sqlite")
        shown = load_matrix(runs, index, entries, datetime.now(UTC).date())
    except (BadTriageFile, BadIndex, OSError, sqlite3.Error) as why:
        parser.error(str(why))
    print(text(shown, to_terminal=sys.stdout.isatty()), end="")
    try:
        page = write_page(shown, options.site)
        written = exports.write(shown, options.format or exports.FORMS, options.site / "exports")
    except OSError as error:
        parser.error(f"--site {options.site}: cannot be written: {error}")
    print(
        f"\n{page.resolve()}\n{count(len(written), 'export')} in {page.resolve().parent / 'exports'}"
    )
    return code(shown)


def code(shown: Matrix) -> ExitCode:
    """The exit code for what ``shown`` holds."""
    alarms: Counter[Outcome] = Counter({"differs": sum(fuzzed.alarms for fuzzed in shown.fuzzed)})
    return exit_code(
        shown.outcomes + alarms,
        known=sum(column.total.counts["known"] for column in shown.columns),
        missing=sum(column.unreached for column in shown.columns),
        stale=sum(len(column.stale) for column in shown.columns) + len(shown.triage.stale),
        regressions=len(shown.triage.regressions),
        harness_errors=len(shown.bad) + len(shown.interrupted),
    )


if __name__ == "__main__":
    sys.exit(main())

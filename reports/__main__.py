"""``python -m reports``: the matrix of the runs at hand, in the terminal, as a page, and for other tools."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from reports import exports
from reports.exit_codes import ExitCode, exit_code
from reports.history import FEW, Index, Taken
from reports.matrix import Matrix, matrix
from reports.options import Parser
from reports.page import write_page
from reports.records import Outcome, json_schema
from reports.runs import BadRunFile, current, read_run
from reports.terminal import text
from reports.trends import WORSE, trend
from reports.triage import BadTriageFile, Entry, read_triage, triaged


def main(arguments: list[str] | None = None) -> ExitCode:
    """Print the matrix, write the page and the exports, and say what was found as an exit code."""
    parser = Parser("python -m reports", __doc__)
    parser.add_argument("--runs", type=Path, default=Path("reports/runs"), metavar="DIR",
                        help="where the run files are (default: %(default)s)")  # fmt: skip
    parser.add_argument("--site", type=Path, default=Path("reports/site"), metavar="DIR",
                        help="where index.html is written, and exports/ (default: %(default)s)")  # fmt: skip
    parser.add_argument("--format", action="append", choices=exports.FORMS, metavar="FORM",
                        help=f"export to this form only, of {', '.join(exports.FORMS)}; may be given "
                        "again (default: all)")  # fmt: skip
    parser.add_argument("--index", type=Path, metavar="FILE",
                        help="what is derived from all runs, and made anew where it is not there "
                        "(default: index.sqlite beside the folder of run files)")  # fmt: skip
    parser.add_argument("--triage", type=Path, default=Path("triage.toml"), metavar="FILE",
                        help="changes for the worse that someone has looked at (default: %(default)s)")  # fmt: skip
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
        entries = read_triage(options.triage)
        index = options.index or options.runs.with_name("index.sqlite")
        shown = collected(options.runs, index, entries, datetime.now(UTC).date())
    except (BadTriageFile, OSError, sqlite3.Error) as why:
        parser.error(str(why))
    print(text(shown, to_terminal=sys.stdout.isatty()), end="")
    try:
        page = write_page(shown, options.site)
        exports.write(shown, options.format or exports.FORMS, options.site / "exports")
    except OSError as error:
        parser.error(f"--site {options.site}: cannot be written: {error}")
    print(f"\n{page.resolve()}")
    return code(shown)


def collected(folder: Path, index: Path, entries: Sequence[Entry], today: date) -> Matrix:
    """The matrix of the latest runs in ``folder``, and what all of them together say."""
    with Index(index if folder.exists() else Path(":memory:")) as history:
        history.refresh(folder, _shown)
        runs = [read_run(current(folder / file)) for file in history.latest()]
        bad = [BadRunFile(folder / file, why) for file, why in history.bad()]
        judged = [series for series in history.all_series() if series.figure in WORSE]
        trends = [trend(series, points) for series in judged if (points := history.points(series))]
    ordered = sorted(runs, key=lambda run: (run.started, run.header.run_id))
    return replace(
        matrix(ordered, bad), trends=tuple(trends), triaged=triaged(trends, entries, today)
    )


def _shown(taken: Iterator[Taken], many: int) -> Iterator[Taken]:
    """With a bar for whoever waits."""
    told = Console(stderr=True)
    return iter(track(taken, "runs", total=many, console=told, transient=True, disable=many < FEW))


def code(shown: Matrix) -> ExitCode:
    """The exit code for what ``shown`` holds."""
    alarms: Counter[Outcome] = Counter({"differs": sum(fuzzed.alarms for fuzzed in shown.fuzzed)})
    return exit_code(
        shown.outcomes + alarms,
        known=sum(column.total.counts["known"] for column in shown.columns),
        missing=sum(column.unreached for column in shown.columns),
        stale=sum(len(column.stale) for column in shown.columns) + len(shown.triaged.stale),
        regressions=len(shown.triaged.regressions),
        harness_errors=len(shown.bad) + len(shown.interrupted),
    )


if __name__ == "__main__":
    sys.exit(main())

"""``rnnspec report``: the results so far, in the terminal, as a page, and as exports."""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

from commands.command_line import Refused, command, option, refusing
from records.exit_codes import ExitCode
from records.schema import json_schema
from records.text import count
from reports import exports
from reports.exit_code import exit_code_of
from reports.history.index import BadIndex
from reports.history.triage import BadTriageFile, read_triage
from reports.load import load_matrix
from reports.page import write_page
from reports.terminal import text

TRIAGE = Path("triage.toml")


@command(
    "report",
    examples=("rnnspec report", "rnnspec report --runs /data/runs --site public --format junit"),
)
@option("--runs")
@option("--triage")
@option("--index")
@option("--site")
@option("--format", choices=tuple(exports.FORMS))
@option("--schema")
def report(
    runs: Path,
    triage: Path | None,
    index: Path | None,
    site: Path,
    format: tuple[str, ...],  # noqa: A002  # the option's name
    schema: bool,
) -> ExitCode:
    """Show the results so far.

    Prints the table of the latest runs, and writes the page (index.html) and the exports for other tools. Exits
    with 1 if a case differs or fails, and with 2 if something became worse over all runs.
    """
    if schema:
        print(json.dumps(json_schema(), indent=2, sort_keys=True))
        return ExitCode.CLEAN
    for name, folder in (("--runs", runs), ("--site", site)):
        if folder.exists() and not folder.is_dir():
            raise Refused(f"{name}: {folder} given, which is a file; expected a folder")
    with refusing(BadTriageFile, BadIndex, OSError, sqlite3.Error):
        there = triage or (TRIAGE if TRIAGE.exists() else None)
        entries = read_triage(there) if there else []
        folder = runs.resolve()
        database = index or folder.with_name(f"{folder.name}.sqlite")
        shown = load_matrix(folder, database, entries, datetime.now(UTC).date())
    print(text(shown, to_terminal=sys.stdout.isatty()), end="")
    try:
        page = write_page(shown, site)
        written = exports.write(shown, format or exports.FORMS, site / "exports")
    except OSError as error:
        raise Refused(f"--site: {site} given, which cannot be written: {error}") from error
    print(
        f"\n{page.resolve()}\n{count(len(written), 'export')} in {page.resolve().parent / 'exports'}"
    )
    return exit_code_of(shown)

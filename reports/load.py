"""Load a folder of runs: the matrix of the latest runs, and the history of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import track

from records.runs import BadRunFile, Run, current_path, read_run
from reports.column import Column
from reports.history.detection import WORSE, judge_series
from reports.history.index import FEW, Index, IndexedFile, Series
from reports.history.run_diff import RunDiff, diff_runs
from reports.history.triage import TriageEntry, apply_triage
from reports.history.versions import margins_by_version
from reports.matrix import Matrix, build_matrix


def load_matrix(folder: Path, index: Path, entries: Sequence[TriageEntry], today: date) -> Matrix:
    """Load everything that a report shows.

    Args:
        folder: folder of run files.
        index: SQLite file that caches the history of all runs.
        entries: entries of triage.toml.
        today: date on which the entries' expiry is checked.

    Returns:
        The matrix with its history.

    Raises:
        BadIndex: if ``index`` is a file of something else.
        OSError: if a file cannot be read or written.
        sqlite3.Error: if SQLite refuses the index.

    """
    bad = []

    def read(files: Sequence[str]) -> Iterator[Run]:
        for file in files:
            try:
                yield read_run(current_path(folder / file))
            except BadRunFile as why:  # the file was readable when it was indexed
                bad.append(why)

    with Index(index if folder.exists() else Path(":memory:")) as history:
        history.refresh(folder, _show_progress)
        latest, before = list(read(history.latest())), list(read(history.previous()))
        bad += [BadRunFile(folder / file, why) for file, why in history.bad()]
        shown = build_matrix(sorted(latest, key=lambda run: (run.started, run.header.run_id)), bad)
        versions = tuple(margins_by_version(history))
        found = [one for series in _current(history.all_series(), shown)
                 for one in judge_series(series, history.points(series))]  # fmt: skip
    return replace(
        shown,
        trends=tuple(found),
        triage=apply_triage(found, entries, today),
        run_diffs=tuple(_diffs(shown.columns, before)),
        version_margins=versions,
    )


def _current(found: Sequence[Series], shown: Matrix) -> Iterator[Series]:
    """Yield the series that are still current.

    These are the current version of each case in a column, and every row whose workload has not changed.
    A run that timed only some workloads does not end the series of the others.
    """
    going = {("margin", r.case, r.case_version, r.backend, r.device, r.dtype)
             for column in shown.columns for r in column.cases}  # fmt: skip
    versions = {m.workload: m.workload_version for run in shown.timed for m in run.measurements}
    for series in found:
        if series.figure not in WORSE:
            continue
        of_row = versions.get(series.name.partition(" ")[0], series.version) == series.version
        if of_row if series.figure != "margin" else series in going:
            yield series


def _diffs(columns: Sequence[Column], before: Sequence[Run]) -> Iterator[RunDiff]:
    """Yield the differences of each column from the run before."""
    earlier_runs = {(run.header.backend, run.header.device): run for run in before}
    for column in columns:
        earlier = earlier_runs.get((column.run.header.backend, column.run.header.device))
        if earlier and earlier.started < column.run.started:
            yield diff_runs(earlier, column.combined)


def _show_progress(files: Iterator[IndexedFile], total: int) -> Iterator[IndexedFile]:
    """Show a progress bar while total files are read."""
    console = Console(stderr=True)
    return iter(
        track(files, "runs", total=total, console=console, transient=True, disable=total < FEW)
    )

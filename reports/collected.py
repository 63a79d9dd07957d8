"""All that reports show, of a folder of runs: the latest ones, what changed since, and what all together say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import track

from reports.difference import Difference, difference
from reports.history import FEW, Index, Taken
from reports.matrix import Column, Matrix, matrix
from reports.runs import BadRunFile, Run, current, read_run
from reports.trends import WORSE, trends
from reports.triage import Entry, triaged


def collected(folder: Path, index: Path, entries: Sequence[Entry], today: date) -> Matrix:
    """The matrix of ``folder``; ``entries`` of triage.toml count until their day. What all runs say is kept in
    ``index``. Raises ``OSError`` and ``sqlite3.Error``.
    """
    with Index(index if folder.exists() else Path(":memory:")) as history:
        history.refresh(folder, _shown)
        latest, before = (
            [read_run(current(folder / file)) for file in files]
            for files in (history.latest(), history.before())
        )
        bad = [BadRunFile(folder / file, why) for file, why in history.bad()]
        judged = [series for series in history.all_series() if series.figure in WORSE]
        found = [one for series in judged for one in trends(series, history.points(series))]
    shown = matrix(sorted(latest, key=lambda run: (run.started, run.header.run_id)), bad)
    return replace(
        shown,
        trends=tuple(found),
        triaged=triaged(found, entries, today),
        differences=tuple(_differences(shown.columns, before)),
    )


def _differences(columns: Sequence[Column], before: Sequence[Run]) -> Iterator[Difference]:
    """What changed in each column since its run in ``before``."""
    of = {(run.header.backend, run.header.device): run for run in before}
    for column in columns:
        earlier = of.get((column.run.header.backend, column.run.header.device))
        if earlier and earlier.started < column.run.started:
            yield difference(earlier, column.run)


def _shown(taken: Iterator[Taken], many: int) -> Iterator[Taken]:
    """With a bar for whoever waits."""
    told = Console(stderr=True)
    return iter(track(taken, "runs", total=many, console=told, transient=True, disable=many < FEW))

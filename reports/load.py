"""All that reports show, of a folder of runs: the latest ones, what changed since, and what all together say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import track

from records.runs import BadRunFile, Run, current_path, read_run
from reports.history.detection import WORSE, judge_series
from reports.history.index import FEW, Index, IndexedFile, Series
from reports.history.run_diff import RunDiff, diff_runs
from reports.history.triage import TriageEntry, apply_triage
from reports.history.versions import margins_by_version
from reports.matrix import Column, Matrix, build_matrix


def load_matrix(folder: Path, index: Path, entries: Sequence[TriageEntry], today: date) -> Matrix:
    """The matrix of ``folder``; ``entries`` of triage.toml count until their day. What all runs say is kept in
    ``index``. Raises ``BadIndex``, ``OSError`` and ``sqlite3.Error``.
    """
    bad = []

    def read(files: Sequence[str]) -> Iterator[Run]:
        for file in files:
            try:
                yield read_run(current_path(folder / file))
            except BadRunFile as why:  # it was good when the index was made
                bad.append(why)

    with Index(index if folder.exists() else Path(":memory:")) as history:
        history.refresh(folder, _shown)
        latest, before = list(read(history.latest())), list(read(history.previous()))
        bad += [BadRunFile(folder / file, why) for file, why in history.bad()]
        shown = build_matrix(sorted(latest, key=lambda run: (run.started, run.header.run_id)), bad)
        of_versions = tuple(margins_by_version(history))
        found = [one for series in _current(history.all_series(), shown)
                 for one in judge_series(series, history.points(series))]  # fmt: skip
    return replace(
        shown,
        trends=tuple(found),
        triage=apply_triage(found, entries, today),
        run_diffs=tuple(_differences(shown.columns, before)),
        version_margins=of_versions,
    )


def _current(found: Sequence[Series], shown: Matrix) -> Iterator[Series]:
    """The series that go on: the cases of the columns as they are there, and all rows but those of workloads that
    are others by now. A run that timed a few workloads does not end the others.
    """
    going = {("margin", r.case, r.case_version, r.backend, r.device, r.dtype)
             for column in shown.columns for r in column.run.cases}  # fmt: skip
    versions = {m.workload: m.workload_version for run in shown.timed for m in run.measurements}
    for series in found:
        if series.figure not in WORSE:
            continue
        of_row = versions.get(series.name.partition(" ")[0], series.version) == series.version
        if of_row if series.figure != "margin" else series in going:
            yield series


def _differences(columns: Sequence[Column], before: Sequence[Run]) -> Iterator[RunDiff]:
    """What changed in each column since its run in ``before``."""
    of = {(run.header.backend, run.header.device): run for run in before}
    for column in columns:
        earlier = of.get((column.run.header.backend, column.run.header.device))
        if earlier and earlier.started < column.run.started:
            yield diff_runs(earlier, column.run)


def _shown(taken: Iterator[IndexedFile], many: int) -> Iterator[IndexedFile]:
    """With a bar for whoever waits."""
    told = Console(stderr=True)
    return iter(track(taken, "runs", total=many, console=told, transient=True, disable=many < FEW))

"""Time two sides in pairs of fresh processes that alternate on the same processors, sample by sample."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.comparing.sides import Side
from benchmarks.timing.merge import MergedRun, describe_end
from benchmarks.timing.options import Rows
from benchmarks.timing.schedule import PairProcess, Process, run_pair
from conformance.open_backend import command_line
from records.reading import read_run
from records.schema import Header, Measurement


class Subject(NamedTuple):
    """A backend on one side, base or head."""

    backend: str
    side: Side


class PairedMeasurements(NamedTuple):
    """Measurements of both sides, with the headers of their runs."""

    base: Sequence[Measurement]
    head: Sequence[Measurement]
    headers: tuple[Header, Header]


def progress(console: Console) -> Progress:
    """Make a progress bar.

    Args:
        console: where it is shown.

    Returns:
        The bar, with a count and the elapsed time.
    """
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeElapsedColumn(), console=console)  # fmt: skip


def time_pairs(
    subjects: tuple[Subject, Subject],
    rows: Rows,
    numbers: Sequence[int],
    folder: Path,
    console: Console,
) -> PairedMeasurements | None:
    """Time pairs of processes, one process of each side.

    In odd pairs, head takes the first sample.

    Args:
        subjects: base and head.
        rows: the rows to time.
        numbers: numbers of the pairs.
        folder: run files are written to its folders ``base`` and ``head``.
        console: for progress, and the output of processes that failed.

    Returns:
        Both sides' measurements, or None if a process gave no answer.
    """
    merged = [
        MergedRun(folder / part / "runs", rows.total, command_line()) for part in ("base", "head")
    ]
    with progress(console) as shown:
        task = shown.add_task("", total=len(numbers))
        for number in numbers:
            order = (0, 1) if number % 2 == 0 else (1, 0)
            both = [subjects[which] for which in order]
            shown.update(
                task, description=" against ".join(f"{s.backend}, {s.side.name}" for s in both)
            )
            _one(both, number, rows, [merged[which] for which in order], console)
            shown.advance(task)
            if any(m.broken for m in merged):
                break
    for m in merged:
        m.close()
    if any(m.broken or m.path is None for m in merged):
        return None
    base, head = (read_run(m.path) for m in merged if m.path)
    return PairedMeasurements(base.measurements, head.measurements, (base.header, head.header))


def _one(
    both: Sequence[Subject], number: int, rows: Rows, into: Sequence[MergedRun], console: Console
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / part for part in ("first", "second")]
        planned = []
        for subject, folder in zip(both, folders, strict=True):
            folder.mkdir()
            planned.append(PairProcess(
                Process(subject.backend, rows.pinned, number), [*rows.options(), "--out", str(folder)],
                folder / "log", subject.side.python, subject.side.checkout,
            ))  # fmt: skip
        codes = run_pair(*planned)
        for subject, folder, code, merged in zip(both, folders, codes, into, strict=True):
            merged.take(code, folder / "runs")
            if merged.broken:
                console.print(f"{subject.side.name}: {describe_end(code, folder / 'log')}", markup=False,
                              highlight=False, soft_wrap=True)  # fmt: skip

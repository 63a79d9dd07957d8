"""Two sides timed in turn: pairs of fresh processes on one processor, BASE HEAD, HEAD BASE, and so on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.merged import Merged, say_why
from benchmarks.processes import Process, run
from benchmarks.sides import Side
from conformance.opened import command
from reports.reading import read_run
from reports.records import Header, Measurement


class Rows(NamedTuple):
    """What is timed: every workload in every mode, for how long, and on which device."""

    workloads: Sequence[str]
    modes: Sequence[str]
    device: str = "cpu"
    quick: bool = False

    @property
    def total(self) -> int:
        """Of one backend."""
        return len(self.workloads) * len(self.modes)

    def options(self) -> list[str]:
        """For a process."""
        found = ["--device", self.device, *(["--quick"] if self.quick else [])]
        for name in self.workloads:
            found += ["--workload", name]
        for mode in self.modes:
            found += ["--mode", mode]
        return found


class Subject(NamedTuple):
    """A backend on one side."""

    backend: str
    side: Side


class Timed(NamedTuple):
    """Both sides of all rows, each with the header of its run."""

    base: Sequence[Measurement]
    head: Sequence[Measurement]
    headers: tuple[Header, Header]


def progress(console: Console) -> Progress:
    """For processes that are waited for."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeElapsedColumn(), console=console)  # fmt: skip


def timed(
    subjects: tuple[Subject, Subject],
    rows: Rows,
    numbers: Sequence[int],
    folder: Path,
    console: Console,
) -> Timed | None:
    """The pairs of these numbers; None where a process gave no answer.

    Run files go to ``folder/base`` and ``folder/head``. Odd pairs begin with HEAD.
    """
    merged = [Merged(folder / part / "runs", rows.total, command()) for part in ("base", "head")]
    with progress(console) as shown:
        task = shown.add_task("", total=2 * len(numbers))
        for number in numbers:
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                if any(m.broken for m in merged):
                    break
                backend, side = subjects[which]
                shown.update(task, description=f"{backend}, {side.name}")
                _one(Process(backend, True, number), side, rows, merged[which], console)
                shown.advance(task)
    for m in merged:
        m.close()
    if any(m.broken or m.path is None for m in merged):
        return None
    base, head = (read_run(m.path) for m in merged if m.path)
    return Timed(base.measurements, head.measurements, (base.header, head.header))


def _one(process: Process, on: Side, rows: Rows, into: Merged, console: Console) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        code = run(process, [*rows.options(), "--out", scratch], log, on.python, on.checkout)
        into.take(code, Path(scratch) / "runs")
        if into.broken:
            console.print(f"{on.name}: {say_why(code, log)}", markup=False, highlight=False,
                          soft_wrap=True)  # fmt: skip

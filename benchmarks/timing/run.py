"""Time rows on several backends, each in several fresh processes.

As each process ends, its results are appended to its backend's run file; pytest-benchmark's own JSON is next to it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from backends.adapter import kind_of
from benchmarks.comparing.pairs import progress
from benchmarks.timing.merge import MergedRun, describe_end
from benchmarks.timing.options import Rows
from benchmarks.timing.schedule import Process, make_round, rounds_in_time, run_process
from conformance.open_backend import command_line
from records.exit_codes import ExitCode
from records.reading import read_run
from reports.matrix import build_matrix
from reports.terminal import print_matrix


def time_backends(
    names: Sequence[str],
    rows: Rows,
    *,
    processes: int,
    pinned: bool,
    minutes: float | None,
    out: Path,
    console: Console,
) -> ExitCode:
    """Run all processes, and print the results.

    Args:
        names: backends.
        rows: workloads and modes.
        processes: number of processes that time each row.
        pinned: True to time on one processor only, False to time on all as well.
        minutes: time budget; no further process starts that would exceed it.
        out: folder of results.
        console: where to print.

    Returns:
        The lowest exit code of the processes that is not 0.

    """
    on_gpu = kind_of(rows.device) == "cuda"  # one processor is enough to feed a GPU
    series = (False,) if on_gpu else (True,) if pinned else (False, True)
    runs = out / "runs"
    merged = {name: MergedRun(runs, rows.total, command_line()) for name in names}
    done = 0
    with progress(console) as shown:
        task = shown.add_task("", total=processes * len(series) * len(names))
        for number in rounds_in_time(processes, minutes):
            for process in make_round(list(names), series, number):
                shown.update(task, description=process.label)
                if not merged[process.backend].broken:
                    _run(process, rows.options(), merged[process.backend], runs, console)
                shown.advance(task)
            done = number + 1
    if done < processes:
        console.print(
            f"timed {done} of {processes} processes; the time budget, --minutes {minutes:g}, is used up"
        )
    codes = [one.close() for one in merged.values()]
    paths = [one.path for one in merged.values() if one.path]
    print_matrix(build_matrix([read_run(path) for path in paths]), console)
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
    return min((code for code in codes if code), default=ExitCode.CLEAN)


def _run(
    process: Process, arguments: list[str], merged: MergedRun, runs: Path, console: Console
) -> None:
    """Run one process, and keep its measurements."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, log = Path(scratch), Path(scratch) / "log"
        runs.mkdir(parents=True, exist_ok=True)
        json = folder / "benchmark.json"
        code = run_process(process, [*arguments, "--out", scratch, f"--benchmark-json={json}"], log)
        merged.take(code, folder / "runs")
        if merged.broken:
            console.print(f"{process.label}: {describe_end(code, log)}", markup=False, highlight=False,
                          soft_wrap=True)  # fmt: skip
        if merged.path and json.exists() and json.stat().st_size:
            stem = merged.path.name.partition(".")[0]
            series = "1-processor" if process.pinned else "all-processors"
            name = f"{stem}-{series}-{process.number}-pytest-benchmark.json"
            (runs / name).write_bytes(json.read_bytes())

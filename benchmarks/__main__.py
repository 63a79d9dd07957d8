"""``python -m benchmarks``: workloads timed on every backend, in several fresh processes each.

What a process has measured is in the run file of its backend as soon as it ends. pytest-benchmark's own
JSON of every process goes beside the run files.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from backends.adapter import kind_of
from benchmarks.comparing.noise import LEAST_PAIRS
from benchmarks.comparing.noise_budgets import FILE
from benchmarks.comparing.pairs import progress
from benchmarks.comparing.revisions import PAIRS
from benchmarks.comparing.self_comparison import measure
from benchmarks.timing.merge import Merged, say_why
from benchmarks.timing.options import (
    PROCESSES,
    add_all_processors,
    add_backends,
    add_rows,
    backends_of,
    rows_of,
)
from benchmarks.timing.schedule import Process, one_of_each, rounds, run
from benchmarks.timing.workloads import of_set
from conformance.open_backend import command_line
from records.exit_codes import ExitCode
from records.options import Parser, counted, positive
from records.reading import read_run
from reports.matrix import build_matrix
from reports.terminal import print_matrix, standard_output


def main(arguments: list[str]) -> int:
    """Run all processes; the lowest exit code that is not 0."""
    parser = options()
    given = parser.parse_args(arguments)
    names = backends_of(parser, given)
    if given.aa and given.processes:
        parser.error("--processes: with --aa, expected --pairs")
    if given.pairs and not given.aa:
        parser.error("--pairs: without --aa given, expected --processes")
    if given.all_processors and not given.aa:
        parser.error("--all-processors: without --aa given, where rows are timed on one and on all")
    if given.scaling and given.workload:
        parser.error("--workload: with --scaling given, expected one of them")
    if given.scaling:
        given.workload = of_set("scaling")
    rows = rows_of(parser, given, full=given.full)
    if given.aa and given.minutes:
        parser.error("--minutes: with --aa, expected --pairs")
    console = standard_output()
    if given.aa:
        folder = given.out / "aa" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        return measure(names, rows, given.pairs or PAIRS, folder, given.out / FILE, console)
    processes = given.processes or PROCESSES["quick" if given.quick else "whole"]
    pinned = given.quick or given.scaling
    on_gpu = kind_of(rows.device) == "cuda"  # which one processor feeds as well as all
    series = (False,) if on_gpu else (True,) if pinned else (False, True)
    runs = given.out / "runs"
    merged = {name: Merged(runs, rows.total, command_line()) for name in names}
    with progress(console) as shown:
        task = shown.add_task("", total=processes * len(series) * len(names))
        for number in rounds(processes, given.minutes):
            for process in one_of_each(names, series, number):
                shown.update(task, description=process.label)
                if not merged[process.backend].broken:
                    _run(process, rows.options(), merged[process.backend], runs, console)
                shown.advance(task)
    if number + 1 < processes:
        console.print(f"{number + 1} of {processes} processes of each, for --minutes "
                      f"{given.minutes:g} were over")  # fmt: skip
    codes = [one.close() for one in merged.values()]
    paths = [one.path for one in merged.values() if one.path]
    print_matrix(build_matrix([read_run(path) for path in paths]), console)
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
    return min((code for code in codes if code), default=ExitCode.CLEAN)


def options() -> Parser:
    """The command line."""
    parser = Parser("python -m benchmarks", __doc__)
    add_backends(parser)
    add_rows(parser, "runs")
    parser.add_argument("--processes", type=counted(1), metavar="N",
                        help=f"that time each row (default: {PROCESSES['whole']})")  # fmt: skip
    parser.add_argument("--minutes", type=positive, metavar="M",
                        help="begin no further process of each that would not be over by then")  # fmt: skip
    parser.add_argument("--aa", action="store_true",
                        help="time identical code beside itself: how much it "
                        f"differs by goes to DIR/{FILE}, which comparisons use")  # fmt: skip
    parser.add_argument("--pairs", type=counted(LEAST_PAIRS), metavar="N",
                        help=f"of processes, with --aa (default: {PAIRS})")  # fmt: skip
    add_all_processors(parser, ", with --aa")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true",
                       help="few workloads, one processor, one process, no intervals")  # fmt: skip
    which.add_argument("--full", action="store_true",
                       help="every workload, those of other devices too")  # fmt: skip
    which.add_argument("--scaling", action="store_true",
                       help="LSTMs along each of their sizes, on one processor: how time grows")  # fmt: skip
    return parser


def _run(
    process: Process, arguments: list[str], merged: Merged, runs: Path, console: Console
) -> None:
    """Run one process, and keep what it measured."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, log = Path(scratch), Path(scratch) / "log"
        runs.mkdir(parents=True, exist_ok=True)
        json = folder / "benchmark.json"
        code = run(process, [*arguments, "--out", scratch, f"--benchmark-json={json}"], log)
        merged.take(code, folder / "runs")
        if merged.broken:
            console.print(f"{process.label}: {say_why(code, log)}", markup=False, highlight=False,
                          soft_wrap=True)  # fmt: skip
        if merged.path and json.exists() and json.stat().st_size:
            stem = merged.path.name.partition(".")[0]
            series = "1-processor" if process.pinned else "all-processors"
            name = f"{stem}-{series}-{process.number}-pytest-benchmark.json"
            (runs / name).write_bytes(json.read_bytes())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted: what was measured is in the run files")

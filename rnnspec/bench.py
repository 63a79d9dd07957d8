"""``rnnspec bench``: workloads timed on backends, in several fresh processes each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparing.noise import LEAST_PAIRS
from benchmarks.comparing.noise_budgets import FILE
from benchmarks.comparing.revisions import PAIRS
from benchmarks.comparing.self_comparison import measure_noise
from benchmarks.timing.options import PROCESSES, rows_of
from benchmarks.timing.run import time_backends
from benchmarks.timing.workloads import MODES, TIMED, WORKLOADS, names_in_set
from commands.command_line import Refused, command, option, refusing
from commands.options import at_least
from records.exit_codes import ExitCode
from reports.terminal import standard_output
from rnnspec.options import backend_options, chosen_backends


@command(
    "bench",
    examples=(
        "rnnspec bench --backend pytorch --quick",
        "rnnspec bench --framework jax --workload tutorial/6x5x3-7 --minutes 10",
    ),
)
@backend_options
@option("--workload", choices=tuple(WORKLOADS))
@option("--mode", choices=MODES)
@option("--dtype", choices=TIMED, repeats=False, default="float32")
@option("--quick")
@option("--full")
@option("--scaling")
@option("--self-comparison")
@option("--all-processors")
@option("--processes")
@option("--pairs", type=at_least(LEAST_PAIRS))
@option("--minutes")
@option("--out")
def bench(
    backend: tuple[str, ...],
    framework: str | None,
    device: str,
    workload: tuple[str, ...],
    mode: tuple[str, ...],
    dtype: str,
    quick: bool,
    full: bool,
    scaling: bool,
    self_comparison: bool,
    all_processors: bool,
    processes: int | None,
    pairs: int | None,
    minutes: float | None,
    out: Path,
) -> ExitCode:
    """Time workloads on backends.

    Every row is timed in several fresh processes (5, or 1 with --quick), on one processor and on all, and its results
    are checked. With --self-comparison, pairs of processes (--pairs, 10 by default) time identical code, and the noise
    of every row is kept for rnnspec compare.
    """
    names = chosen_backends(backend, framework, device)
    chosen = [name for name, given in (("--quick", quick), ("--full", full), ("--scaling", scaling),
                                       ("--workload", scaling and workload)) if given]  # fmt: skip
    if len(chosen) > 1:
        raise Refused(f"{' and '.join(chosen)}: given together; expected one of them")
    for name, given, needs in (
        ("--processes", processes and self_comparison, "--pairs, since --self-comparison is given"),
        ("--minutes", minutes and self_comparison, "--pairs, since --self-comparison is given"),
        ("--pairs", pairs and not self_comparison, "--processes, or --self-comparison with it"),
        ("--all-processors", all_processors and not self_comparison,
         "--self-comparison with it; otherwise rows are timed on one processor and on all"),
    ):  # fmt: skip
        if given:
            raise Refused(f"{name}: expected {needs}")
    with refusing(ValueError):
        rows = rows_of(names_in_set("scaling") if scaling else workload, mode, device, dtype, quick=quick,
                       full=full, pinned=not all_processors)  # fmt: skip
    console = standard_output()
    if self_comparison:
        folder = out / "self-comparison" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        return measure_noise(names, rows, pairs or PAIRS, folder, out / FILE, console)
    return time_backends(
        names, rows, processes=processes or PROCESSES["quick" if quick else "whole"],
        pinned=quick or scaling, minutes=minutes, out=out, console=console,
    )  # fmt: skip

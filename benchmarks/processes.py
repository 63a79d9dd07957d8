"""The fresh processes of a run: which, in which order, and with how many processors each.

The same code runs at different speeds in different processes, and at the same speed within each; so a row
is timed in several. One is active at a time: an idle thread pool still holds its cores. Processes of one
backend stand as far apart as they can, so that what slows the machine for minutes meets all alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
         "TF_NUM_INTEROP_THREADS")  # fmt: skip
"""What the thread pools read; XLA's has its size from the processors that a process may use."""


class Process(NamedTuple):
    """One process: a backend on one processor or on all, for the n-th time."""

    backend: str
    pinned: bool
    number: int

    @property
    def label(self) -> str:
        """For a person who waits."""
        return f"{self.backend}, {'1 processor' if self.pinned else 'all processors'}"


def plan(backends: list[str], processes: int, series: tuple[bool, ...]) -> Iterator[Process]:
    """All processes, the backends in turn; all processors first, so that the header has them."""
    for number in range(processes):
        for pinned in series:
            for backend in backends:
                yield Process(backend, pinned, number)


def run(
    process: Process,
    arguments: list[str],
    log: Path,
    python: Path | str = sys.executable,
    checkout: Path | None = None,
) -> int:
    """Run one process to its end; what it prints goes to ``log``. Its exit code.

    ``checkout`` is another one than this, whose suite it runs.
    """
    own = ["--backend", process.backend, "--process", str(process.number)]
    other = {} if checkout is None else {"PYTHONPATH": str(checkout)}
    safe = [] if checkout is None else ["-P"]  # or the working directory's suite would come first
    command = [str(python), *safe, "-m", "benchmarks.process", *own, *arguments]
    with log.open("wb") as to:
        return subprocess.run(
            command, stdout=to, stderr=subprocess.STDOUT, check=False,
            env=os.environ | _environment(process) | other,
            preexec_fn=pin if process.pinned else None,
        ).returncode  # fmt: skip


def _environment(process: Process) -> Mapping[str, str]:
    return dict.fromkeys(POOLS, "1") if process.pinned else {}


def pin() -> None:
    """Give this process one processor: the last, since the first takes the system's interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

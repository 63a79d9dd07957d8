"""The fresh processes of a run: which, in which order, and with how many processors each.

The same code runs at different speeds in different processes, and at the same speed within each; so a row
is timed in several. One is active at a time: an idle thread pool still holds its cores. Processes of one
backend stand as far apart as they can, so that what slows the machine for minutes meets all alike; those of a
pair, which are compared, run at once and take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.timing.alternation import Pipes

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
         "TF_NUM_INTEROP_THREADS")  # fmt: skip
"""What the thread pools read; XLA's has its size from the processors that a process may use."""

SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""Two processes at once, and neither takes all of a device's memory."""

KEPT = {"MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TOP_PAD_": str(2**26)}  # fmt: skip
"""glibc keeps memory that was given back, blocks of any size. As it is, some processes get it anew from the system
at every call and others do not, and a row of identical code differs by up to a fifth from process to process."""


class Process(NamedTuple):
    """One process: a backend on one processor or on all, for the n-th time."""

    backend: str
    pinned: bool
    number: int

    @property
    def label(self) -> str:
        """For a person who waits."""
        return f"{self.backend}, {'1 processor' if self.pinned else 'all processors'}"


def one_of_each(backends: list[str], series: tuple[bool, ...], number: int) -> list[Process]:
    """A round of processes, the backends in turn; all processors first, so that the header has them."""
    return [Process(backend, pinned, number) for pinned in series for backend in backends]


def rounds(most: int, minutes: float | None) -> Iterator[int]:
    """Numbers of rounds that are over within so many minutes if none takes longer than the longest yet; at least one."""
    started, longest = time.monotonic(), 0.0
    for number in range(most):
        begins = time.monotonic()
        if number and minutes is not None and begins + longest > started + 60 * minutes:
            return
        yield number
        longest = max(longest, time.monotonic() - begins)


def run(process: Process, arguments: list[str], log: Path) -> int:
    """Run one process to its end; what it prints goes to ``log``. Its exit code."""
    with _started(_command(process, arguments), log, process, None, {}) as started:
        return started.wait()


class Planned(NamedTuple):
    """One process of a pair, with the Python and the checkout whose suite it runs."""

    process: Process
    arguments: list[str]
    log: Path
    python: Path
    checkout: Path


def run_pair(first: Planned, second: Planned) -> tuple[int, int]:
    """Run both to their end, one of them at a time (``partner.py``). Their exit codes."""
    to_first, to_second = os.pipe(), os.pipe()
    ends = (Pipes(True, to_first[0], to_second[1]), Pipes(False, to_second[0], to_first[1]))
    with ExitStack() as stack:
        both = []
        for one, pipes in zip((first, second), ends, strict=True):
            # -P, or the working directory's suite would come before the checkout's.
            command = _command(
                one.process, ["--partner", str(pipes), *one.arguments], one.python, "-P"
            )
            other = {"PYTHONPATH": str(one.checkout), **SHARED, **KEPT}
            both.append(stack.enter_context(_started(command, one.log, one.process, pipes, other)))
        for end in (*to_first, *to_second):  # a process that ends is then heard of by the other
            os.close(end)
        a, b = (started.wait() for started in both)
        return a, b


def _command(
    process: Process, arguments: list[str], python: Path | str = sys.executable, *options: str
) -> list[str]:
    own = ["--backend", process.backend, "--process", str(process.number)]
    return [str(python), *options, "-m", "benchmarks.timing.worker", *own, *arguments]


@contextmanager
def _started(
    command: list[str], log: Path, process: Process, pipes: Pipes | None, other: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which does not outlive what waits for it."""
    with log.open("wb") as to:
        started = subprocess.Popen(
            command, stdout=to, stderr=subprocess.STDOUT, env={**os.environ, **_environment(process), **other},
            pass_fds=(pipes.receives, pipes.sends) if pipes else (),
            preexec_fn=pin if process.pinned else None,  # noqa: PLW1509  # no threads here
        )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()  # where it has ended, nothing happens
        started.wait()


def _environment(process: Process) -> Mapping[str, str]:
    return dict.fromkeys(POOLS, "1") if process.pinned else {}


def pin() -> None:
    """Give this process one processor: the last, since the first takes the system's interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

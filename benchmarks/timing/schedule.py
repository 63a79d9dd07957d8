"""The fresh processes of a run: their order, and the processors of each.

The same code runs at different speeds in different processes, and at one speed within a process; so each row is timed
in several processes. One process is active at a time, because an idle thread pool still occupies its cores. Processes
of one backend are spread over the whole run, so that a slow minute of the machine affects all backends alike. The two
processes of a pair, which are compared, are alive at the same time and alternate.
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

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
         "TF_NUM_INTEROP_THREADS")  # fmt: skip
"""Variables that set the sizes of thread pools; XLA's pool follows the processors available to the process."""

DEVICE_SETTINGS = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""Settings for two processes on one device: neither takes all of its memory."""

MALLOC_SETTINGS = {"MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TOP_PAD_": str(2**26)}  # fmt: skip
"""Settings that make glibc keep freed memory. By default, some processes get memory from the system at every call and
others do not, and times of identical code differ by up to a fifth between processes."""


class Process(NamedTuple):
    """A process: a backend, on one processor or all, with the number of its round."""

    backend: str
    pinned: bool
    number: int

    @property
    def label(self) -> str:
        """Text for the progress bar."""
        return f"{self.backend}, {'1 processor' if self.pinned else 'all processors'}"


def make_round(backends: list[str], series: tuple[bool, ...], number: int) -> list[Process]:
    """Return one round of processes, each backend once per series.

    Args:
        backends: names of the backends.
        series: False for all processors, True for one; all processors come first, so that the run's header has them.
        number: number of the round.

    Returns:
        The processes, in the order in which they run.
    """
    return [Process(backend, pinned, number) for pinned in series for backend in backends]


def rounds_in_time(most: int, minutes: float | None) -> Iterator[int]:
    """Yield numbers of rounds until the time is up.

    A round is started only if the longest one so far would still fit; there is always one.

    Args:
        most: largest number of rounds.
        minutes: time for all rounds, or None for no limit.

    Yields:
        0, 1, ….
    """
    started, longest = time.monotonic(), 0.0
    for number in range(most):
        begins = time.monotonic()
        if number and minutes is not None and begins + longest > started + 60 * minutes:
            return
        yield number
        longest = max(longest, time.monotonic() - begins)


def run_process(process: Process, arguments: list[str], log: Path) -> int:
    """Run one process.

    Args:
        process: the process.
        arguments: further options of its command line.
        log: file for its output.

    Returns:
        Its exit code.
    """
    with _started(_command(process, arguments), log, process, None, {}) as started:
        return started.wait()


class PairProcess(NamedTuple):
    """A process of a pair, with its Python, and the checkout whose suite it runs."""

    process: Process
    arguments: list[str]
    log: Path
    python: Path
    checkout: Path


def run_pair(first: PairProcess, second: PairProcess) -> tuple[int, int]:
    """Run the two processes of a pair, which alternate (``alternation.py``).

    Args:
        first: the process that takes the first sample.
        second: the other one.

    Returns:
        The exit codes.
    """
    to_first, to_second = os.pipe(), os.pipe()
    ends = (Pipes(True, to_first[0], to_second[1]), Pipes(False, to_second[0], to_first[1]))
    with ExitStack() as stack:
        both = []
        for one, pipes in zip((first, second), ends, strict=True):
            # Without -P, the working directory's suite would be imported instead of the checkout's.
            command = _command(
                one.process, ["--pipes", str(pipes), *one.arguments], one.python, "-P"
            )
            other = {"PYTHONPATH": str(one.checkout), **DEVICE_SETTINGS, **MALLOC_SETTINGS}
            both.append(stack.enter_context(_started(command, one.log, one.process, pipes, other)))
        for end in (
            *to_first,
            *to_second,
        ):  # so that the end of one process closes the other's pipe
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
    """Start a process, and kill it on leaving the context."""
    with log.open("wb") as to:
        started = subprocess.Popen(
            command, stdout=to, stderr=subprocess.STDOUT, env={**os.environ, **_environment(process), **other},
            pass_fds=(pipes.receives, pipes.sends) if pipes else (),
            preexec_fn=pin if process.pinned else None,  # noqa: PLW1509  # no threads here
        )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()  # does nothing if it has ended
        started.wait()


def _environment(process: Process) -> Mapping[str, str]:
    return dict.fromkeys(THREAD_VARIABLES, "1") if process.pinned else {}


def pin() -> None:
    """Pin this process to one processor: the last, because the first one handles interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

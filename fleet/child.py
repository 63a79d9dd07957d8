"""A worker's child: the process in which checks run, so that a crash ends the child and not the worker.

The child is a plain subprocess that receives functions and arguments, because Dask workers may be daemons, which
cannot have multiprocessing children. The child ends whenever its worker does.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, Pipe
from typing import Any, TypeVar

import psutil

from conformance.session.isolation import MEMORY_SHARE, Death, explain_death

Answer = TypeVar("Answer")

START_CODE = "from fleet.child import main; main()"
POLLS_PER_SECOND = 10
GRACE_SECONDS = 3
"""Time for a child to end by itself before it is killed."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""Default environment of a child: one thread, because workers share the cores."""


class ChildDied(Exception):
    """Error: the child ended during a call.

    Args:
        found: the reason, and the child's last words.
    """

    def __init__(self, found: Death) -> None:
        super().__init__(found.reason)
        self.death = found


class Child:
    """A child process, started on first use and restarted after it ended; it runs one call at a time.

    Args:
        seconds: time limit of a call.
        max_bytes: memory limit of the process.
    """

    def __init__(self, seconds: float, max_bytes: float) -> None:
        self.seconds = seconds
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Call a function in the child.

        Args:
            function: a function that the child can import.
            *arguments: its arguments; they are pickled.

        Returns:
            The function's result.

        Raises:
            ChildDied: the child crashed, or exceeded its time or memory limit.
            RuntimeError: the function raised; the text is its traceback.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                self._pipe.send((function, arguments, self.seconds))
                self._wait()
                returned, answer = self._pipe.recv()
            except (EOFError, OSError) as error:
                raise ChildDied(self._death()) from error
        if not returned:
            raise RuntimeError(answer)
        return answer

    def _start(self) -> None:
        self._pipe, there = Pipe()
        self._words = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # the child writes to it
        inherited = there.fileno(), self._words.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", START_CODE, *map(str, inherited)],
            pass_fds=inherited,
            env=ONE_THREAD | os.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # frameworks print warnings there
        )
        there.close()

    def _wait(self) -> None:
        """Wait for an answer; raise ``EOFError`` if the child ended.

        A child over its memory limit is killed, and one that outlives its own time limit as well.
        """
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        until = time.monotonic() + self.seconds + GRACE_SECONDS
        while not self._pipe.poll(1 / POLLS_PER_SECOND):
            if self._process.poll() is not None:
                raise EOFError  # a grandchild may still hold the pipe open
            taken = process.memory_info().rss
            if taken > self.max_bytes:
                self._end(f"memory: {taken / 2**30:.1f} GiB taken, --memory-limit is "
                          f"{self.max_bytes / 2**30:.1f}")  # fmt: skip
            elif time.monotonic() > until:
                self._end(f"Timeout ({timedelta(seconds=self.seconds)})!")

    def _end(self, words: str) -> None:
        """Kill the child and write the reason to the file of its last words."""
        assert self._process is not None
        self._words.write(f"{words}\n")
        self._process.kill()
        self._process.wait()

    def _death(self) -> Death:
        """Return the reason of the child's end, from its last words."""
        assert self._process is not None
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed the pipe and is still running
            self._process.kill()
            self._process.wait()
        self._pipe.close()
        with self._words as words:
            words.seek(0)  # flushes the text of _end
            return explain_death(words.read())

    def close(self) -> None:
        """Kill the process; a later call starts another one."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._pipe.close()
                self._words.close()
                self._process = None


def default_memory_limit() -> float:
    """Return the default memory limit of a child: its share of the free memory, with one child per processor.

    Returns:
        The limit in bytes.
    """
    return MEMORY_SHARE * psutil.virtual_memory().available / (os.cpu_count() or 1)


def main() -> None:
    """Answer calls until the worker is gone (runs in the child)."""
    pipe, file = Connection(int(sys.argv[1])), os.fdopen(int(sys.argv[2]), "a")
    nowhere = os.open(os.devnull, os.O_RDWR)
    faulthandler.enable(file)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                calls.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)  # even during a check

    threading.Thread(target=listen, daemon=True).start()
    while True:
        function, arguments, seconds = calls.get()
        for standard in range(3):  # an earlier check may have closed them, and this one may print
            os.dup2(nowhere, standard)
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            answer = (True, function(*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        finally:
            faulthandler.cancel_dump_traceback_later()
        pipe.send(answer)

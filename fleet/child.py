"""A worker's child: the process in which its checks run, so that one that crashes takes no worker with it.

It is a plain subprocess that is sent functions and arguments, since workers of dask's may be daemons, which may have no
children of multiprocessing's. It ends when its worker does, however that ends.
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

STARTED = "from fleet.child import main; main()"
LOOKS_PER_SECOND = 10
GRACE = 3
"""Seconds in which a child may end by itself."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""Unless the user wants more: workers share the cores."""


class ChildDied(Exception):
    """The child ended in the middle of a call."""

    def __init__(self, found: Death) -> None:
        super().__init__(found.reason)
        self.death = found


class Child:
    """One process; another is started where it has ended. It takes one call at a time."""

    def __init__(self, seconds: float, most_bytes: float) -> None:
        self.seconds = seconds
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """``function(*arguments)`` in the child.

        Raises ``ChildDied`` where it crashed, took longer than ``seconds`` or more than ``most_bytes``; and
        ``RuntimeError`` with its traceback where the function raised.
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
        self._words = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # the process has it
        inherited = there.fileno(), self._words.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", STARTED, *map(str, inherited)],
            pass_fds=inherited,
            env=ONE_THREAD | os.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what a framework prints there is no outcome
        )
        there.close()

    def _wait(self) -> None:
        """Until there is an answer; raises ``EOFError`` where none can come. A child that grows too large, or does
        not end by itself where it takes too long, is ended.
        """
        assert self._process is not None
        seen = psutil.Process(self._process.pid)
        until = time.monotonic() + self.seconds + GRACE
        while not self._pipe.poll(1 / LOOKS_PER_SECOND):
            if self._process.poll() is not None:
                raise EOFError  # though a process of its own may still have the pipe open
            taken = seen.memory_info().rss
            if taken > self.most_bytes:
                self._end(f"memory: {taken / 2**30:.1f} GiB taken, --memory-limit is "
                          f"{self.most_bytes / 2**30:.1f}")  # fmt: skip
            elif time.monotonic() > until:
                self._end(f"Timeout ({timedelta(seconds=self.seconds)})!")

    def _end(self, words: str) -> None:
        """Kill it, and say why where its own words go."""
        assert self._process is not None
        self._words.write(f"{words}\n")
        self._process.kill()
        self._process.wait()

    def _death(self) -> Death:
        """Why it ended, by its last words."""
        assert self._process is not None
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # it lives, and has closed the pipe
            self._process.kill()
            self._process.wait()
        self._pipe.close()
        with self._words as words:
            words.seek(0)  # which writes what _end said first
            return explain_death(words.read())

    def close(self) -> None:
        """End the process; a call would start another."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._pipe.close()
                self._words.close()
                self._process = None


def share() -> float:
    """Of the memory that is free, what a worker's child may take where nobody says it: one of as many as processors."""
    return MEMORY_SHARE * psutil.virtual_memory().available / (os.cpu_count() or 1)


def main() -> None:
    """In the child: answer calls until the worker is gone, and then end at once."""
    pipe, file = Connection(int(sys.argv[1])), os.fdopen(int(sys.argv[2]), "a")
    nowhere = os.open(os.devnull, os.O_RDWR)
    faulthandler.enable(file)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                calls.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)  # in the middle of a check as well

    threading.Thread(target=listen, daemon=True).start()
    while True:
        function, arguments, seconds = calls.get()
        for standard in range(3):  # the check before may have closed them, and this one may print
            os.dup2(nowhere, standard)
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            answer = (True, function(*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        finally:
            faulthandler.cancel_dump_traceback_later()
        pipe.send(answer)

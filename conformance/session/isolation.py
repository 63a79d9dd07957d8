"""Limit the time and memory of workers, and find out why one died.

A case that crashes, hangs or fills the memory takes its worker down, and pytest-xdist starts another.
Each worker has a file for its last words, which outlives it. ``faulthandler`` writes crashes and time-outs
there: its C thread needs no GIL, so it also ends code that hangs while it holds the GIL. A monitor in
the session's process writes memory use.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from xdist.workermanage import WorkerController

FOLDER = "rnnspec_last_words"
"""The key under which a worker is told the folder of its file."""

MEMORY_CHECKS_PER_SECOND = 10
MEMORY_SHARE = 0.8
"""The share of the memory free at the start that all workers together may use."""


class Death(NamedTuple):
    """The reason why a worker died, and all that it wrote."""

    reason: str
    words: str


def explain_death(words: str) -> Death:
    """Find the reason of a death in a worker's last words.

    Args:
        words: the text that the process wrote.

    Returns:
        The reason and the text.

    """
    for pattern, reason in (
        (r"^memory: .*$", "{}"),
        (r"^Timeout \((.*)\)!$", "timeout: no result after {} (--time-limit)"),
        (r"^Fatal Python error: (.*)$", "crash: {}"),
    ):
        if found := re.search(pattern, words, re.MULTILINE):
            return Death(reason.format(found[found.lastindex or 0]), words)
    return Death(
        "crash: the process ended during this case and wrote nothing: it was killed, or called exit()",
        "",
    )


class WorkerLimits:
    """A worker's plugin: it keeps a file for last words, and ends the worker when a case takes too long.

    Args:
        config: the worker's pytest configuration.

    """

    def __init__(self, config: pytest.Config) -> None:
        given: dict[str, str] = config.workerinput  # type: ignore[attr-defined]  # pytest-xdist's
        path = Path(given[FOLDER], given["workerid"])
        path.write_text(f"{os.getpid()}\n")
        self.file = path.open("a")  # stays open: it is written when nothing else works
        self.seconds = config.getoption("--time-limit")

    def pytest_sessionstart(self) -> None:
        faulthandler.enable(
            self.file
        )  # not earlier: pytest enables its own while it configures itself
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session's process ends its workers

    def pytest_unconfigure(self) -> None:
        faulthandler.disable()
        self.file.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.file)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()


class WorkerMonitor:
    """The session process's plugin: it gives workers their files, and kills a worker that uses too much memory.

    Args:
        config: the session's pytest configuration.

    """

    def __init__(self, config: pytest.Config) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rnnspec-")
        self.folder = Path(self._folder.name)
        workers, gib = config.getoption("numprocesses", None), config.getoption("--memory-limit")
        share = MEMORY_SHARE * psutil.virtual_memory().available / (workers or 1)
        self.most = share if gib is None else gib * 2**30
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def pytest_sessionstart(self) -> None:
        self._thread.start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        node.workerinput[FOLDER] = str(self.folder)

    def pytest_unconfigure(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._folder.cleanup()

    def death(self, worker: str) -> Death:
        """Find out why a worker died.

        Args:
            worker: the name of the worker.

        Returns:
            The reason and the worker's last words.

        """
        path = self.folder / worker
        text = path.read_text(errors="replace") if path.exists() else ""
        return explain_death(text.partition("\n")[2])

    def _look(self) -> None:
        while not self._over.wait(1 / MEMORY_CHECKS_PER_SECOND):
            for path in self.folder.iterdir():
                self._end_if_too_large(path)

    def _end_if_too_large(self, path: Path) -> None:
        pid = path.read_text(errors="replace").partition("\n")[0]
        if not pid:
            return  # the worker is about to write its id
        try:
            process = psutil.Process(int(pid))
            taken = process.memory_info().rss
            ours = process.ppid() == os.getpid()  # another process may have this id by now
            if not ours or process.status() == psutil.STATUS_ZOMBIE or taken <= self.most:
                return
            with path.open("a") as words:
                words.write(f"memory: {taken / 2**30:.1f} GiB taken, --memory-limit is "
                            f"{self.most / 2**30:.1f}\n")  # fmt: skip
            process.kill()
        except psutil.NoSuchProcess:
            return

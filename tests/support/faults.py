"""A backend that fails in every way that a native library knows: one way for each of its cases."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from fakes import Right

from backends import AnyInputs, Inputs, Result
from conformance.cases import Case, default_cases
from conformance.draw import digest, draw

GIB = 2**30


class OnADevice:
    """A tensor that has to be copied to the host first, and says so."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")


class Fault(NamedTuple):
    """A fault in a case, and a pattern of the reason that its record must give."""

    happens: Callable[[], Any]
    reason: str


def grow() -> None:
    """Take more and more memory, and use it."""
    held = []
    while True:
        held.append(np.ones(GIB // 64))
        time.sleep(0.01)


def overflow_the_stack() -> None:
    """Recursion in C, where no interpreter counts it."""
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    libc = ctypes.CDLL(None)
    numbers = (ctypes.c_int * 2)(1, 0)

    def deeper(*_: Any) -> int:
        libc.qsort(numbers, 2, 4, callback)
        return 0

    callback = compare(deeper)
    sys.setrecursionlimit(10**9)
    deeper()


def recur() -> None:
    """Recurse until Python stops it."""
    recur()


def hang_with_the_gil() -> None:
    """No other thread of Python gets a turn."""
    re.match(r"(a*)*b", "a" * 64)


def deadlock() -> None:
    """A lock that its own thread waits for."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def kill_itself(number: int) -> None:
    """Kill this process, like the kernel or another process."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def close_everything() -> None:
    """Close all files, not only its own."""
    os.closerange(0, 256)
    os.abort()


FAULTS: dict[str, Fault] = {
    "abort": Fault(os.abort, "^crash: Aborted"),
    "segmentation fault": Fault(lambda: ctypes.string_at(0), "^crash: Segmentation fault"),
    "bus error": Fault(lambda: signal.raise_signal(signal.SIGBUS), "^crash: Bus error"),
    "floating point": Fault(lambda: signal.raise_signal(signal.SIGFPE), "^crash: Floating point"),
    "illegal instruction": Fault(lambda: signal.raise_signal(signal.SIGILL), "^crash: Illegal"),
    "stack overflow": Fault(overflow_the_stack, "^crash: Segmentation fault"),
    "killed": Fault(lambda: kill_itself(signal.SIGKILL), "^crash: .* wrote nothing"),
    "terminated": Fault(lambda: kill_itself(signal.SIGTERM), "^crash: .* wrote nothing"),
    "exit with 0": Fault(lambda: os._exit(0), "^crash: .* wrote nothing"),
    "all files closed": Fault(close_everything, "^crash: "),
    "sleeps": Fault(lambda: time.sleep(3600), "^timeout: no result after 0:00:10"),
    "hangs with the GIL": Fault(hang_with_the_gil, "^timeout: no result after"),
    "deadlock": Fault(deadlock, "^timeout: no result after"),
    "waits for a child": Fault(lambda: subprocess.run(["sleep", "3600"], check=True),
                               "^timeout: no result after"),
    "grows": Fault(grow, r"^memory: [\d.]+ GiB taken, --memory-limit is 1.0"),
    "no memory": Fault(lambda: np.ones(2**45), "^memory: .*MemoryError"),
    "sys.exit": Fault(sys.exit, "^SystemExit"),
    "endless recursion": Fault(recur, "^RecursionError"),
    "an exception that is no text": Fault(
        lambda: (_ for _ in ()).throw(RuntimeError("\ud800\0\x1b[31m<script>")), "^RuntimeError: "),
    "a tensor on a device": Fault(OnADevice, "^TypeError: can't convert cuda:0"),
}  # fmt: skip
"""All of these are errored."""


def print_garbage() -> None:
    """Bytes that are no text, to the files themselves."""
    for fd in (1, 2):
        os.write(fd, bytes(range(256)) * 4096)
    ctypes.CDLL(None).puts(b"\xff\xfe\x00")


def leave_a_thread() -> None:
    """One that never ends, and is not a daemon."""
    threading.Thread(target=time.sleep, args=(3600,)).start()


def leave_a_thread_that_fails() -> None:
    """Later, while another case runs."""

    def fail() -> None:
        time.sleep(0.05)
        raise RuntimeError("left behind")

    threading.Thread(target=fail).start()


def leave_a_child() -> None:
    """Leave a child that keeps inherited files open."""
    subprocess.Popen(["sleep", "30"])


NUISANCES: dict[str, Callable[[], Any]] = {
    "prints garbage": print_garbage,
    "leaves a thread": leave_a_thread,
    "leaves a thread that fails": leave_a_thread_that_fails,
    "leaves a child": leave_a_child,
    "changes the folder": lambda: os.chdir("/proc"),
    "raises for every overflow": lambda: np.seterr(all="raise"),
    "closes the standard files": lambda: os.closerange(0, 3),
}
"""The results are right, and must be seen to be."""

CASES = [c for c in default_cases() if isinstance(c, Case) and c.dtype == "float32"]
AFTER = {what: CASES[k] for k, what in enumerate((*FAULTS, *NUISANCES))}
"""Which case each of them happens in."""


class Faults(Right):
    """Whatever the case is for."""

    happens: ClassVar = {digest(draw(case)): what for what, case in AFTER.items()}

    def seen(self, inputs: Inputs) -> Inputs:
        assert np.geterr()["over"] != "raise", "what another case left behind is still there"
        what = self.happens.get(digest(inputs), "")
        if what in NUISANCES:
            NUISANCES[what]()
        elif what in FAULTS and what != "a tensor on a device":
            FAULTS[what].happens()
        return inputs

    def spoilt(self, inputs: AnyInputs, result: Result) -> Result:
        if self.happens.get(digest(inputs)) == "a tensor on a device":
            return result._replace(tensors={"y": OnADevice()})  # type: ignore[dict-item]
        return result

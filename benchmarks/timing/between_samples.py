"""What happens between the samples of a row: the limit's products are timed, or a partner takes its turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from backends import Backend
from benchmarks.timing.alternation import Partner
from benchmarks.timing.limit import limit
from conformance.cases import Case

LEAST, MOST = 5, 100
"""Samples, whatever their time."""
LEAST_IN_TURN = 16
"""Of each process of a pair, since single samples of identical code differ by up to a third."""
LONG = 0.05
"""Seconds of a call from which on half as many will do."""

Call = Callable[[], Any]


class Between(Protocol):
    """What happens between samples."""

    def rounds(self, seconds: float) -> int:
        """How many samples fit into so many seconds."""

    def before_sample(self) -> None: ...

    def after_last(self) -> None: ...

    def figures(self, samples: int) -> dict[str, Any]:
        """Of the record, for so many samples."""


class Calibrated:
    """The limit's products, before, between and after samples."""

    def __init__(self, adapter: Backend, case: Case, call: Call) -> None:
        self._limit, self._call = limit(adapter, case), call
        self._products: list[float] = []

    def rounds(self, seconds: float) -> int:
        once = _seconds(self._call)
        self.before_sample()
        return _between(LEAST, seconds / (once + self._products[-1]))

    def before_sample(self) -> None:
        self._products.append(_seconds(self._limit.call))

    after_last = before_sample

    def figures(self, samples: int) -> dict[str, Any]:
        return {"limit_seconds": self._products[-samples - 1 :], "binds": self._limit.binds}


class InTurn:
    """A sample of the partner, then a run that does not count: the cache held what the partner used.

    Without that run one row of 60 ms took 10 ms longer in every third process, and in the others did not.
    Beside the time of a sample, that of its processor is measured: another process's is not in it.
    """

    def __init__(self, partner: Partner, call: Call, *, one_processor: bool) -> None:
        self._partner, self._call, self._one = partner, call, one_processor
        self._processor: list[float] = []
        self._started: float | None = None

    def rounds(self, seconds: float) -> int:
        once = _seconds(self._call)
        least = LEAST_IN_TURN // 2 if once >= LONG else LEAST_IN_TURN
        return self._partner.agree(_between(least, seconds / (2 * once)))

    def before_sample(self) -> None:
        self.after_last()
        self._partner.swap()
        self._call()
        self._started = time.process_time()

    def after_last(self) -> None:
        if self._started is not None:
            self._processor.append(time.process_time() - self._started)

    def figures(self, samples: int) -> dict[str, Any]:
        return {"processor_seconds": self._processor[-samples:] if self._one else []}


def _between(least: int, count: float) -> int:
    return min(max(round(count), least), MOST)


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

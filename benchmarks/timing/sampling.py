"""Work between the samples of a row: time the limit's matmuls, or let the other process of a pair run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from backends import Backend
from benchmarks.timing.alternation import Alternation
from benchmarks.timing.limit import make_limit
from conformance.cases import Case

LEAST, MOST = 5, 100
"""Least and most samples of a row, however long they take."""
LEAST_ALTERNATING = 16
"""Least samples of each process of a pair: single samples of identical code differ by up to a third."""
LONG = 0.05
"""Seconds; calls that take longer need half as many samples."""

Call = Callable[[], Any]


class Sampling(Protocol):
    """The interface of the work between samples."""

    def count_samples(self, seconds: float) -> int:
        """Choose the number of samples.

        Args:
            seconds: time for all samples.

        Returns:
            The number of samples that fit.
        """

    def before_sample(self) -> None:
        """Do the work before a sample."""

    def after_last(self) -> None:
        """Do the work after the last sample."""

    def record_fields(self, samples: int) -> dict[str, Any]:
        """Return the fields of the record that were measured between samples.

        Args:
            samples: number of samples.

        Returns:
            Values by field of ``Measurement``.
        """


class LimitSampling(Sampling):
    """Time the limit's matmuls before, between and after samples.

    Args:
        adapter: the backend.
        case: the network that is timed.
        call: runs it once.
    """

    def __init__(self, adapter: Backend, case: Case, call: Call) -> None:
        self._limit, self._call = make_limit(adapter, case), call
        self._products: list[float] = []

    def count_samples(self, seconds: float) -> int:
        once = _seconds(self._call)
        self.before_sample()
        return _clamp(LEAST, seconds / (once + self._products[-1]))

    def before_sample(self) -> None:
        self._products.append(_seconds(self._limit.call))

    after_last = before_sample

    def record_fields(self, samples: int) -> dict[str, Any]:
        return {"limit_seconds": self._products[-samples - 1 :], "binds": self._limit.binds}


class AlternatingSampling(Sampling):
    """Let the other process take a sample, then make a warm-up run, because the cache holds the other one's data.

    Without the warm-up, one row of 60 ms took 10 ms longer in every third process. The CPU time of each sample is
    measured as well as its wall time; CPU time excludes other processes.

    Args:
        alternation: the alternation with the other process.
        call: runs the network once.
        one_processor: True if the process has one processor; only then is CPU time recorded.
    """

    def __init__(self, alternation: Alternation, call: Call, *, one_processor: bool) -> None:
        self._alternation, self._call, self._one = alternation, call, one_processor
        self._processor: list[float] = []
        self._started: float | None = None

    def count_samples(self, seconds: float) -> int:
        once = _seconds(self._call)
        least = LEAST_ALTERNATING // 2 if once >= LONG else LEAST_ALTERNATING
        return self._alternation.agree_on(_clamp(least, seconds / (2 * once)))

    def before_sample(self) -> None:
        self.after_last()
        self._alternation.hand_over()
        self._call()
        self._started = time.process_time()

    def after_last(self) -> None:
        if self._started is not None:
            self._processor.append(time.process_time() - self._started)

    def record_fields(self, samples: int) -> dict[str, Any]:
        return {"processor_seconds": self._processor[-samples:] if self._one else []}


def _clamp(least: int, count: float) -> int:
    return min(max(round(count), least), MOST)


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

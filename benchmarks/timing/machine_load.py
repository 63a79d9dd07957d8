"""The load of the machine while a row is timed, and the row's peak memory; None where the system does not tell."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

from records.schema import Conditions

STATUS, CLEAR, STAT = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/stat")
RESET_PEAK = "5"
"""Written to clear_refs, this resets the peak to the current memory (proc(5))."""


class _Ticks(NamedTuple):
    total: int
    stolen: int


class Watch:
    """An observer of the process and the machine, from its creation on."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self._ticks = _ticks()
        self._switches = _switches()
        self._resets = _reset_peak()

    def conditions(self) -> Conditions:
        """Return the machine's load since the start.

        Returns:
            Load average, share of stolen time, and involuntary context switches.
        """
        return Conditions(self._load, self._steal(), _switches() - self._switches)

    def peak_memory(self) -> int | None:
        """Return the peak memory of the process since the start.

        Returns:
            Bytes, or None if the system does not tell.
        """
        if not self._resets:
            return None
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024

    def _steal(self) -> float | None:
        now = _ticks()
        if now is None or self._ticks is None or now.total == self._ticks.total:
            return None
        return (now.stolen - self._ticks.stolen) / (now.total - self._ticks.total)


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _ticks() -> _Ticks | None:
    """Return the ticks of all processors since the machine started."""
    if not STAT.exists():
        return None
    ticks = [int(n) for n in STAT.read_text().splitlines()[0].split()[1:9]]
    return _Ticks(sum(ticks), ticks[7])


def _reset_peak() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:  # not Linux, or not permitted
        return False
    return True

"""What ``python -m benchmarks`` and each of its processes are given."""

from __future__ import annotations

from benchmarks.workloads import MODES, WORKLOADS, of_set

SETS = {"quick": of_set("quick"), "cpu": of_set("cpu"), "cuda": of_set("gpu")}
"""The workloads of a quick run, and those of a device."""

PROCESSES = {"quick": 2, "whole": 5}
"""How many time each row."""

SECONDS = {"quick": 0.2, "whole": 0.5}
"""For the samples of one row in one process."""


def workloads(given: list[str], device: str, *, quick: bool, full: bool) -> list[str]:
    """The names of the workloads that are to be timed: those given, or those of a set."""
    if full:
        return given or list(WORKLOADS)
    return given or SETS["quick" if quick else device.partition(":")[0]]


__all__ = ["MODES", "PROCESSES", "SECONDS", "SETS", "WORKLOADS", "workloads"]

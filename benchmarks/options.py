"""What ``python -m benchmarks`` and each of its processes are given."""

from __future__ import annotations

from benchmarks.workloads import WORKLOADS, of_set

SETS = {"quick": of_set("quick"), "cpu": of_set("cpu"), "cuda": of_set("gpu")}
"""The workloads of a quick run, and those of a device."""

PROCESSES = {"quick": 2, "whole": 5}
"""How many time each row."""

SECONDS = {"quick": 0.2, "whole": 0.5}
"""For the samples of one row in one process."""


def workloads(given: list[str], device: str, *, quick: bool, full: bool) -> list[str]:
    """The names of the workloads that are to be timed: those given, or those of a set.

    Raises ``ValueError`` for a kind of device that has no set.
    """
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"--device {device!r}: expected cpu, cuda or cuda:N")
    if full:
        return given or list(WORKLOADS)
    return given or SETS["quick" if quick else kind]

"""What the benchmarks' commands and each of their processes are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.timing.workloads import MODES, WORKLOADS, names_in_set

SETS = {"quick": names_in_set("quick"), "cpu": names_in_set("cpu"), "cuda": names_in_set("gpu")}
"""The workloads of a quick run, and those of a device."""

PROCESSES = {"quick": 1, "whole": 5}
"""How many time each row."""

SECONDS = {"quick": 0.2, "whole": 0.4}
"""For the samples of one row in one process."""


class Rows(NamedTuple):
    """What is timed: every workload in every mode, for how long, and on which device."""

    workloads: Sequence[str]
    modes: Sequence[str]
    device: str = "cpu"
    quick: bool = False
    pinned: bool = True
    """To one processor, where they are timed in pairs."""
    dtype: str = "float32"

    @property
    def where(self) -> str:
        """On how many processors pairs are timed."""
        return "on one processor" if self.pinned else "on all processors"

    @property
    def total(self) -> int:
        """Of one backend."""
        return len(self.workloads) * len(self.modes)

    def options(self) -> list[str]:
        """For a process."""
        found = ["--device", self.device]
        if self.dtype != "float32":  # a revision of before there was a choice knows no other
            found += ["--dtype", self.dtype]
        found += ["--quick"] if self.quick else []
        for name in self.workloads:
            found += ["--workload", name]
        for mode in self.modes:
            found += ["--mode", mode]
        return found


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


def rows_of(
    workload: Sequence[str],
    mode: Sequence[str],
    device: str,
    dtype: str,
    *,
    quick: bool,
    full: bool = False,
    pinned: bool = True,
) -> Rows:
    """Return the rows that options name.

    Args:
        workload: names of workloads; none for those of a set.
        mode: forward, training, or none for both.
        device: cpu, cuda or cuda:N.
        dtype: number type of what is timed.
        quick: whether to take the small set.
        full: whether to take every workload.
        pinned: whether pairs of processes have one processor, or all.

    Returns:
        The rows.

    Raises:
        ValueError: the kind of device has no set of workloads.

    """
    names = workloads(list(workload), device, quick=quick, full=full)
    return Rows(names, list(mode) or MODES, device, quick, pinned, dtype)

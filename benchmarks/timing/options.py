"""The rows that a benchmark times: workloads, modes, device and dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.timing.workloads import MODES, WORKLOADS, names_in_set

SETS = {"quick": names_in_set("quick"), "cpu": names_in_set("cpu"), "cuda": names_in_set("gpu")}
"""Workloads of a quick run, and of a kind of device."""

PROCESSES = {"quick": 1, "whole": 5}
"""Number of processes that time each row."""

SECONDS = {"quick": 0.2, "whole": 0.4}
"""Time for the samples of one row in one process."""


class Rows(NamedTuple):
    """The rows to time: every workload in every mode, on one device, in one dtype."""

    workloads: Sequence[str]
    modes: Sequence[str]
    device: str = "cpu"
    quick: bool = False
    pinned: bool = True
    """True to run pairs on one processor, False to run them on all."""
    dtype: str = "float32"

    @property
    def where(self) -> str:
        """Text for the processors that pairs run on."""
        return "on one processor" if self.pinned else "on all processors"

    @property
    def total(self) -> int:
        """Number of rows of one backend."""
        return len(self.workloads) * len(self.modes)

    def options(self) -> list[str]:
        """Return the options of a process that times these rows.

        Returns:
            Words of the command line.
        """
        found = ["--device", self.device]
        if self.dtype != "float32":  # older revisions have no --dtype
            found += ["--dtype", self.dtype]
        found += ["--quick"] if self.quick else []
        for name in self.workloads:
            found += ["--workload", name]
        for mode in self.modes:
            found += ["--mode", mode]
        return found


def workloads(given: list[str], device: str, *, quick: bool, full: bool) -> list[str]:
    """Return the names of the workloads to time: those given, or those of a set.

    Args:
        given: names that the user gives.
        device: cpu, cuda or cuda:N.
        quick: True for the quick set.
        full: True for every workload.

    Returns:
        The names.

    Raises:
        ValueError: the kind of device has no set.
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
        quick: True for the quick set.
        full: True for every workload.
        pinned: True to run pairs on one processor, False to run them on all.

    Returns:
        The rows.

    Raises:
        ValueError: the kind of device has no set of workloads.

    """
    names = workloads(list(workload), device, quick=quick, full=full)
    return Rows(names, list(mode) or MODES, device, quick, pinned, dtype)

"""What the benchmarks' commands and each of their processes are given."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from backends import BACKENDS, EXTRAS
from benchmarks.timing.workloads import MODES, TIMED, WORKLOADS, of_set
from conformance.session.options import backend_names
from records.options import Parser

SETS = {"quick": of_set("quick"), "cpu": of_set("cpu"), "cuda": of_set("gpu")}
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


def add_backends(parser: Parser) -> None:
    """The options that name backends."""
    parser.add_argument("--backend", action="append", default=[], metavar="NAME",
                        help=f"one of {', '.join(BACKENDS)}, package.module:Class or "
                        "path/to/file.py:Class; may be given again")  # fmt: skip
    parser.add_argument("--framework", choices=EXTRAS, help="every backend of this framework")


def backends_of(parser: Parser, given: argparse.Namespace) -> list[str]:
    """The names that were given; none, or one that cannot be, ends the command."""
    names = backend_names(given.backend, given.framework, given.device)
    if not names:
        parser.error(f"--backend: none given, expected one of {', '.join(BACKENDS)}; or "
                     f"--framework with one of {', '.join(EXTRAS)}")  # fmt: skip
    for name in names:
        check_backend(parser, name, "--backend ")
    return names


def check_backend(parser: Parser, name: str, option: str = "") -> None:
    """End the command for a name that no backend can have."""
    if name not in BACKENDS and ":" not in name:
        parser.error(f"{option}{name!r} given, expected one of {', '.join(BACKENDS)}, or one from outside "
                     "as package.module:Class or path/to/file.py:Class")  # fmt: skip


def add_rows(parser: Parser, results: str) -> None:
    """The options that say which rows are timed, on which device, and where ``results`` go."""
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--workload", action="append", default=[], choices=list(WORKLOADS),
                        metavar="NAME", help="time these only; may be given again: "
                        f"{', '.join(WORKLOADS)}")  # fmt: skip
    parser.add_argument("--mode", action="append", default=[], choices=MODES,
                        help="time forward or training only")  # fmt: skip
    add_dtype(parser.add_argument)
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR",
                        help=f"run files go to DIR/{results} (default: results)")  # fmt: skip


def add_dtype(add: Callable[..., object]) -> None:
    """The option that says in which dtype rows are timed, by argparse's or pytest's own call."""
    add("--dtype", default="float32", choices=TIMED,
        help="of what is timed (default: float32); tf32 and default are float32 whose products are TF32, "
        "or as the framework makes them unless told")  # fmt: skip


def add_all_processors(parser: Parser, within: str = "") -> None:
    """The option for pairs that have every processor."""
    parser.add_argument("--all-processors", action="store_true",
                        help=f"time pairs on all processors{within}, not on one")  # fmt: skip


def rows_of(parser: Parser, given: argparse.Namespace, *, full: bool = False) -> Rows:
    """The rows that were given, or those of a set; a device that has none ends the command."""
    try:
        asked = workloads(given.workload, given.device, quick=given.quick, full=full)
    except ValueError as why:
        parser.error(str(why))
    return Rows(asked, given.mode or MODES, given.device, given.quick, not given.all_processors,
                given.dtype)  # fmt: skip

"""The noise of every row on every machine, as ``nox -s bench -- --aa`` measured it: budgets.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.comparing.noise import noise
from benchmarks.comparing.verdict import Comparison, Noise
from records.schema import Measurement
from records.text import write_atomically

FILE = "budgets.json"
Key = tuple[str, str, str, str, str, str, int | None]


class BadBudgets(Exception):
    """A file that is none of budgets; the text says where and why."""


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row on one machine, and the changes log(head / base) of pairs of identical code."""

    machine: str
    """What a row's noise belongs to; the versions that are compared are no part of it."""
    backend: str
    workload: str
    mode: str
    device: str
    dtype: str
    threads: int | None
    changes: list[float]
    pairs: int
    budget: float
    detectable: float
    """Shares of the row's time, in comparisons of so many pairs (``noise.py``)."""
    seconds: float | None = None
    """Of one call."""
    load: float | None = None
    """The machine's load average while it was timed: a pair by itself makes 1."""

    @property
    def key(self) -> Key:
        """Which row this is, and on which machine."""
        return (self.machine, self.backend, self.workload, self.mode, self.device, self.dtype,
                self.threads)  # fmt: skip

    def noise(self, pairs: int) -> Noise:
        """Of a comparison of so many pairs."""
        return noise(self.changes, pairs)


def key(m: Measurement, on: str) -> Key:
    """Which row of budgets a measurement on this machine is of."""
    return on, m.backend, m.workload, m.mode, m.device, m.dtype, m.threads


def measured(c: Comparison, on: str) -> Budget:
    """That of a row which was compared with itself."""
    m, found, pairs = c.base.first, noise(c.changes, len(c.changes)), len(c.changes)
    return Budget(
        machine=on, backend=m.backend, workload=m.workload, mode=m.mode, device=m.device,
        dtype=m.dtype, threads=m.threads, changes=c.changes, pairs=pairs, budget=found.budget,
        detectable=found.detectable, seconds=c.base.seconds.value, load=load(c),
    )  # fmt: skip


def load(c: Comparison) -> float | None:
    """The machine's load average: the median over all processes of both sides; None where nobody tells."""
    seen = (m.conditions for m in (*c.base.measurements, *c.head.measurements))
    loads = [s.load_average for s in seen if s and s.load_average is not None]
    return median(loads) if loads else None


def read(path: Path) -> dict[Key, Budget]:
    """What the file has, by row; nothing where there is no file. Raises ``BadBudgets``."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Budget])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as why:
        raise BadBudgets(f"{path}: {why}; expected what `nox -s bench -- --aa` writes") from why
    return {b.key: b for b in found}


def write(path: Path, new: Sequence[Budget]) -> None:
    """Put ``new`` into the file, in the place of what it has of the same rows."""
    kept = {**read(path), **{b.key: b for b in new}}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(list(kept.values())).decode()))

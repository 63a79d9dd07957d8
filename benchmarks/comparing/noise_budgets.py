"""Noise budgets of every row on every machine, as a self-comparison measured them: budgets.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.comparing.noise import estimate_noise
from benchmarks.comparing.verdict import Comparison, Noise
from records.schema import Measurement
from records.text import write_atomically

FILE = "budgets.json"
Key = tuple[str, str, str, str, str, str, int | None]


class BadBudgets(Exception):
    """Error: a file is no file of budgets; the text names the place and the reason."""


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row on one machine, with the changes log(head / base) of pairs of identical code."""

    machine: str
    """The machine's name; a budget holds for all versions of the software."""
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
    """Budget and detectable change in comparisons of ``pairs`` pairs, as shares of the row's time (``noise.py``)."""
    seconds: float | None = None
    """Time of one call."""
    load: float | None = None
    """The machine's load average while the row was timed; a pair alone makes 1."""

    @property
    def key(self) -> Key:
        """Identity of the row and the machine."""
        return (self.machine, self.backend, self.workload, self.mode, self.device, self.dtype,
                self.threads)  # fmt: skip

    def noise(self, pairs: int) -> Noise:
        """Return the noise of a comparison.

        Args:
            pairs: number of its pairs.

        Returns:
            Budget and detectable change.
        """
        return estimate_noise(self.changes, pairs)


def row_key(m: Measurement, on: str) -> Key:
    """Return the identity of a measurement's row.

    Args:
        m: the measurement.
        on: the machine's name.

    Returns:
        The key of the row's budget.
    """
    return on, m.backend, m.workload, m.mode, m.device, m.dtype, m.threads


def make_budget(c: Comparison, on: str) -> Budget:
    """Return the budget of a row that was compared with itself.

    Args:
        c: the self-comparison.
        on: the machine's name.

    Returns:
        The budget, for as many pairs as the self-comparison has.
    """
    m, found, pairs = c.base.first, estimate_noise(c.changes, len(c.changes)), len(c.changes)
    return Budget(
        machine=on, backend=m.backend, workload=m.workload, mode=m.mode, device=m.device,
        dtype=m.dtype, threads=m.threads, changes=c.changes, pairs=pairs, budget=found.budget,
        detectable=found.detectable, seconds=c.base.seconds.value, load=load_average(c),
    )  # fmt: skip


def load_average(c: Comparison) -> float | None:
    """Return the machine's load average: the median over all processes of both sides.

    Args:
        c: the comparison of a row.

    Returns:
        The load average, or None if the system does not tell.
    """
    seen = (m.conditions for m in (*c.base.measurements, *c.head.measurements))
    loads = [s.load_average for s in seen if s and s.load_average is not None]
    return median(loads) if loads else None


def read_budgets(path: Path) -> dict[Key, Budget]:
    """Read a file of budgets.

    Args:
        path: the file; it need not exist.

    Returns:
        Budgets by row; empty if there is no file.

    Raises:
        BadBudgets: the file is no file of budgets.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Budget])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as why:
        raise BadBudgets(
            f"{path}: {why}; expected the file that `rnnspec bench --self-comparison` writes"
        ) from why
    return {b.key: b for b in found}


def write_budgets(path: Path, new: Sequence[Budget]) -> None:
    """Write budgets to a file, replacing those of the same rows and keeping all others.

    Args:
        path: the file.
        new: the budgets.
    """
    kept = {**read_budgets(path), **{b.key: b for b in new}}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(list(kept.values())).decode()))

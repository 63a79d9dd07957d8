"""``python -m benchmarks.studies.false_alarms``: measure how often comparisons report or miss a regression wrongly.

One backend is timed in pairs of processes under four conditions: against itself and against itself slowed by 15 %, on
a quiet machine and next to three processes that keep the processors busy. Pairs are kept, so an interrupted study
resumes. The pairs give:

    budgets     from the first BUDGET_PAIRS quiet pairs of identical code, as a self-comparison measures them
    ours        comparisons of PAIRS of the other pairs each, and of half as many; and the same with doubtful rows
                judged again by the pairs that follow, as ``rnnspec compare`` does
    theirs      the base of one pair and the head of the next, as a saved run and a later one, judged by the code of
                pytest-benchmark's ``--benchmark-compare-fail=mean:5%`` and ``min:5%``
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from pytest_benchmark.utils import PercentageRegressionCheck
from rich.console import Console
from rich.table import Table

from backends import BACKENDS
from benchmarks.comparing.noise import estimate_noise
from benchmarks.comparing.pairs import Subject, time_pairs
from benchmarks.comparing.revisions import PAIRS, in_doubt, judge
from benchmarks.comparing.self_comparison import CURRENT
from benchmarks.comparing.self_comparison import table as of_rows
from benchmarks.comparing.verdict import NO_NOISE, Comparison, Noise, Verdict, compare_rows
from benchmarks.studies.slowed import SHARE
from benchmarks.timing.options import Rows
from benchmarks.timing.workloads import MODES, WORKLOADS
from commands.command_line import Refused, command, option, start
from commands.options import at_least
from records.exit_codes import ExitCode
from records.reading import BadRunFile, read_run
from records.schema import Measurement
from records.timing import Timing
from reports.terminal import standard_output

ROWS = (
    "deepbench/lstm-256-1-150", "deepbench/vanilla-64-1-96", "deepbench/gru-512-32-1",
    "tutorial/6x5x3-7", "tutorial/4x2x3-5", "tutorial/30-of-400-words",
    "scaling/lstm-32-16-20-1", "scaling/lstm-64-16-20-1", "scaling/lstm-128-16-20-1",
    "scaling/lstm-256-1-20-1", "scaling/lstm-256-2-20-1", "scaling/lstm-256-16-5-1",
)  # fmt: skip
"""Workloads of every magnitude, but none for which a pair would take minutes."""

HOGS = 3
BUDGET_PAIRS = 20
HALF = PAIRS // 2
THEIRS = {"mean:5%": "mean", "min:5%": "min"}


class Condition(NamedTuple):
    """A condition: the head side is the same backend or a slowed one, next to a number of busy processes."""

    name: str
    slowed: bool
    hogs: int
    share: float
    """Share of the requested pairs; slowed code needs fewer to show as much."""


CONDITIONS = (
    Condition("quiet, identical", slowed=False, hogs=0, share=1.0),
    Condition("quiet, slowed", slowed=True, hogs=0, share=0.12),
    Condition("hogs, identical", slowed=False, hogs=HOGS, share=0.12),
    Condition("hogs, slowed", slowed=True, hogs=HOGS, share=0.12),
)

Pair = tuple[Measurement, Measurement]


@command("python -m benchmarks.studies.false_alarms")
@option("--backend", choices=tuple(BACKENDS), repeats=False, default="pytorch")
@option("--workload", choices=tuple(WORKLOADS))
@option("--pairs", type=at_least(BUDGET_PAIRS + PAIRS), default=85)
@option("--out")
def main(backend: str, workload: tuple[str, ...], pairs: int, out: Path) -> ExitCode:
    """Measure how often a comparison is wrong, on identical code and on code made slower.

    Pairs of processes are kept in DIR/experiment; those that exist are not timed again.
    """
    console = standard_output()
    rows = Rows(workload or ROWS, MODES, quick=True)
    counts = {c.name: max(PAIRS, round(c.share * pairs)) for c in CONDITIONS}
    found: dict[str, list[list[Pair]]] = {c.name: [] for c in CONDITIONS}
    for number in range(
        max(counts.values())
    ):  # conditions alternate, so that slow hours of the machine affect all of them
        for condition in CONDITIONS:
            if number >= counts[condition.name]:
                continue
            folder = (
                out / "experiment" / backend / condition.name.replace(", ", "-") / f"{number:03}"
            )
            timed_pairs = kept(folder) or _run(condition, backend, rows, number, folder, console)
            if timed_pairs is None:
                return ExitCode.NOT_ENOUGH_DATA
            timed_before = {(b.workload, b.mode) for b, _ in timed_pairs}
            if timed_before != {(w, m) for w in rows.workloads for m in rows.modes}:
                raise Refused(f"--workload: {folder} has pairs of {sorted(timed_before)}; expected "
                              "the same workloads, or another --out")  # fmt: skip
            found[condition.name].append(timed_pairs)
    quiet = found[CONDITIONS[0].name]
    console.print(
        of_rows(_comparisons(quiet[:BUDGET_PAIRS], lambda _: NO_NOISE), PAIRS, rows),
        table(found),
    )
    return ExitCode.CLEAN


def _run(
    condition: Condition, backend: str, rows: Rows, number: int, folder: Path, console: Console
) -> list[Pair] | None:
    """Time one pair; return None if a process gave no answer."""
    shutil.rmtree(folder, ignore_errors=True)  # an interrupted run may have left half a pair
    head = f"{Path(__file__).with_name('slowed.py')}:{backend}" if condition.slowed else backend
    console.print(f"{condition.name}, pair {number}")
    with hogs(condition.hogs):
        timed = time_pairs(
            (Subject(backend, CURRENT), Subject(head, CURRENT)), rows, [number], folder, console
        )
    return timed and _match(timed.base, timed.head)


def kept(folder: Path) -> list[Pair] | None:
    """Read a pair that an earlier run timed.

    Args:
        folder: the folder of the pair.

    Returns:
        The pair of every row, or None if the folder has no pair, or half of one.
    """
    sides = [list((folder / part / "runs").glob("*.jsonl.gz")) for part in ("base", "head")]
    try:
        base, head = (read_run(path) for (path,) in sides)
    except (ValueError, BadRunFile):
        return None
    return _match(base.measurements, head.measurements)


def _match(base: Sequence[Measurement], head: Sequence[Measurement]) -> list[Pair]:
    """Match the rows of both sides; a slowed backend gets the name of the original."""
    return [(b, replace(h, backend=b.backend)) for b, h in zip(base, head, strict=True)]


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep processors busy with processes that only count.

    Args:
        count: number of processes.

    Yields:
        Nothing.
    """
    started = [multiprocessing.get_context("spawn").Process(target=_count, daemon=True)
               for _ in range(count)]  # fmt: skip
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def _count() -> None:
    parent = multiprocessing.parent_process()
    while parent and parent.is_alive():  # if the parent was killed, nobody else ends this process
        for _ in range(10**7):
            pass


def table(found: dict[str, list[list[Pair]]]) -> Table:
    """Return the table of the verdicts of every method under every condition.

    Args:
        found: the pairs of every condition, by its name.

    Returns:
        The table.
    """
    quiet = found[CONDITIONS[0].name]
    shown = Table(title=f"Rows called slower or faster; the slowdown is {SHARE:.0%}", box=None,
                  title_justify="left", pad_edge=False)  # fmt: skip
    for name in ("condition", "decided by"):
        shown.add_column(name)
    for name in ("comparisons", "slower", "faster", "same", "ambiguous"):
        shown.add_column(name, justify="right")
    for condition in CONDITIONS:
        pairs = found[condition.name]
        pairs = pairs[BUDGET_PAIRS:] if pairs is quiet else pairs
        halves, whole = (_compare_groups(pairs, n, quiet[:BUDGET_PAIRS]) for n in (HALF, PAIRS))
        for how, verdicts in {
            f"{HALF} pairs": [c.verdict for group in halves for c in group],
            f"{HALF} pairs, doubtful again": verdicts_after_rerun(halves),
            f"{PAIRS} pairs": [c.verdict for group in whole for c in group],
            f"{PAIRS} pairs, doubtful again": verdicts_after_rerun(whole),
            **{
                f"pytest-benchmark {text}": pytest_benchmark_verdicts(pairs, text)
                for text in THEIRS
            },
        }.items():
            counts = [verdicts.count(word) for word in ("slower", "faster", "same", "ambiguous")]
            shown.add_row(condition.name, how, str(len(verdicts)),
                          *(f"{n} ({n / len(verdicts):.1%})" for n in counts))  # fmt: skip
    return shown


def verdicts_after_rerun(groups: Sequence[Sequence[Comparison]]) -> list[Verdict]:
    """Judge doubtful rows again by the next group of pairs.

    Args:
        groups: comparisons, by group of pairs.

    Returns:
        The verdicts of all rows of all groups.
    """
    found: list[Verdict] = []
    for first, second in zip(groups, [*groups[1:], groups[0]], strict=True):
        doubtful = {c.base.first.row for c in first if in_doubt(c)}
        new = [c for c in second if c.base.first.row in doubtful]
        found += [row.verdict for row in judge(first, new)]
    return found


def pytest_benchmark_verdicts(pairs: Sequence[Sequence[Pair]], text: str) -> list[Verdict]:
    """Judge every run and the next one with pytest-benchmark, which can only report slower rows.

    Args:
        pairs: the pairs, in the order of time.
        text: the threshold, such as ``mean:5%``.

    Returns:
        ``slower`` or ``same`` for every row.
    """
    check = PercentageRegressionCheck(THEIRS[text], 5)
    figure = FIGURES[THEIRS[text]]

    def fails(base: Measurement, head: Measurement) -> bool:
        now, before = ({check.field: figure(m.seconds)} for m in (head, base))
        return bool(check.compute(now, before) > check.threshold)

    return ["slower" if fails(base, head) else "same"
            for saved, later in pairwise(pairs)
            for (base, _), (_, head) in zip(saved, later, strict=True)]  # fmt: skip


def _mean(samples: Sequence[float]) -> float:
    return sum(samples) / len(samples)


FIGURES: dict[str, Callable[[Sequence[float]], float]] = {"mean": _mean, "min": min}


def _compare_groups(
    pairs: Sequence[Sequence[Pair]], size: int, identical: Sequence[Sequence[Pair]]
) -> list[list[Comparison]]:
    """Return comparisons of ``size`` pairs each, by group; the pairs of ``identical`` code give the noise."""
    known = {c.base.first.row: estimate_noise(c.changes, size)
               for c in _comparisons(identical, lambda _: NO_NOISE)}  # fmt: skip
    groups = range(0, len(pairs) - size + 1, size)
    return [_comparisons(pairs[at : at + size], lambda t: known[t.first.row]) for at in groups]


def _comparisons(
    pairs: Sequence[Sequence[Pair]], known: Callable[[Timing], Noise]
) -> list[Comparison]:
    base, head = ([pair[side] for group in pairs for pair in group] for side in (0, 1))
    return compare_rows(base, head, known)


if __name__ == "__main__":
    start(main)

"""Score many mutants: in processes of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context

import msgspec
from rich.console import Console
from rich.progress import track

from conformance.cases import default_cases
from evidence.mutants import Mutant, score
from evidence.mutants import onnx_node_cases as onnx
from fleet import Cluster, WorkerNeeds
from fleet.cluster import get_child, worker_signature
from records.schema import MutantRecord

SECONDS_PER_MUTANT = 900
"""Time limit of one mutant; a worker's first one takes longest, since it also computes the reference results."""


def score_here(mutants: Sequence[Mutant], processes: int) -> Iterator[MutantRecord]:
    """Score mutants in processes of this machine.

    Args:
        mutants: those to score.
        processes: how many at a time.

    Yields:
        Every mutant's record, in their order.

    """
    console = Console(stderr=True)
    with ProcessPoolExecutor(processes, get_context("spawn"), score.limit_threads) as pool:
        cases = range(len(default_cases()))
        for _ in track(pool.map(score.prepare_case, cases, chunksize=4), "reference results",
                       len(cases), console=console):  # fmt: skip
            pass
        found = pool.map(score.score_mutant, mutants, chunksize=2)
        tracked = track(found, "mutants", len(mutants), console=console)
        yield from _with_onnx(zip(mutants, tracked, strict=True))


def score_on(cluster: Cluster, mutants: Sequence[Mutant]) -> Iterator[MutantRecord]:
    """Score mutants on a cluster.

    Args:
        cluster: its workers.
        mutants: those to score.

    Yields:
        Every mutant's record, as the workers finish them.

    """
    found = cluster.results(_in_worker, mutants)
    yield from _with_onnx(track(found, "mutants", len(mutants), console=Console(stderr=True)))


def _with_onnx(found: Iterable[tuple[Mutant, MutantRecord]]) -> Iterator[MutantRecord]:
    """The records, with the verdict of ONNX's node cases where those are installed."""
    cases = onnx.node_cases() if find_spec("onnx") else []
    for mutant, record in found:
        if cases and mutant.group not in ("networks", "training", "gradients"):
            record.elsewhere[onnx.NAME] = onnx.is_caught(cases, mutant)
        yield record


def _in_worker(needs: WorkerNeeds, mutant: Mutant) -> MutantRecord:
    """One mutant's record, in a worker of a cluster."""
    found = get_child(needs).call(score.score_mutant, mutant)
    return msgspec.structs.replace(found, worker=worker_signature(needs))


def describe_failure(record: MutantRecord) -> str:
    """Say what is wrong with a mutant's record.

    Args:
        record: of a mutant that should have been caught, or not.

    Returns:
        One line.

    """
    if record.equivalent:
        return f"✗ {record.mutant}: said to be equivalent, yet caught by {record.caught_by[0]}"
    if not record.caught_by:
        return f"✗ {record.mutant}: survives all cases; meant for those of {record.meant_for}"
    return (f"✗ {record.mutant}: caught by {len(record.caught_by)} cases, none of them of "
            f"{record.meant_for}, such as {record.caught_by[0]}")  # fmt: skip

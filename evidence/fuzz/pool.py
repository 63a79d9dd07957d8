"""Run rounds in worker processes, so that a process that dies costs no round."""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
from threadpoolctl import threadpool_limits

from backends import find
from conformance.cases.fuzzed import FuzzedCase
from conformance.known_differences import KnownDifference, read_known
from conformance.open_backend import OpenBackend
from evidence.fuzz import isolated, rounds
from evidence.fuzz.replay import replay
from fleet import Cluster, WorkerNeeds
from fleet.child import ChildDied
from fleet.cluster import get_child, worker_signature
from records.schema import FuzzRecord

SECONDS_PER_ROUND = 900
"""The time after which a process that is still busy with one round is ended."""


Corpus = Mapping[str, Sequence[FuzzedCase]]


class Job(NamedTuple):
    """The facts that every process needs."""

    seed: int
    backends: tuple[str, ...]
    device: str
    known: Path
    dtypes: tuple[str, ...] = ()
    """The dtypes to draw; empty for all."""


@cache
def open_backends(job: Job) -> Sequence[OpenBackend]:
    """Open the backends in this process.

    Args:
        job: the job.

    Returns:
        The open backends.

    """
    return [OpenBackend(name, job.device, find(name)(job.device)) for name in job.backends]


@cache
def known_differences(job: Job) -> list[KnownDifference]:
    """Read the entries of known.toml.

    Args:
        job: the job.

    Returns:
        The entries.

    """
    return read_known(job.known)


def init_process() -> None:
    """Prepare a new process: ignore Ctrl-C, which the session handles, and use one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)


def run_in_process(job: Job, number: int) -> list[FuzzRecord]:
    """Run one round in a process of the pool, with a time limit.

    Args:
        job: the job.
        number: the number of the round.

    Returns:
        A record for each backend that runs the round's structure.

    """
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(SECONDS_PER_ROUND, exit=True, file=nowhere)
        try:
            return rounds.run_round(
                job.seed, number, open_backends(job), known_differences(job), job.dtypes
            )
        finally:
            faulthandler.cancel_dump_traceback_later()


def run_rounds(job: Job, numbers: Iterator[int], processes: int) -> Iterator[list[FuzzRecord]]:
    """Run rounds in a pool of processes.

    A case that takes its process down breaks the pool. The unfinished rounds are then checked case by case,
    isolated, and a new pool goes on.

    Args:
        job: the job.
        numbers: the numbers of the rounds.
        processes: the number of processes.

    Yields:
        The records of each round, in the order in which they finish.

    """
    taken: set[int] = set()
    while True:
        try:
            yield from _until_one_breaks(job, numbers, processes, taken)
        except BrokenProcessPool:
            for number in sorted(taken):
                yield isolated.run_isolated_round(
                    job.seed, number, open_backends(job), known_differences(job), job.dtypes
                )
            taken.clear()
        else:
            return


def _until_one_breaks(
    job: Job, numbers: Iterator[int], processes: int, taken: set[int]
) -> Iterator[list[FuzzRecord]]:
    """Run rounds in one pool; ``taken`` holds the rounds that it has begun and not finished."""
    with ProcessPoolExecutor(processes, get_context("spawn"), init_process) as pool:
        under_way: dict[Future[list[FuzzRecord]], int] = {}

        def begin(count: int) -> None:
            for number in itertools.islice(numbers, count):
                taken.add(number)
                under_way[pool.submit(run_in_process, job, number)] = number

        begin(processes)
        while under_way:
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield future.result()
                taken.remove(under_way.pop(future))
                begin(1)


def run_rounds_on_cluster(
    job: Job, numbers: Iterator[int], cluster: Cluster, corpus: Corpus
) -> Iterator[list[FuzzRecord]]:
    """Run rounds on a cluster's workers; a round that crashes a child is checked there case by case.

    Args:
        job: the job.
        numbers: the numbers of the rounds; round 0 replays the corpus.
        cluster: the cluster.
        corpus: the corpus, by backend.

    Yields:
        The records of each round, in the order in which they finish.

    """
    for _, found in cluster.results(partial(run_on_worker, job, corpus), numbers):
        yield found


def run_on_worker(job: Job, corpus: Corpus, needs: WorkerNeeds, number: int) -> list[FuzzRecord]:
    """Run one round on a cluster's worker.

    Args:
        job: the job.
        corpus: the corpus, for round 0.
        needs: the backends and device of the worker.
        number: the number of the round.

    Returns:
        The records, each with the worker's signature.

    """
    worker_child, round_corpus = get_child(needs), {} if number else corpus
    try:
        found = worker_child.call(_run_in_child, job, number, round_corpus, False)
    except ChildDied:
        found = worker_child.call(_run_in_child, job, number, round_corpus, True)
    worker = worker_signature(needs)
    return [msgspec.structs.replace(record, worker=worker) for record in found]


def _run_in_child(job: Job, number: int, corpus: Corpus, apart: bool) -> list[FuzzRecord]:
    """Run one round in a worker's child process; with ``apart``, each case in a process of its own."""
    threadpool_limits(1)
    if number == 0:
        return replay(job.seed, corpus, open_backends(job), known_differences(job))
    run_one = isolated.run_isolated_round if apart else rounds.run_round
    return run_one(job.seed, number, open_backends(job), known_differences(job), job.dtypes)

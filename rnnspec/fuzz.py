"""``rnnspec fuzz``: random networks against the specification, for as long as is asked."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

from backends import BackendNotFound, DeviceNotFound
from commands.command_line import command, option, refusing
from commands.options import at_least
from conformance.known_differences import KNOWN_FILE, BadKnownFile
from conformance.open_backend import IN_CHECKOUT, OpenBackend
from conformance.session import resume as resuming
from conformance.session.resume import CannotResume
from evidence.fuzz import pool
from evidence.fuzz.corpus import CORPUS, BadCorpus, read_corpus
from evidence.fuzz.pool import (
    SECONDS_PER_ROUND,
    Job,
    open_backends,
    run_rounds,
    run_rounds_on_cluster,
)
from evidence.fuzz.replay import replay
from evidence.fuzz.results import ResultWriter
from evidence.fuzz.rounds import is_done
from fleet import Cluster, FleetRefused, WorkerNeeds
from fleet.child import ONE_THREAD
from records.environment import environment
from records.exit_codes import ExitCode
from records.runs import RunWriter
from records.schema import FuzzRecord
from rnnspec.options import backend_options, chosen_backends, cluster_options


@command(
    "fuzz",
    examples=(
        "rnnspec fuzz --backend pytorch --minutes 10",
        "rnnspec fuzz --framework jax --seed 7 --rounds 20 --jobs 4",
    ),
)
@backend_options
@option("--seed")
@option("--resume")
@option("--jobs", type=at_least(1), default=os.cpu_count() or 1)
@cluster_options
@option("--minutes", default=5.0)
@option("--rounds")
@option("--known", default=KNOWN_FILE)
@option("--corpus")
@option("--out")
def fuzz(
    backend: tuple[str, ...],
    framework: str | None,
    device: str,
    seed: int,
    resume: bool,
    jobs: int,
    workers: int | None,
    scheduler: str | None,
    minutes: float,
    rounds: int | None,
    known: Path,
    corpus: Path | None,
    out: Path,
) -> ExitCode:
    """Check random networks for as long as you like.

    First checks earlier finds (--corpus), then rounds of 128 cases of one structure. The seed and a round's number
    determine its cases. A case that differs or fails is shrunk to a minimal one, written to the run file and
    added to the corpus. Exits with 1 if a find is no known difference.
    """
    os.environ |= ONE_THREAD | os.environ
    job = Job(seed, tuple(chosen_backends(backend, framework, device)), device, known)
    needs = WorkerNeeds(job.backends, job.device, SECONDS_PER_ROUND)
    with ExitStack() as stack:
        with refusing(BackendNotFound, DeviceNotFound, BadKnownFile, BadCorpus, CannotResume, FleetRefused,
                      metadata.PackageNotFoundError):  # fmt: skip
            pool.known_differences(job)
            finds_at = corpus or _corpus(out)
            finds = read_corpus(finds_at)
            cluster = None
            if scheduler or workers:
                cluster = stack.enter_context(Cluster(scheduler, workers, needs))
            backends = cluster.open_backends() if cluster else open_backends(job)
            writing = _writing(job, backends, cluster, out, finds_at, resumed=resume)
        end = time.monotonic() + 60 * minutes
        upto = range(1, rounds + 1) if rounds else itertools.count(1)
        numbers = itertools.takewhile(lambda _: time.monotonic() < end, upto)
        fresh = (n for n in numbers if not is_done(seed, n, backends, writing.written))
        found: Iterator[list[FuzzRecord]]
        if cluster:
            first = [] if writing.written else [0]
            found = run_rounds_on_cluster(job, itertools.chain(first, fresh), cluster, finds)
        else:
            replays = (
                []
                if writing.written
                else [replay(seed, finds, backends, pool.known_differences(job))]
            )
            found = itertools.chain(replays, run_rounds(job, fresh, jobs))
        return writing.write_all(found, minutes)


def _corpus(out: Path) -> Path:
    """The corpus of the checkout; elsewhere a copy of it, since finds are added."""
    if IN_CHECKOUT:
        return CORPUS
    mine = out / CORPUS.name
    if not mine.exists():
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CORPUS, mine)
    return mine


def _writing(
    job: Job,
    backends: Sequence[OpenBackend],
    cluster: Cluster | None,
    out: Path,
    finds_at: Path,
    *,
    resumed: bool,
) -> ResultWriter:
    """The run files, new ones or those that are gone on with."""
    seen, folder = environment(), out / "runs"
    writers: dict[str, RunWriter] = {}
    before: list[FuzzRecord] = []
    for backend in backends:
        header = backend.header(seen, "fuzz", cluster.environments() if cluster else None)
        if resumed:
            old = resuming.resume(folder, header)
            writers[backend.name] = old.writer
            before += old.run.rounds
        else:
            writers[backend.name] = RunWriter(folder, header)
    if other := {r.seed for r in before} - {job.seed}:
        raise CannotResume(
            f"--resume: the run has seed {min(other)}; --seed {job.seed} given; give that seed"
        )
    return ResultWriter(writers, before, finds_at)

"""``rnnspec fuzz``: random networks against the specification, for as long as is asked."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

from backends import BackendNotFound, DeviceNotFound
from commands.command_line import Refused, command, option, refusing
from commands.options import at_least
from conformance.cases.fuzzed import CHOICES
from conformance.known_differences import KNOWN_FILE, BadKnownFile
from conformance.open_backend import OpenBackend
from conformance.session import resume as resuming
from conformance.session.resume import CannotResume
from evidence.fuzz import pool
from evidence.fuzz.corpus import BadCorpus, corpus_of, read_corpus
from evidence.fuzz.pool import (
    SECONDS_PER_ROUND,
    Job,
    open_backends,
    run_rounds,
    run_rounds_on_cluster,
)
from evidence.fuzz.replay import replay
from evidence.fuzz.results import ResultWriter
from evidence.fuzz.rounds import draw_round, is_done
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
@option("--dtype", choices=CHOICES["dtype"])
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
    dtype: tuple[str, ...],
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

    No round begins after --minutes. The last rounds are finished and their finds shrunk after that, with up to
    1,200 more checks a round.
    """
    os.environ |= ONE_THREAD | os.environ
    job = Job(seed, tuple(chosen_backends(backend, framework, device)), device, known, dtype)
    needs = WorkerNeeds(job.backends, job.device, SECONDS_PER_ROUND)
    with ExitStack() as stack:
        with refusing(BackendNotFound, DeviceNotFound, BadKnownFile, BadCorpus, CannotResume, FleetRefused,
                      metadata.PackageNotFoundError):  # fmt: skip
            pool.known_differences(job)
            corpora = {name: corpus or corpus_of(name, out) for name in job.backends}
            finds = {name: [one for one in read_corpus(path).get(name, []) if not dtype or one.dtype in dtype]
                     for name, path in corpora.items()}  # fmt: skip
            cluster = None
            if scheduler or workers:
                cluster = stack.enter_context(Cluster(scheduler, workers, needs))
            backends = cluster.open_backends() if cluster else open_backends(job)
            _refuse_other_dtypes(job, backends)
            writing = _writing(job, backends, cluster, out, corpora, resumed=resume)
        end = time.monotonic() + 60 * minutes
        upto = range(1, rounds + 1) if rounds else itertools.count(1)
        numbers = itertools.takewhile(lambda _: time.monotonic() < end, upto)
        fresh = (n for n in numbers if not is_done(seed, n, backends, writing.written, dtype))
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


def _refuse_other_dtypes(job: Job, backends: Sequence[OpenBackend]) -> None:
    """Refuse dtypes that no backend runs, since no round could be drawn."""
    able = [
        d
        for d in CHOICES["dtype"]
        if any(b.adapter.dialect.held_to(d, b.adapter.kind) for b in backends)
    ]
    if not set(job.dtypes or able) & set(able):
        raise Refused(f"--dtype: {', '.join(job.dtypes) or 'none'} given, which {', '.join(job.backends)} does not run on "
                      f"{job.device}; expected one of {', '.join(able)}")  # fmt: skip


def _writing(
    job: Job,
    backends: Sequence[OpenBackend],
    cluster: Cluster | None,
    out: Path,
    corpora: Mapping[str, Path],
    *,
    resumed: bool,
) -> ResultWriter:
    """The run files, new ones or those that are gone on with."""
    seen, folder = environment(), out / "runs"
    writers: dict[str, RunWriter] = {}
    before: list[FuzzRecord] = []
    with ExitStack() as opened:  # closes them if the run cannot be resumed
        for backend in backends:
            header = backend.header(seen, "fuzz", cluster.environments() if cluster else None)
            if resumed:
                old = resuming.resume(folder, header)
                writers[backend.name] = opened.enter_context(old.writer)
                before += old.run.rounds
            else:
                writers[backend.name] = opened.enter_context(RunWriter(folder, header))
        _refuse_to_mix(before, job, backends)
        opened.pop_all()
    return ResultWriter(writers, before, corpora)


def _refuse_to_mix(before: Sequence[FuzzRecord], job: Job, backends: Sequence[OpenBackend]) -> None:
    """Refuse to continue a run whose rounds are not those that these options draw."""
    if other := {r.seed for r in before} - {job.seed}:
        raise CannotResume(
            f"--resume: the run has seed {min(other)}; --seed {job.seed} given; give that seed"
        )
    for r in before:
        if r.round and draw_round(job.seed, r.round, backends, job.dtypes).id != r.structure:
            raise CannotResume(
                f"--resume: round {r.round} of the run has other networks than these options draw; "
                "give the --backend, --framework and --dtype of that run"
            )

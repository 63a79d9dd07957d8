"""``python -m evidence.fuzz``: random networks against the specification, for as long as is asked.

First what earlier runs have found (``--corpus``), then round after round of 128 cases of one structure. The
seed and a round's number give all of its cases. A case that differs or fails is made as small as it still
does, written to the run file, and added to the corpus. Exits with 1 where known.toml does not explain a
find.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

from backends import BACKENDS, EXTRAS, BackendNotFound, DeviceNotFound
from conformance.known_differences import BadKnownFile
from conformance.open_backend import ROOT, OpenBackend
from conformance.session.options import backend_names
from conformance.session.resume import CannotResume, resume
from evidence.fuzz.corpus import BadCorpus, read_corpus
from evidence.fuzz.pool import (
    SECONDS_PER_ROUND,
    Job,
    known_differences,
    open_backends,
    run_rounds,
    run_rounds_on_cluster,
)
from evidence.fuzz.replay import replay
from evidence.fuzz.results import ResultWriter
from evidence.fuzz.rounds import can_run, draw_round
from fleet import Cluster, FleetRefused, Place, add_options
from fleet.child import ONE_THREAD
from records.environment import environment
from records.exit_codes import ExitCode
from records.options import Parser, counted, positive
from records.runs import RunWriter
from records.schema import FuzzRecord


def main(arguments: list[str] | None = None) -> ExitCode:
    """Fuzz the backends that the options name."""
    os.environ |= ONE_THREAD | os.environ
    parser = _parser()
    options = parser.parse_args(arguments)
    names = backend_names(options.backend, options.framework, options.device)
    if not names:
        parser.error(
            f"--backend: none given, expected one of {', '.join(BACKENDS)}; or --framework"
        )
    job = Job(options.seed, tuple(names), options.device, options.known)
    with ExitStack() as stack:
        try:
            known_differences(job)
            corpus = read_corpus(options.corpus)
            cluster = _cluster(job, options)
            backends = stack.enter_context(cluster).opened() if cluster else open_backends(job)
            writing = _writing(job, backends, options, cluster)
        except (BackendNotFound, DeviceNotFound, BadKnownFile, BadCorpus, CannotResume, FleetRefused,
                metadata.PackageNotFoundError) as error:  # fmt: skip
            parser.error(str(error))
        end = time.monotonic() + 60 * options.minutes
        upto = range(1, options.rounds + 1) if options.rounds else itertools.count(1)
        numbers = itertools.takewhile(lambda _: time.monotonic() < end, upto)
        fresh = (n for n in numbers if not is_done(job.seed, n, backends, writing.written))
        rounds: Iterator[list[FuzzRecord]]
        if cluster:
            first = [] if writing.written else [0]
            rounds = run_rounds_on_cluster(job, itertools.chain(first, fresh), cluster, corpus)
        else:
            finds = (
                []
                if writing.written
                else [replay(job.seed, corpus, backends, known_differences(job))]
            )
            rounds = itertools.chain(finds, run_rounds(job, fresh, options.n))
        return writing.write_all(rounds, options.minutes)


def _cluster(job: Job, options: Any) -> Cluster | None:
    """Where the rounds run, if not here."""
    if not (options.scheduler or options.workers):
        return None
    place = Place(job.backends, job.device, SECONDS_PER_ROUND)
    return Cluster(options.scheduler, options.workers, place)


def is_done(
    seed: int, number: int, backends: Sequence[OpenBackend], written: Set[tuple[str, int]]
) -> bool:
    """Whether every backend that the round is for has its record."""
    if not written:
        return False
    of = draw_round(seed, number, backends)
    return all((b.name, number) in written for b in backends if can_run(b, of))


def _parser() -> Parser:
    parser = Parser("python -m evidence.fuzz", __doc__)
    parser.add_argument("--backend", action="append", default=[], metavar="NAME",
                        help=f"one of {', '.join(BACKENDS)}, or one from outside the tree; may be "
                        "given again")  # fmt: skip
    parser.add_argument("--framework", choices=EXTRAS, help="every backend of this framework")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--minutes", type=positive, default=5.0, metavar="N",
                        help="start no round after this (default: %(default)g)")  # fmt: skip
    parser.add_argument("--rounds", type=counted(1), metavar="N",
                        help="end after so many, if the minutes allow it")  # fmt: skip
    add_options(parser.add_argument)
    parser.add_argument("--seed", type=counted(0), default=0, help="of all rounds (default: 0)")
    parser.add_argument("-n", type=counted(1), default=os.cpu_count() or 1, metavar="N",
                        help="processes (default: %(default)s)")  # fmt: skip
    parser.add_argument("--resume", action="store_true",
                        help="go on with the latest interrupted run of each backend")  # fmt: skip
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus.txt", metavar="FILE",
                        help="what was found before, and where finds are added (default: corpus.txt)")  # fmt: skip
    parser.add_argument("--known", type=Path, default=ROOT / "known.toml", metavar="FILE",
                        help="known differences (default: known.toml)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR",
                        help="run files go to DIR/runs (default: results)")  # fmt: skip
    return parser


def _writing(
    job: Job, backends: Sequence[OpenBackend], options: Any, cluster: Cluster | None
) -> ResultWriter:
    """The run files, new ones or those that are gone on with."""
    seen, folder = environment(), options.out / "runs"
    writers: dict[str, RunWriter] = {}
    before: list[FuzzRecord] = []
    for backend in backends:
        header = backend.header(seen, "fuzz", cluster.environments() if cluster else None)
        if options.resume:
            old = resume(folder, header)
            writers[backend.name] = old.writer
            before += old.run.rounds
        else:
            writers[backend.name] = RunWriter(folder, header)
    if other := {r.seed for r in before} - {job.seed}:
        raise CannotResume(f"--resume: the run has seed {min(other)}; --seed {job.seed} given")
    return ResultWriter(writers, before, options.corpus)


if __name__ == "__main__":
    sys.exit(main())

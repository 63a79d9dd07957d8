"""``python -m evidence.mutants``: whether the suite catches the mistakes that it should.

Runs the default cases against every mutant, writes a run file, and prints the score by group beside
that of a fixed tolerance and of ONNX's node cases. Exits with 1 where a mutant survives, is not caught
by the kind of case that is meant to, or is caught in spite of a proof that it cannot be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track

from conformance.cases import default_cases
from conformance.open_backend import OpenBackend, now
from conformance.specification import Specification
from evidence.mutants import MUTANTS, Mutant, score
from evidence.mutants import onnx_node_cases as peers
from fleet import Cluster, FleetRefused, Place, add_options
from fleet.cluster import child, signature
from records.environment import environment
from records.exit_codes import ExitCode
from records.options import Parser, counted
from records.runs import RunWriter, read_run
from records.schema import Footer, MutantRecord
from reports.matrix import build_matrix
from reports.terminal import text

SECONDS_PER_MUTANT = 900
"""Those of the first one of a worker, who makes the truths of all cases, among them."""

BACKEND = "conformance.specification:Specification"


def main(arguments: list[str] | None = None) -> ExitCode:
    """Score the mutants that the options name."""
    parser = Parser("python -m evidence.mutants", __doc__)
    parser.add_argument("-n", type=counted(1), default=os.cpu_count() or 1, metavar="N",
                        help="processes (default: %(default)s)")  # fmt: skip
    add_options(parser.add_argument)
    parser.add_argument("--match", default="", metavar="TEXT",
                        help="only mutants whose id has this text")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("results/runs"), metavar="DIR",
                        help="where the run file is written (default: %(default)s)")  # fmt: skip
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.match in mutant.id]
    if not chosen:
        parser.error(f"--match {options.match!r}: no mutant's id has it, such as {MUTANTS[0].id}")
    opened = OpenBackend(BACKEND, "cpu", Specification("cpu"))
    with ExitStack() as stack:
        workers, found = None, score_mutants(chosen, options.n)
        if options.scheduler or options.workers:
            place = Place((BACKEND,), "cpu", SECONDS_PER_MUTANT)
            try:
                cluster = Cluster(options.scheduler, options.workers, place)
                stack.enter_context(cluster)
            except FleetRefused as why:
                parser.error(str(why))
            workers, found = cluster.environments(), _score_on_cluster(cluster, chosen)
        header = opened.header(environment(), "mutants", workers)
        writer = stack.enter_context(RunWriter(options.out, header))
        records = []
        for record in found:
            records.append(record)
            writer.write(record)
        wrong = [record for record in records if not record.is_right]
        code = ExitCode.CONFORMANCE_FAILURE if wrong else ExitCode.CLEAN
        writer.close(
            Footer(ended_at=now(), counts={}, measurements=0, selected=0,
                   deselected=len(MUTANTS) - len(chosen), stale_known=[], exit_code=code,
                   mutants=len(records))
        )  # fmt: skip
    for record in wrong:
        print(describe_failure(record))
    print(text(build_matrix([read_run(writer.path)]), to_terminal=sys.stdout.isatty()), end="")
    print(f"wrote {writer.path}")
    return code


def score_mutants(mutants: Sequence[Mutant], processes: int) -> Iterator[MutantRecord]:
    """Every mutant's record, in the order of the table."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(processes, get_context("spawn"), score.limit_threads) as pool:
        cases = range(len(default_cases()))
        for _ in track(pool.map(score.prepare_case, cases, chunksize=4), "truths and radii",
                       len(cases), console=console):  # fmt: skip
            pass
        found = pool.map(score.score_mutant, mutants, chunksize=2)
        tracked = track(found, "mutants", len(mutants), console=console)
        yield from _add_onnx_results(zip(mutants, tracked, strict=True))


def _score_on_cluster(cluster: Cluster, mutants: Sequence[Mutant]) -> Iterator[MutantRecord]:
    """Every mutant's record, in the order in which a cluster's workers have them."""
    found = cluster.results(_score_on_worker, mutants)
    yield from _add_onnx_results(
        track(found, "mutants", len(mutants), console=Console(stderr=True))
    )


def _add_onnx_results(found: Iterable[tuple[Mutant, MutantRecord]]) -> Iterator[MutantRecord]:
    """The records, with what ONNX's node cases say where those are installed."""
    onnx = peers.node_cases() if find_spec("onnx") else []
    for mutant, record in found:
        if onnx and mutant.group not in ("networks", "training", "gradients"):
            record.elsewhere[peers.NAME] = peers.is_caught(onnx, mutant)
        yield record


def _score_on_worker(place: Place, mutant: Mutant) -> MutantRecord:
    """One mutant's record, in a worker of a fleet."""
    found = child(place).call(score.score_mutant, mutant)
    return msgspec.structs.replace(found, worker=signature(place))


def describe_failure(record: MutantRecord) -> str:
    """What is wrong with a mutant's record, in a line."""
    if record.equivalent:
        return f"✗ {record.mutant}: said to be equivalent, yet caught by {record.caught_by[0]}"
    if not record.caught_by:
        return f"✗ {record.mutant}: survives all cases; meant for those of {record.meant_for}"
    return (f"✗ {record.mutant}: caught by {len(record.caught_by)} cases, none of them of "
            f"{record.meant_for}, such as {record.caught_by[0]}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

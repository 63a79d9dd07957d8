"""``rnnspec mutants``: wrong implementations, which the default cases must catch."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from commands.command_line import Refused, command, option, refusing
from commands.options import at_least
from conformance.open_backend import OpenBackend, now
from conformance.specification import Specification
from evidence.mutants import MUTANTS
from evidence.mutants.parallel import SECONDS_PER_MUTANT, describe_failure, score_here, score_on
from fleet import Cluster, FleetRefused, WorkerNeeds
from records.environment import environment
from records.exit_codes import ExitCode
from records.runs import RunWriter, read_run
from records.schema import Footer
from reports.matrix import build_matrix
from reports.terminal import text
from rnnspec.options import cluster_options

BACKEND = "conformance.specification:Specification"


@command(
    "mutants", examples=("rnnspec mutants --jobs 4", "rnnspec mutants --match vanilla/lengths")
)
@option("--match")
@option("--jobs", type=at_least(1), default=os.cpu_count() or 1)
@cluster_options
@option("--out")
def mutants(
    match: str, jobs: int, workers: int | None, scheduler: str | None, out: Path
) -> ExitCode:
    """Show that the suite catches wrong implementations.

    Runs the default cases on every mutant of the specification, and prints the score by group, next to the score
    of a fixed tolerance and of ONNX's node cases. Exits with 1 if a mutant survives, is not caught by the kind of
    case that is meant for it, or is caught although a proof says that it is equivalent.
    """
    chosen = [mutant for mutant in MUTANTS if match in mutant.id]
    if not chosen:
        raise Refused(
            f"--match: {match!r} given; expected part of a mutant's id, such as {MUTANTS[0].id}"
        )
    opened = OpenBackend(BACKEND, "cpu", Specification("cpu"))
    with ExitStack() as stack:
        environments, found = None, score_here(chosen, jobs)
        if scheduler or workers:
            with refusing(FleetRefused):
                cluster = Cluster(
                    scheduler, workers, WorkerNeeds((BACKEND,), "cpu", SECONDS_PER_MUTANT)
                )
                stack.enter_context(cluster)
            environments, found = cluster.environments(), score_on(cluster, chosen)
        header = opened.header(environment(), "mutants", environments)
        writer = stack.enter_context(RunWriter(out / "runs", header))
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

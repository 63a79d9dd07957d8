"""``python -m evidence.fuzz.campaign``: measure the speed-up of more workers, and the losses when workers are killed.

It runs the same rounds of fuzzing on one worker, on ``--workers``, and on those again while one of them is killed
at regular intervals. It prints checks per second and the speed-up, and whether every check was recorded exactly
once.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from backends import BACKENDS
from commands.command_line import command, option, refusing, start
from commands.options import at_least
from conformance.known_differences import KNOWN_FILE
from evidence.fuzz.pool import SECONDS_PER_ROUND, Job, run_rounds_on_cluster
from fleet import Cluster, FleetRefused, WorkerNeeds
from records.exit_codes import ExitCode
from records.schema import FuzzRecord
from reports.terminal import standard_output


class Campaign(NamedTuple):
    """The results of the rounds on a number of workers."""

    workers: int
    records: Sequence[FuzzRecord]
    seconds: float
    killed: int

    @property
    def checks(self) -> int:
        """The number of cases checked."""
        return sum(r.checks for r in self.records)

    @property
    def rate(self) -> float:
        """Checks per second."""
        return self.checks / self.seconds

    @property
    def duplicates(self) -> list[int]:
        """The rounds that were recorded more than once."""
        counts = Counter((r.backend, r.round) for r in self.records)
        return sorted(number for (_, number), times in counts.items() if times > 1)


def run_campaign(job: Job, workers: int, rounds: int, kill_every: float | None) -> Campaign:
    """Run all rounds on a new cluster, and measure the time from when its workers are there.

    Args:
        job: the seed, backends and device.
        workers: the number of workers.
        rounds: the number of rounds.
        kill_every: the seconds between two kills; None kills no worker.

    Returns:
        The results.

    """
    found: list[FuzzRecord] = []
    needs = WorkerNeeds(job.backends, job.device, SECONDS_PER_ROUND)
    with Cluster(None, workers, needs) as cluster:
        stop = threading.Event()
        killed: list[int] = []

        def kill() -> None:
            while not stop.wait(kill_every):
                killed.append(random.choice(cluster.processes()))
                os.kill(killed[-1], signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        started = time.monotonic()
        if kill_every is not None:
            killer.start()
        rows = run_rounds_on_cluster(job, iter(range(1, rounds + 1)), cluster, {})
        for records in track(rows, f"{workers} workers", rounds, console=Console(stderr=True)):
            found += records
        seconds = time.monotonic() - started
        stop.set()
    return Campaign(workers, found, seconds, len(killed))


@command("python -m evidence.fuzz.campaign")
@option("--backend", choices=tuple(BACKENDS), closed=False, repeats=False, default="pytorch")
@option("--rounds", default=160)
@option("--workers", type=at_least(2), default=2)
@option("--kill-every")
def main(backend: str, rounds: int, workers: int, kill_every: float) -> ExitCode:
    """Measure what a second worker brings, and what is lost when workers are killed.

    Exits with 1 if a round is missing, is recorded twice, or has other outcomes than on one worker.
    """
    job = Job(0, (backend,), "cpu", KNOWN_FILE)
    table = Table("workers", "killed", "checks", "seconds", "checks a second", "factor")
    first: Campaign | None = None
    code = ExitCode.CLEAN
    with refusing(FleetRefused):
        for count, seconds in ((1, None), (workers, None), (workers, kill_every)):
            one = run_campaign(job, count, rounds, seconds)
            first = first or one
            table.add_row(str(count), str(one.killed), f"{one.checks:,}", f"{one.seconds:.0f}",
                          f"{one.rate:.1f}", f"{one.rate / first.rate:.2f}")  # fmt: skip
            if (other := differing_rounds(one, first)) or one.duplicates:
                print(f"{count} workers, {one.killed} killed: rounds recorded twice: {one.duplicates}; missing, or with "
                      f"other outcomes than on one worker: {other}", file=sys.stderr)  # fmt: skip
                code = ExitCode.CONFORMANCE_FAILURE
    standard_output().print(table)
    return code


def differing_rounds(campaign: Campaign, first: Campaign) -> list[int]:
    """Find the rounds that only one of two campaigns has, or whose outcomes differ.

    Args:
        campaign: a campaign.
        first: the campaign on one worker.

    Returns:
        The numbers of the rounds.

    """
    here, there = (
        {(r.backend, r.round): r.outcomes for r in of.records} for of in (campaign, first)
    )
    return sorted(key[1] for key in here.keys() | there.keys() if here.get(key) != there.get(key))


if __name__ == "__main__":
    start(main)

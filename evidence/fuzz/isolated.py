"""Check the cases of a round in processes of their own, because one of them crashes its process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.cases.fuzzed import FuzzedCase
from conformance.known_differences import KnownDifference
from conformance.open_backend import OpenBackend
from evidence.fuzz.draws import draw_groups
from evidence.fuzz.rounds import CaseOutcome, Tally, can_run, draw_round
from records.runs import read_folder
from records.schema import CaseRecord, FuzzRecord

SECONDS_PER_CASE = 60
CHECKS_PER_FAILURE = 4
"""The number of checks, each a process of its own, that shrinking a failure may take."""


class IsolatedTally(Tally):
    """A tally that runs every check in a process of its own."""

    checks = CHECKS_PER_FAILURE
    shrunk = 1

    def make_record(self, fuzzed: FuzzedCase) -> CaseRecord:
        return check_in_processes([fuzzed], self.backend)[fuzzed.id]


def outcome_of_record(record: CaseRecord) -> CaseOutcome:
    """Return the outcome of a case that already has a record.

    Args:
        record: the record.

    Returns:
        The outcome.

    """
    alarm = record.outcome in ("differs", "errored")
    return CaseOutcome(
        record.outcome, record.margin, (lambda: record) if alarm else None, record.reason
    )


def run_isolated_round(
    seed: int,
    number: int,
    backends: Sequence[OpenBackend],
    known: Sequence[KnownDifference],
    dtypes: Sequence[str] = (),
) -> list[FuzzRecord]:
    """Run a round as ``rounds.run_round`` does, with every case isolated.

    Args:
        seed: the seed of the run.
        number: the number of the round.
        backends: the open backends.
        known: the entries of known.toml.
        dtypes: the dtypes to draw; empty for all.

    Returns:
        A record for each backend that runs the round's structure.

    """
    structure = draw_round(seed, number, backends, dtypes)
    cases = [fuzzed for group in draw_groups(seed, number, structure) for fuzzed in group]
    found = []
    for backend in backends:
        if can_run(backend, structure):
            tally = IsolatedTally(backend, known)
            found_records = check_in_processes(cases, backend)
            for fuzzed in cases:
                tally.add(fuzzed, outcome_of_record(found_records[fuzzed.id]))
            found.append(tally.record(seed, number, structure.dtype, structure.id))
    return found


def check_in_processes(cases: Sequence[FuzzedCase], backend: OpenBackend) -> dict[str, CaseRecord]:
    """Check cases with ``rnnspec check``, which isolates them.

    Args:
        cases: the cases.
        backend: the backend.

    Returns:
        The records by case id.

    Raises:
        RuntimeError: a case has no record; the text ends with the command's output.

    """
    chosen = [part for fuzzed in cases for part in ("--case", fuzzed.id)]
    with tempfile.TemporaryDirectory(prefix="rnnspec-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "rnnspec", "check", "--backend", backend.name, "--device",
             backend.device, "--time-limit", str(SECONDS_PER_CASE), "--out", folder, *chosen],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        runs_there, _ = read_folder(Path(folder) / "runs")
    found = {record.case: record for run in runs_there for record in run.cases}
    if missing := [fuzzed.id for fuzzed in cases if fuzzed.id not in found]:
        raise RuntimeError(f"{len(missing)} of {len(cases)} cases have no record, the first is {missing[0]}: "
                           f"{done.stdout[-2000:]}{done.stderr[-2000:]}")  # fmt: skip
    return found

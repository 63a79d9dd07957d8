"""Run round 0: check the failures of earlier runs again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.cases.fuzzed import FuzzedCase
from conformance.known_differences import KnownDifference
from conformance.open_backend import OpenBackend
from evidence.fuzz.isolated import IsolatedTally, check_in_processes, outcome_of_record
from records.schema import FuzzRecord


class _ReplayTally(IsolatedTally):
    """A tally of cases that are shrunk already."""

    checks = 0
    shrunk = 10**6


def replay(
    seed: int,
    corpus: Mapping[str, Sequence[FuzzedCase]],
    backends: Sequence[OpenBackend],
    known: Sequence[KnownDifference],
) -> list[FuzzRecord]:
    """Check a corpus again.

    Args:
        seed: the seed of the run.
        corpus: the cases by backend.
        backends: the open backends.
        known: the entries of known.toml.

    Returns:
        A record for each backend with cases in the corpus.

    """
    found = []
    for backend in backends:
        if cases := corpus.get(backend.name):
            found_records = check_in_processes(cases, backend)
            tally = _ReplayTally(backend, known)
            for fuzzed in cases:
                tally.add(fuzzed, outcome_of_record(found_records[fuzzed.id]))
            found.append(tally.record(seed, 0, "", ""))
    return found

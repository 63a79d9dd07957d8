"""Round 0: what earlier runs have found is checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.cases.fuzzed import FuzzedCase
from conformance.known_differences import KnownDifference
from conformance.open_backend import OpenBackend
from evidence.fuzz.isolated import IsolatedTally, check_in_processes, outcome_of_record
from records.schema import FuzzRecord


class _ReplayTally(IsolatedTally):
    """What is small already."""

    checks = 0
    shrunk = 10**6


def replay(
    seed: int,
    corpus: Mapping[str, Sequence[FuzzedCase]],
    backends: Sequence[OpenBackend],
    known: Sequence[KnownDifference],
) -> list[FuzzRecord]:
    """The record of every backend of which the corpus has a find."""
    found = []
    for backend in backends:
        if cases := corpus.get(backend.name):
            seen = check_in_processes(cases, backend)
            tally = _ReplayTally(backend, known)
            for one in cases:
                tally.add(one, outcome_of_record(seen[one.id]))
            found.append(tally.record(seed, 0, "", ""))
    return found

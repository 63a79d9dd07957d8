"""Round 0: what earlier runs have found is checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.cases.fuzzed import Fuzzed
from conformance.known_differences import Known
from conformance.open_backend import Opened
from evidence.fuzz.isolated import IsolatedTally, of_record, records
from records.schema import FuzzRecord


class Replayed(IsolatedTally):
    """What is small already."""

    checks = 0
    shrunk = 10**6


def replayed(
    seed: int,
    corpus: Mapping[str, Sequence[Fuzzed]],
    backends: Sequence[Opened],
    known: Sequence[Known],
) -> list[FuzzRecord]:
    """The record of every backend of which the corpus has a find."""
    found = []
    for backend in backends:
        if cases := corpus.get(backend.name):
            seen = records(cases, backend)
            tally = Replayed(backend, known)
            for one in cases:
                tally.add(one, of_record(seen[one.id]))
            found.append(tally.record(seed, 0, "", ""))
    return found

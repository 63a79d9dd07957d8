"""Run one round of fuzzing: every case of it on every backend that runs its structure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import ClassVar, NamedTuple

import msgspec

from backends import Unsupported
from backends.dialects import unsupported
from conformance.cases.fuzzed import FuzzedCase
from conformance.check import check, compare, make_answer_record, make_error_record, run_backend
from conformance.draw import draw
from conformance.known_differences import KnownDifference, explain, known_reason
from conformance.open_backend import OpenBackend
from conformance.truth import Truth
from evidence.fuzz.batched_truth import batch_truths
from evidence.fuzz.draws import draw_groups, draw_structure
from evidence.fuzz.shrink import shrink
from records.schema import CaseRecord, FuzzRecord, Outcome
from records.text import one_line


class CaseOutcome(NamedTuple):
    """The outcome of a case; for a failure, also a function that makes its record."""

    outcome: Outcome
    margin: float | None = None
    record: Callable[[], CaseRecord] | None = None
    reason: str = ""


class Tally:
    """The results of a round on one backend, without the differences that known.toml explains.

    Args:
        backend: the open backend.
        known: the entries of known.toml.

    """

    checks: ClassVar[int] = 400
    """The number of checks that shrinking one failure may take."""
    shrunk: ClassVar[int] = 3
    """The number of failures of a round that are shrunk; the others are like them."""

    def __init__(self, backend: OpenBackend, known: Sequence[KnownDifference]) -> None:
        self.backend = backend
        self.known = known
        self.explained: Counter[str] = Counter()
        self.outcomes: Counter[Outcome] = Counter()
        self.margin = 0.0
        self.alarm_margin: float | None = None
        self.refused: Counter[str] = Counter()
        self.alarms: list[tuple[FuzzedCase, CaseRecord]] = []
        self.seconds = {"reference": 0.0, "backend": 0.0}

    def add(self, fuzzed: FuzzedCase, outcome: CaseOutcome) -> None:
        """Count a case.

        Args:
            fuzzed: the case.
            outcome: its outcome.

        """
        self.outcomes[outcome.outcome] += 1
        if outcome.outcome == "agrees":
            self.margin = max(self.margin, outcome.margin or 0.0)
        elif outcome.outcome == "unsupported":
            self.refused[refused_option(outcome.reason)] += 1
        elif outcome.outcome == "differs" and (
            why := explain(self.known, self.backend.name, fuzzed.id, outcome.reason)
        ):
            self.explained[why] += 1
        elif outcome.record is not None:
            if outcome.margin is not None:
                self.alarm_margin = max(self.alarm_margin or 0.0, outcome.margin)
            self.alarms.append((fuzzed, outcome.record()))

    def record(self, seed: int, number: int, dtype: str, structure: str) -> FuzzRecord:
        """Make the record of the round, and shrink some of its failures.

        Args:
            seed: the seed of the run.
            number: the number of the round.
            dtype: the dtype of the round.
            structure: the id of the round's structure.

        Returns:
            The record.

        """
        return FuzzRecord(
            seed=seed,
            round=number,
            backend=self.backend.name,
            device=self.backend.device,
            dtype=dtype,
            structure=structure,
            outcomes=dict(self.outcomes),
            known=dict(self.explained),
            margin=self.margin if self.outcomes["agrees"] else None,
            found=[shrink(*alarm, self.check, self.checks) for alarm in self.alarms[: self.shrunk]],
            others=[fuzzed.id for fuzzed, _ in self.alarms[self.shrunk :]],
            seconds=dict(self.seconds),
            refused=dict(self.refused),
            alarm_margin=self.alarm_margin,
        )

    def check(self, fuzzed: FuzzedCase) -> CaseRecord:
        """Check a case and look its difference up in known.toml.

        Args:
            fuzzed: the case.

        Returns:
            The record.

        """
        found = self.make_record(fuzzed)
        return msgspec.structs.replace(found, known=known_reason(self.known, found))

    def make_record(self, fuzzed: FuzzedCase) -> CaseRecord:
        """Check a case.

        Args:
            fuzzed: the case.

        Returns:
            The record.

        """
        return check(fuzzed.case(), self.backend)


def draw_round(
    seed: int, number: int, backends: Sequence[OpenBackend], dtypes: Sequence[str] = ()
) -> FuzzedCase:
    """Draw the structure of a round; at least one backend runs it.

    Args:
        seed: the seed of the run.
        number: the number of the round.
        backends: the open backends.
        dtypes: the dtypes to draw; empty for all.

    Returns:
        The structure.

    """
    return draw_structure(
        seed,
        number,
        lambda structure: (
            (not dtypes or structure.dtype in dtypes)
            and any(can_run(backend, structure) for backend in backends)
        ),
    )


def can_run(backend: OpenBackend, structure: FuzzedCase) -> bool:
    """Return True if a backend's dialect supports a structure.

    Args:
        backend: the open backend.
        structure: the structure.

    Returns:
        True if it does.

    """
    its = backend.adapter
    return unsupported(its.dialect, structure.case().spec, structure.dtype, None, its.kind) is None


def is_done(
    seed: int,
    number: int,
    backends: Sequence[OpenBackend],
    written: Set[tuple[str, int]],
    dtypes: Sequence[str] = (),
) -> bool:
    """Tell whether every backend that a round is for has its record.

    Args:
        seed: of all rounds.
        number: of the round.
        backends: those of the session.
        written: backend and round of every record so far.
        dtypes: the dtypes to draw; empty for all.

    Returns:
        Whether nothing is left to do.

    """
    if not written:
        return False
    structure = draw_round(seed, number, backends, dtypes)
    return all((b.name, number) in written for b in backends if can_run(b, structure))


def run_round(
    seed: int,
    number: int,
    backends: Sequence[OpenBackend],
    known: Sequence[KnownDifference],
    dtypes: Sequence[str] = (),
) -> list[FuzzRecord]:
    """Run a round on every backend that supports its structure.

    Args:
        seed: the seed of the run.
        number: the number of the round.
        backends: the open backends.
        known: the entries of known.toml.
        dtypes: the dtypes to draw; empty for all.

    Returns:
        A record for each such backend.

    """
    structure = draw_round(seed, number, backends, dtypes)
    able = [backend for backend in backends if can_run(backend, structure)]
    tallies = [Tally(backend, known) for backend in able]
    for cases in draw_groups(seed, number, structure):
        started = time.perf_counter()
        truths = batch_truths([draw(fuzzed.case()) for fuzzed in cases])
        for arithmetic in {
            b.adapter.dialect.held_to(structure.dtype, b.adapter.kind) for b in able
        }:
            truths[0].radii(arithmetic)  # computes those of the whole group
        share = (time.perf_counter() - started) / len(able)
        for tally in tallies:
            started = time.perf_counter()
            for fuzzed, case_truth in zip(cases, truths, strict=True):
                tally.add(fuzzed, check_case(fuzzed, case_truth, tally.backend))
            tally.seconds["reference"] += share
            tally.seconds["backend"] += time.perf_counter() - started
    return [tally.record(seed, number, structure.dtype, structure.id) for tally in tallies]


def refused_option(reason: str) -> str:
    """Return the option that a reason names.

    Args:
        reason: the text of ``Unsupported``, "<option>: <why>".

    Returns:
        The option; the start of a reason that has no such form.

    """
    return one_line(reason.partition(":")[0], 60)


def check_case(fuzzed: FuzzedCase, case_truth: Truth, backend: OpenBackend) -> CaseOutcome:
    """Check one case. Its record is made later, from the same answer, and only if the failure is unexplained.

    Args:
        fuzzed: the case.
        case_truth: its truth.
        backend: the open backend.

    Returns:
        The outcome.

    """
    case, version = fuzzed.case(), case_truth.version
    try:
        found = run_backend(case_truth.inputs, version, backend.adapter)
    except Unsupported as error:
        return CaseOutcome("unsupported", reason=str(error))
    except (Exception, SystemExit) as error:  # any failure of a backend is an outcome
        return CaseOutcome(
            "errored", None, partial(make_error_record, case, backend, version, error, {})
        )
    verdict = compare(found.result, case_truth, backend, found.arithmetic)
    if verdict.outcome != "differs":
        return CaseOutcome(verdict.outcome, verdict.margin)
    record = partial(make_answer_record, case, backend, case_truth, version, found, {})
    return CaseOutcome("differs", verdict.margin, record, verdict.reason)

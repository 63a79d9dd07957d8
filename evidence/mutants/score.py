"""The score: which mutants the default cases catch, and which case catches what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from conformance.agreement import judge
from conformance.cases import AnyCase, default_cases
from conformance.check import call_adapter
from conformance.draw import draw
from conformance.evaluate import Tensors
from conformance.specification import Specification
from conformance.truth import Truth, truth
from evidence.mutants.mutant import KINDS, Mutant, apply_mutant
from records.schema import MutantRecord
from reference.rounding import ARITHMETICS

TOLERANCE = 1e-5
"""The fixed rtol and atol that many suites use, in float32."""

Answer = Tensors | Exception
"""What came back, or why nothing did."""


class Scorer:
    """The cases with their truths, and what the specification itself makes of them."""

    def __init__(self, cases: Sequence[AnyCase]) -> None:
        self.cases = cases
        self.backend = Specification("cpu")

    @cached_property
    def truths(self) -> dict[str, Truth]:
        """Of every case, by its id."""
        return {case.id: truth(draw(case)) for case in self.cases}

    @cached_property
    def correct(self) -> dict[str, Answer]:
        """What is right, in every case's dtype."""
        return {name: self.answer(t) for name, t in self.truths.items()}

    def answer(self, t: Truth) -> Answer:
        """What the specification, mutated or not, makes of a case; it may fail in any way."""
        with np.errstate(all="ignore"):
            try:
                return call_adapter(t.inputs, self.backend).tensors
            except Exception as error:
                return error

    def record(self, mutant: Mutant) -> MutantRecord:
        """Which cases catch ``mutant``, by this suite's rule and by a fixed tolerance."""
        found = [case for case in self.cases if mutant.concerns(case)]
        answers = []
        correct = self.correct
        with apply_mutant(mutant):
            for case in found:
                got = self.answer(self.truths[case.id])
                if not is_identical(got, correct[case.id]):
                    answers.append((case, got))
        caught = [case for case, got in answers if differs(got, self.truths[case.id], case.dtype)]
        tolerance = [case for case, got in answers if case.dtype == "float32"
                     and exceeds_tolerance(got, self.truths[case.id].values)]  # fmt: skip
        return MutantRecord(
            mutant=mutant.id,
            group=mutant.group,
            cell=mutant.cell,
            place=f"reference.{mutant.place}",
            old=mutant.old,
            new=mutant.new,
            equivalent=mutant.equivalent,
            meant_for=mutant.kind,
            meant=sum(KINDS[mutant.kind](case) for case in caught),
            caught_by=[case.id for case in caught],
            elsewhere={f"rtol = atol = {TOLERANCE:g}, float32": bool(tolerance)},
        )


def is_identical(a: Answer, b: Answer) -> bool:
    """Bit for bit."""
    if isinstance(a, Exception) or isinstance(b, Exception) or a.keys() != b.keys():
        return False
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def differs(got: Answer, t: Truth, dtype: str) -> bool:
    """Whether this suite says so; what fails is errored, which is no agreement either."""
    if isinstance(got, Exception):
        return True
    verdict = judge(got, dict.fromkeys(got, dtype), dtype, t.expected(dtype), ARITHMETICS[dtype])
    return verdict.outcome == "differs"


def exceeds_tolerance(got: Answer, expected: Tensors) -> bool:
    """Whether a fixed tolerance says so."""
    if isinstance(got, Exception) or got.keys() != expected.keys():
        return True
    return not all(
        got[k].shape == e.shape and np.allclose(got[k], e, rtol=TOLERANCE, atol=TOLERANCE)
        for k, e in expected.items()
    )


# In a worker process.


def limit_threads() -> None:
    """Processes share the cores; threads of their own would only get in each other's way."""
    threadpool_limits(1)


@cache
def default_scorer() -> Scorer:
    """The default cases of this process."""
    return Scorer(default_cases())


def prepare_case(number: int) -> None:
    """Compute and store what the case of this number is held to."""
    case = default_scorer().cases[number]
    truth(draw(case)).expected(case.dtype)


def score_mutant(mutant: Mutant) -> MutantRecord:
    """The record of one mutant."""
    return default_scorer().record(mutant)

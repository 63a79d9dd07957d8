"""Score the mutants: which of them the default cases catch, and which case catches which mutant."""

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
"""The fixed rtol and atol that many suites use in float32."""

Answer = Tensors | Exception
"""The tensors, or the exception that prevented them."""


class Scorer:
    """The cases with their truths, and the specification's own answers.

    Args:
        cases: the cases.

    """

    def __init__(self, cases: Sequence[AnyCase]) -> None:
        self.cases = cases
        self.backend = Specification("cpu")

    @cached_property
    def truths(self) -> dict[str, Truth]:
        """The truth of every case, by its id."""
        return {case.id: truth(draw(case)) for case in self.cases}

    @cached_property
    def correct(self) -> dict[str, Answer]:
        """The specification's own answer to every case, in its dtype, by its id."""
        return {name: self.answer(t) for name, t in self.truths.items()}

    def answer(self, t: Truth) -> Answer:
        """Run the specification, mutated or not, on a case.

        Args:
            t: the truth of the case.

        Returns:
            The tensors, or the exception that it raised.

        """
        with np.errstate(all="ignore"):
            try:
                return call_adapter(t.inputs, self.backend).tensors
            except Exception as error:
                return error

    def record(self, mutant: Mutant) -> MutantRecord:
        """Find the cases that catch a mutant, by this suite's rule and by a fixed tolerance.

        Args:
            mutant: the mutant.

        Returns:
            The record.

        """
        concerned = [case for case in self.cases if mutant.concerns(case)]
        changed = []
        correct = self.correct
        with apply_mutant(mutant):
            for case in concerned:
                got = self.answer(self.truths[case.id])
                if not is_identical(got, correct[case.id]):
                    changed.append((case, got))
        caught = [case for case, got in changed if differs(got, self.truths[case.id], case.dtype)]
        tolerance = [case for case, got in changed if case.dtype == "float32"
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
    """Return True if two answers have the same bits.

    Args:
        a: an answer.
        b: another answer.

    Returns:
        False if they differ or one of them is an exception.

    """
    if isinstance(a, Exception) or isinstance(b, Exception) or a.keys() != b.keys():
        return False
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def differs(got: Answer, t: Truth, dtype: str) -> bool:
    """Return True if this suite calls an answer different. An exception counts: it is no agreement either.

    Args:
        got: the answer.
        t: the truth.
        dtype: the dtype of the case.

    Returns:
        True if the outcome is ``differs`` or there is an exception.

    """
    if isinstance(got, Exception):
        return True
    verdict = judge(got, dict.fromkeys(got, dtype), dtype, t.expected(dtype), ARITHMETICS[dtype])
    return verdict.outcome == "differs"


def exceeds_tolerance(got: Answer, expected: Tensors) -> bool:
    """Return True if an answer fails a fixed tolerance.

    Args:
        got: the answer.
        expected: the truth's tensors.

    Returns:
        True if it fails or is an exception.

    """
    if isinstance(got, Exception) or got.keys() != expected.keys():
        return True
    return not all(
        got[k].shape == e.shape and np.allclose(got[k], e, rtol=TOLERANCE, atol=TOLERANCE)
        for k, e in expected.items()
    )


# Functions that run in a worker process.


def limit_threads() -> None:
    """Use one thread, because processes share the cores."""
    threadpool_limits(1)


@cache
def default_scorer() -> Scorer:
    """Return this process's scorer of the default cases.

    Returns:
        The scorer.

    """
    return Scorer(default_cases())


def prepare_case(number: int) -> None:
    """Compute and cache a case's truth and radii.

    Args:
        number: the position of the case among the default cases.

    """
    case = default_scorer().cases[number]
    truth(draw(case)).expected(case.dtype)


def score_mutant(mutant: Mutant) -> MutantRecord:
    """Score one mutant on the default cases.

    Args:
        mutant: the mutant.

    Returns:
        The record.

    """
    return default_scorer().record(mutant)

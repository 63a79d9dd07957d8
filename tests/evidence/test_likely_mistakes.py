"""A mistake that a failure card names is the true one: measured on mutants, whose mistake is known.

Most mutants are mistakes that ``conformance/cards/likely_mistakes.py`` does not try. No mistake should be named then.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pytest

from conformance.agreement import judge
from conformance.cards.error_place import OUTPUTS
from conformance.cards.likely_mistakes import find_likely, make_mistakes
from conformance.cases import DTYPES, Case, default_cases
from evidence.mutants import MUTANTS, apply_mutant
from evidence.mutants.score import Scorer
from reference.rounding import ARITHMETICS

GROUPS = {
    "gate order",
    "parameters",
    "biases",
    "equations",
    "lengths",
    "layouts",
    "states",
    "precision",
}
"""The groups of mutants whose outputs are wrong."""

MEANING = {
    r"gates (.) and (.) are exchanged": r"gates \1 and \2 exchanged|\1 and \2 exchanged in c",
    r"the gates are read in the order (.*)": r"gates in the order \1",
    r"1 − (.) is used for gate .": r"1 − \1 for \1.*|z for 1 − z|h for n",
    r"gate r is always 1": r"r left out.*",
    r"gate i is always 1": r"the candidate not gated",
    r"gate f is always 1": r"c not forgotten",
    r"gate o is always 1": r"the output not gated",
    r"gate f is always 0": r"the old c dropped",
    r"gate . is always .": r"none of the mutants",
    r"the forget bias is missing": r"forget bias missing",
    r"the forget bias is added twice": r"forget bias doubled",
    r"the forget bias is subtracted": r"forget bias subtracted",
    r"the forget bias is on gate (.)": r"forget bias on gate \1",
    r"a forget bias of 1 is added .*": r"forget bias of 1 where none is asked for",
    r"the reset gate is applied (\w+) .*, not (\w+) it": r"reset \1 for \2",
    r"(relu|tanh) is used for (relu|tanh)": r"\1 for \2",
    r"h0 is ignored": r"h0 ignored",
    r"c0 is ignored": r"c0 ignored",
    r"h0 and c0 are exchanged": r"h0 and c0 exchanged",
    r"each row's own length is ignored":
        r"lengths ignored|the longest row's length for all|no mask on the forward direction",
    r"the reverse direction ignores the lengths": r"no mask on the reverse direction",
    r"every row runs one step too (few|many)": r"a step too \1",
    r"final states are those after the last step.*": r"final state at T",
    r"final states are in the order of the lengths":
        r"states of rows sorted by length not brought back",
    r"each gate's W_hh is transposed": r"W_hh transposed|W_hh reshaped for transposed",
    r"(W_.h) is reshaped, not transposed": r"\1 reshaped for transposed",
    r"the joined matrix .*": r"kernels joined as .h; x. and read as .x; h.",
    r"(b_.h) is left out": r"\1 dropped",
    r"b_hh of gate n is left out": r"b_hh of the candidate dropped",
    r"b_ih of gate n is left out": r"none of the mutants",
    r"(b_.h) is used for (b_.h) too": r"\1 copied into \2",
    r"the directions' (weights|initial states|outputs|final states) are exchanged":
        r"the directions' \1 exchanged",
    r"both directions use the forward weights": r"both directions with the forward weights",
    r"h_n and c_n are exchanged": r"h_n and c_n exchanged",
    r"h_n is returned for c_n": r"h_n for c_n",
    r"final states are ordered by direction.*":
        r"final states in the order of directions, then layers",
    r"the reverse direction's outputs are in processing order": r"outputs in processing order",
    r"the (\w+) direction runs (.*)": r"the \1 direction runs \2",
}  # fmt: skip
"""The names of the mutants that make a mistake, as patterns, by a pattern of the mistake's words."""


class Named(NamedTuple):
    """A wrong result, and the mistakes that its card names."""

    mutant: str
    case: str
    mistakes: tuple[str, ...]

    @property
    def right(self) -> bool:
        return any(is_meant(mistake, self.mutant) for mistake in self.mistakes)


def is_meant(mistake: str, name: str) -> bool:
    """Return True if a mutant of this name makes the mistake."""
    for words, names in MEANING.items():
        if found := re.fullmatch(words, mistake):
            return re.fullmatch(found.expand(names), name) is not None
    raise AssertionError(f"MEANING has no line for {mistake!r}")


def measure(dtype: str, *, gradients: bool) -> list[Named]:
    """Return the mistakes named for every mutant on every default case of a dtype that differs."""
    cases = [case for case in default_cases()
             if isinstance(case, Case) and case.dtype == dtype and case.gradients == gradients]  # fmt: skip
    scorer = Scorer(cases)
    made = {name: make_mistakes(t.inputs) for name, t in scorer.truths.items()}
    expected = {name: t.expected(dtype) for name, t in scorer.truths.items()}
    found = []
    for mutant in (m for m in MUTANTS if m.group in GROUPS):
        concerned = [case.id for case in cases if mutant.concerns(case)]
        with apply_mutant(mutant):
            answers = {name: scorer.answer(scorer.truths[name]) for name in concerned}
        for case, got in answers.items():
            if isinstance(got, Exception):
                continue
            verdict = judge(
                got, dict.fromkeys(got, dtype), dtype, expected[case], ARITHMETICS[dtype]
            )
            wrong = [name for name in OUTPUTS if (verdict.margins.get(name, np.zeros(1)) > 1).any()]
            if verdict.outcome != "differs" or not wrong:
                continue
            truth = {k: v for k, v in scorer.truths[case].values.items() if k in OUTPUTS}
            likely = find_likely(made[case], truth, got)
            found.append(Named(mutant.name, case, tuple(like.mistake for like in likely)))
    return found


@pytest.mark.parametrize("dtype", [
    pytest.param(name, marks=() if name == "float32" else pytest.mark.every) for name in DTYPES
])  # fmt: skip
@pytest.mark.parametrize("gradients", [False, pytest.param(True, marks=pytest.mark.every)])
def test_a_named_mistake_is_the_true_one(dtype: str, gradients: bool) -> None:
    """A name is right, a mistake that no name stands for gets none, and many cards have a name."""
    found = measure(dtype, gradients=gradients)
    named = [row for row in found if row.mistakes]
    right = [row for row in named if row.right]
    listed = {row.mutant for row in right}
    unlisted = [row for row in found if row.mutant not in listed]
    wrongly = [row for row in unlisted if row.mistakes]
    figures = (
        f"{len(found)} wrong results, {len(named)} with a named mistake, {len(right)} right; "
        f"{len(unlisted)} of mistakes that are not in the list, {len(wrongly)} with a name"
    )
    print(f"{dtype}: {figures}")
    wrong = sorted({f"{row.mutant}: {' or '.join(row.mistakes)}" for row in named if not row.right})
    assert len(right) >= 0.95 * len(named), f"{figures}: {wrong}"
    assert len(wrongly) <= 0.02 * len(unlisted), f"{figures}: {wrong}"
    assert len(named) >= 0.25 * len(found), figures

"""Write the failure card: all that a person needs to start from, without looking anything up.

Each label on the card is a word of the glossary (``docs/glossary.md``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backends import Inputs
from conformance.agreement import Expected, Verdict
from conformance.cards.error_place import DIRECTIONS, OUTPUTS, describe_place
from conformance.cards.likely_mistakes import find_likely, make_mistakes
from conformance.cases import AnyCase, Case, TrainingCase, UserCase
from conformance.evaluate import Tensors
from conformance.truth import Truth

LIKELY = "looks most like"
"""The label of the line that names the mistake."""

BY_STEP = {"y", "dx"}
"""The tensors of a recurrent network that have an axis of time steps."""


def failure_card(
    case: AnyCase,
    case_truth: Truth,
    verdict: Verdict,
    got: Tensors,
    expected: Mapping[str, Expected],
    arithmetic: str,
    fingerprint: str | None,
    version: str,
    commands: Mapping[str, str],
) -> str:
    """Return the text of a failure card.

    It names the worst element, the place of the errors, the first step that is wrong, the mistake that
    the result looks like, and how to repeat the check.

    Args:
        case: the case.
        case_truth: the truth of the case.
        verdict: the verdict.
        got: the backend's tensors.
        expected: truth and radius of every tensor, as the backend's dialect declares them.
        arithmetic: the arithmetic that the backend declares.
        fingerprint: the tightest arithmetic that the result agrees with.
        version: the digest of the case's arrays.
        commands: commands to run next, by their purpose.

    Returns:
        The text, in several lines.

    """
    found: dict[str, str] = {}
    if verdict.worst and verdict.margins:
        found = {
            "worst element": _worst(case, verdict, got),
            "where": describe_place(
                case_truth.inputs, {k: m > 1 for k, m in verdict.margins.items()}
            ),
            **_steps(case, expected, verdict),
            LIKELY: _likeness(case_truth, got, expected, verdict),
        }
    found["fingerprint"] = _describe_fingerprint(arithmetic, fingerprint, verdict)
    drawn = "" if isinstance(case, UserCase) else ", drawn from the case's id"
    found["arrays"] = version + drawn
    lines = [f"  {label:16} {text}" for label, text in {**found, **commands}.items() if text]
    return "\n".join([f"{verdict.outcome}: {case.id}", f"  {verdict.reason}", *lines])


def _describe_fingerprint(arithmetic: str, fingerprint: str | None, verdict: Verdict) -> str:
    """Describe the fingerprint. A result that differs may err for other reasons than a coarser arithmetic."""
    if fingerprint is None:
        return "none: the result agrees with no known arithmetic"
    if verdict.outcome == "differs":
        return (
            f"the error is within the bound of {fingerprint}, but not within that of {arithmetic}"
        )
    return fingerprint


def _worst(case: AnyCase, verdict: Verdict, got: Tensors) -> str:
    """Describe the worst element in two lines: its values, and its bound."""
    assert verdict.worst is not None
    w = verdict.worst
    value = float(got[w.tensor][tuple(w.index)])
    shown = repr(value) if np.isfinite(value) else "NaN" if np.isnan(value) else _digits(value, 1)
    values = f"{describe_element(case, w.tensor, w.index)}: got {shown}, expected {w.expected!r}"
    bound = f"radius {w.sigma:.3g}, bound {w.bound:.3g}"
    if not w.bound:
        bound = "bound 0 because no rounding can touch this element"
    return f"{values}\n{'':19}{bound}, margin {_digits(verdict.margins[w.tensor].max(), 4)}"


def describe_element(case: AnyCase, tensor: str, index: list[int]) -> str:
    """Describe an element of a tensor and what its index means.

    Args:
        case: the case.
        tensor: the name of the tensor.
        index: the index of the element.

    Returns:
        A text such as ``y[0, 3, 2] (batch row 0, step 3, unit 2)``.

    """
    if not index:
        return tensor
    element = f"{tensor}{index}"
    if isinstance(case, TrainingCase) and tensor == "loss":
        return f"{element} (before update {index[0] + 1})"
    if not isinstance(case, Case | UserCase) or tensor.startswith("dparams"):
        return element
    a, b, unit = index
    if tensor not in BY_STEP:
        layer, k = divmod(a, case.spec.num_directions)
        direction = DIRECTIONS[case.spec.direction][k]
        return f"{element} (layer {layer}, {direction} direction, batch row {b}, unit {unit})"
    row, step = (a, b) if case.spec.batch_first else (b, a)
    of = "unit" if tensor == "y" else "input"
    return f"{element} (batch row {row}, step {step}, {of} {unit})"


def _digits(value: float, digits: int) -> str:
    """Return a number with a few significant digits; ∞ for infinity."""
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def _steps(case: AnyCase, expected: Mapping[str, Expected], verdict: Verdict) -> dict[str, str]:
    """Return the margin of each step, the first step beyond the bound, and how rounding errors grow."""
    over: tuple[int, ...]
    if isinstance(case, Case | UserCase):
        over = (0, 2) if case.spec.batch_first else (1, 2)
        tensor = max(BY_STEP & verdict.margins.keys(), key=lambda name: verdict.margins[name].max())
    elif isinstance(case, TrainingCase):
        over, tensor = (), "loss"
    else:
        return {}  # each layer of a whole network has steps of its own
    worst_of_step = verdict.margins[tensor].max(axis=over)
    beyond = np.flatnonzero(worst_of_step > 1)
    steps = ", ".join(_digits(m, 2) for m in worst_of_step[:12])
    steps += " …" * (len(worst_of_step) > 12)
    found = {"margin by step": f"{steps} ({tensor})"}
    if beyond.size:
        both = isinstance(case, Case | UserCase) and case.spec.direction != "forward"
        reverse = "; a reverse direction starts from the last" * both
        place = "the first" if beyond[0] == 0 else f"number {beyond[0] + 1}"
        found["first wrong"] = f"step {beyond[0]} ({place} of {len(worst_of_step)}{reverse})"
    sigma = np.sqrt((expected[tensor].radius.sigma ** 2).mean(axis=over))
    if sigma.min() > 0:
        found["rounding growth"] = (
            f"rounding errors at the last step are {sigma[-1] / sigma[0]:.2g} times those at the "
            f"first; the bound allows for that"
        )
    return found


def _likeness(
    case_truth: Truth, got: Tensors, expected: Mapping[str, Expected], verdict: Verdict
) -> str:
    """Name the mistakes that reproduce the wrong outputs; empty if there are none.

    It is empty for whole networks too, for outputs inside their bounds, and for a dialect that returns
    outputs in another order than the specification.
    """
    inputs = case_truth.inputs
    if all((verdict.margins[name] <= 1).all() for name in OUTPUTS if name in verdict.margins):
        return ""
    if not isinstance(inputs, Inputs) or not np.array_equal(
        expected["y"].value, case_truth.values["y"]
    ):
        return ""
    outputs = {name: a for name, a in case_truth.values.items() if name in OUTPUTS}
    found = find_likely(make_mistakes(inputs), outputs, got)
    if not found:
        return ""
    mistakes = " or ".join(likeness.mistake for likeness in found)
    return (
        f"{mistakes} (the specification with this mistake leaves {found[0].left:.1%} of the error)"
    )

"""Write the failure card: all that a person needs to start from, without looking anything up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backends import Inputs
from conformance.agreement import Expected, Verdict
from conformance.cases import AnyCase, Case, TrainingCase, UserCase
from conformance.evaluate import Tensors, evaluate
from conformance.truth import Truth
from reference import GATES, Array, Weights

OUTPUTS = ("y", "h_n", "c_n")
BY_STEP = {"y", "dx"}
"""The tensors of a recurrent network that have an axis of time steps."""
NUDGE = 2.0**-20
"""The amount added to a gate's bias, to see the change that an error in that gate would make."""


def failure_card(
    case: AnyCase,
    case_truth: Truth,
    verdict: Verdict,
    got: Tensors,
    expected: Mapping[str, Expected],
    fingerprint: str | None,
    version: str,
    commands: Mapping[str, str],
) -> str:
    """Return the text of a failure card.

    It names the worst element, the first step that is wrong, how far rounding explains the error, and how to
    repeat the check.

    Args:
        case: the case.
        case_truth: the truth of the case.
        verdict: the verdict.
        got: the backend's tensors.
        expected: truth and radius of every tensor, as the backend's dialect declares them.
        fingerprint: the tightest arithmetic that the result agrees with.
        version: the digest of the case's arrays.
        commands: commands to run next, by their purpose.

    Returns:
        The text, in several lines.

    """
    lines = [f"{verdict.outcome}: {case.id}", f"  {verdict.reason}"]
    if verdict.worst and verdict.margins:
        w = verdict.worst
        lines += [
            f"  worst element    {describe_element(case, w.tensor, w.index)}: got {w.got!r}, expected "
            f"{w.expected!r}",
            f"                   σ̂ {w.sigma:.3g}, bound {w.bound:.3g}, margin "
            f"{verdict.margins[w.tensor].max():.4g}",
            *_parting(case, expected, verdict),
            *_likeness(case_truth, got, expected, verdict),
        ]
    lines += [
        f"  agrees only as   {fingerprint or 'no known arithmetic'}",
        f"  arrays           {version}"
        + ("" if isinstance(case, UserCase) else ", seeded by sha256 of the case's id"),
        *(f"  {what:16} {command}" for what, command in commands.items()),
    ]
    return "\n".join(lines)


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
        layer, direction = divmod(a, case.spec.num_directions)
        return f"{element} (layer {layer}, direction {direction}, batch row {b}, unit {unit})"
    row, step = (a, b) if case.spec.batch_first else (b, a)
    of = "unit" if tensor == "y" else "input"
    return f"{element} (batch row {row}, step {step}, {of} {unit})"


def _parting(case: AnyCase, expected: Mapping[str, Expected], verdict: Verdict) -> list[str]:
    """Return lines with the margin of each step, the first step beyond the bound, and the radius's growth."""
    over: tuple[int, ...]
    if isinstance(case, Case | UserCase):
        over = (0, 2) if case.spec.batch_first else (1, 2)
        tensor = max(BY_STEP & verdict.margins.keys(), key=lambda name: verdict.margins[name].max())
    elif isinstance(case, TrainingCase):
        over, tensor = (), "loss"
    else:
        return []  # each layer of a whole network has steps of its own
    worst_of_step = verdict.margins[tensor].max(axis=over)
    beyond = np.flatnonzero(worst_of_step > 1)
    steps = ", ".join(f"{m:.2g}" for m in worst_of_step[:12])
    steps += " …" * (len(worst_of_step) > 12)
    lines = [f"  margin by step   {steps} ({tensor})"]
    if beyond.size:
        both = isinstance(case, Case | UserCase) and case.spec.direction != "forward"
        reverse = " (a reverse direction starts from the end)" * both
        lines.append(f"  first wrong      step {beyond[0]}{reverse}")
    sigma = np.sqrt((expected[tensor].radius.sigma ** 2).mean(axis=over))
    if sigma.min() > 0:
        lines.append(
            f"  conditioning     rounding errors at the last step are {sigma[-1] / sigma[0]:.2g} times "
            f"those at the first; the bound allows for that"
        )
    return lines


def _likeness(
    case_truth: Truth, got: Tensors, expected: Mapping[str, Expected], verdict: Verdict
) -> list[str]:
    """Return a line with the gate whose nudged bias changes the outputs most like the error does.

    There is no line for whole networks, for outputs inside their bounds, and for a dialect that returns
    outputs in another order than the specification.
    """
    inputs = case_truth.inputs
    if all((verdict.margins[name] <= 1).all() for name in OUTPUTS if name in verdict.margins):
        return []
    if not isinstance(inputs, Inputs) or not np.array_equal(
        expected["y"].value, case_truth.values["y"]
    ):
        return []
    forward = replace(inputs, incoming=None)
    truth = evaluate(forward, lambda a: a)
    error = np.concatenate([(got[name] - value).ravel() for name, value in truth.items()])
    size = float(np.linalg.norm(error))
    if not np.isfinite(size) or size == 0 or inputs.params[0][0].b_ih is None:
        return []
    found = []
    for layer in range(inputs.spec.num_layers):
        for gate, name in enumerate(GATES[inputs.spec.cell]):
            moved = evaluate(_nudged(forward, layer, gate), lambda a: a)
            change = np.concatenate([(moved[k] - v).ravel() for k, v in truth.items()])
            length = float(np.linalg.norm(change)) or 1.0
            found.append((abs(float(change @ error)) / (size * length), layer, name))
    cosine, layer, name = max(found)
    return [
        f"  looks most like  a change in gate {name} of layer {layer} "
        f"(cosine {cosine:.2f}; 1 explains all of the error, 0 none of it)"
    ]


def _nudged(inputs: Inputs, layer: int, gate: int) -> Inputs:
    """Return the inputs with one gate's bias moved by NUDGE."""
    hidden = inputs.spec.hidden_size

    def moved(w: Weights) -> Weights:
        assert w.b_ih is not None
        b: Array = w.b_ih.copy()
        b[gate * hidden : (gate + 1) * hidden] += NUDGE
        return w._replace(b_ih=b)

    params = list(inputs.params)
    params[layer] = tuple(moved(w) for w in params[layer])
    return replace(inputs, params=tuple(params))

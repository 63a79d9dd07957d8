"""Check a property of an implementation: run two sides, compare them, and describe a violation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backends import Backend, Inputs, Result
from conformance.agreement import bound, is_undecided
from conformance.cards.failure_card import describe_element
from conformance.cases import Case
from conformance.check import validate_result
from conformance.draw import digest, draw_attempt
from conformance.evaluate import Tensors
from conformance.truth import truth
from evidence.properties.property import Property
from reference import Array
from reference.rounding import ARITHMETICS

Broken = Callable[[Array, Array, Array], Array]

VIOLATIONS: dict[str, Broken] = {
    "bits": lambda a, b, allowed: ~(a == b) | (np.signbit(a) != np.signbit(b)),
    "equal": lambda a, b, allowed: ~(a == b),
    "within": lambda a, b, allowed: ~(np.abs(a - b) <= allowed),
    "chained": lambda a, b, allowed: ~(np.abs(a - b) <= allowed),
    "differs": lambda a, b, allowed: np.full(a.shape, not (np.abs(a - b) > allowed).any()),
}
"""For each relation, a mask of the elements that violate it; NaN violates any."""

REQUIREMENTS = {
    "bits": "must have the same bits",
    "equal": "must be equal",
    "within": "at most {:.3g} is allowed, the sum of both bounds",
    "chained": "at most {:.3g} is allowed, twice the bound",
    "differs": "no element is further apart than the sum of both bounds, here {:.3g}",
}
"""For each relation, what it requires of an element, in words."""


def find_violation(prop: Property, adapter: Backend, case: Case, attempt: int) -> str:
    """Check a property of an implementation on one draw of a case.

    Args:
        prop: the property.
        adapter: the implementation.
        case: the case.
        attempt: the number of the draw.

    Returns:
        A description of the violation; empty if there is none.

    """
    inputs = draw_attempt(case, attempt)
    assert isinstance(inputs, Inputs)
    run = AdapterRunner(adapter)
    left, right = prop.sides(inputs, run)
    if why := _mismatch(left, right):
        return describe_violation(prop, adapter, case, attempt, [why])
    allowed = {name: np.zeros(a.shape) for name, a in left.items()}
    if prop.relation == "chained":
        allowed = {
            name: 2 * b for name, b in output_bounds(adapter, inputs).items() if name in left
        }
    elif prop.relation in ("within", "differs"):
        limits = prop.sides(inputs, _BoundsRunner(adapter, run.asked))
        allowed = {name: limits[0][name] + limits[1][name] for name in left}
    lines = []
    with np.errstate(invalid="ignore"):
        for name in left:
            a, b = left[name], right[name]
            if (broken := VIOLATIONS[prop.relation](a, b, allowed[name])).any():
                lines.append(_describe_tensor(prop, case, name, a, b, allowed[name], broken))
    return describe_violation(prop, adapter, case, attempt, lines) if lines else ""


def _mismatch(left: Tensors, right: Tensors) -> str:
    """Return a sentence if the two sides have different tensors or shapes; else empty."""
    if left.keys() != right.keys():
        return f"one side has {sorted(left)}, the other {sorted(right)}"
    shapes = ((name, left[name].shape, right[name].shape) for name in left)
    wrong = [f"{name}: shapes {a} and {b}" for name, a, b in shapes if a != b]
    return "; ".join(wrong)


def _describe_tensor(
    prop: Property, case: Case, name: str, a: Array, b: Array, allowed: Array, broken: Array
) -> str:
    """Describe the worst element of those that violate the relation, and count them."""
    apart = np.abs(a - b)
    excess = np.where(broken, np.where(np.isfinite(apart), apart - allowed, np.inf), -np.inf)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), a.shape))
    return (
        f"{describe_element(case, name, list(index))}: {float(a[index])!r} and {float(b[index])!r}, "
        f"{apart[index]:.3g} apart: {REQUIREMENTS[prop.relation].format(allowed[index])}; "
        f"{int(broken.sum())} of {a.size} elements of {name} are like this"
    )


def describe_violation(
    prop: Property, adapter: Backend, case: Case, attempt: int, lines: list[str]
) -> str:
    """Describe a violation: the property, the implementation, the inputs, and the place.

    Args:
        prop: the property.
        adapter: the implementation.
        case: the case.
        attempt: the number of the draw.
        lines: a line for each tensor.

    Returns:
        The description.

    """
    return "\n".join([
        f"{type(adapter).__name__} breaks the property {prop.name!r} ({prop.relation}): {prop.sentence}",
        *(f"  {line}" for line in lines),
        f"  inputs   case {case.id}, draw {attempt}",
        f"  repeat   find_violation(PROPERTIES[{prop.name!r}], {type(adapter).__name__}({adapter.kind!r}), "
        f"by_id({case.id!r}), {attempt})",
    ])  # fmt: skip


class AdapterRunner:
    """A runner of an adapter that remembers the inputs of every run, in order.

    Args:
        adapter: the adapter.

    """

    def __init__(self, adapter: Backend) -> None:
        self.adapter = adapter
        self.asked: list[Inputs] = []

    def run(self, inputs: Inputs) -> Tensors:
        """Load, call and fetch.

        Args:
            inputs: the inputs.

        Returns:
            The tensors by name.

        Raises:
            Unsupported: the dialect does not run the inputs.

        """
        self.adapter.refuse(inputs)
        return self._watched(inputs, lambda: self.adapter.run(inputs))

    def run_again(self, inputs: Inputs, between: Inputs) -> Tensors:
        """Load and call the inputs, load and call others, call the first ones again, and fetch.

        Args:
            inputs: the inputs.
            between: the other inputs.

        Returns:
            The tensors of the second call.

        Raises:
            Unsupported: the dialect does not run some of the inputs.

        """

        def second() -> Result:
            call = self.adapter.load(inputs)
            call()
            self.adapter.load(between)()
            return self.adapter.fetch(inputs, call())

        self.adapter.refuse(inputs)
        self.adapter.refuse(between)
        return self._watched(inputs, second)

    def _watched(self, inputs: Inputs, answer: Callable[[], Result]) -> Tensors:
        """Return the tensors of a run; raise ``RuntimeError`` if it changed its inputs."""
        self.asked.append(inputs)
        before = digest(inputs)
        tensors = validate_result(answer()).tensors
        if digest(inputs) != before:
            raise RuntimeError("the backend changed its input arrays")
        return tensors


class _BoundsRunner:
    """A runner that returns the bounds of earlier runs, in their order, whatever its inputs are."""

    def __init__(self, adapter: Backend, asked: list[Inputs]) -> None:
        self.adapter = adapter
        self.asked = iter(asked)

    def run(self, inputs: Inputs) -> Tensors:
        """Return the bounds of the next earlier run."""
        return output_bounds(self.adapter, next(self.asked))

    def run_again(self, inputs: Inputs, between: Inputs) -> Tensors:
        """Return the bounds of the next earlier run: a second call is as far off as a first one."""
        return self.run(inputs)


def output_bounds(adapter: Backend, inputs: Inputs) -> Tensors:
    """Return how far a correct result may be off.

    Args:
        adapter: the adapter, whose dialect declares the arithmetic.
        inputs: the inputs.

    Returns:
        The bounds by tensor; infinite where the radius is too large to decide.

    """
    arithmetic = adapter.dialect.held_to(inputs.named_dtype, adapter.kind)
    found = {}
    for name, e in truth(inputs).expected(arithmetic).items():
        b = bound(e, ARITHMETICS[arithmetic])
        found[name] = (
            np.where(e.exact, 0.0, np.inf) if is_undecided(e, ARITHMETICS[arithmetic]) else b
        )
    return found

"""Define a mutant: the specification with one small mistake, made by an edit of its source."""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from conformance.cases import AnyCase, Case, NetworkCase, TrainingCase
from conformance.cases.tasks import TASKS
from evidence.mutants import mistakes
from reference.networks.layers import Decoder, Network, Recurrent

CELLS = ("vanilla", "gru", "lstm")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A mistake in one function; with ``cell``, only in that cell's networks."""

    group: str
    name: str
    """The mistake, in words."""
    place: str
    """The function, as ``module.name`` below ``reference``, or ``module.Class.name``."""
    old: str
    """The source to replace, at every place where it occurs in the function."""
    new: str
    """The replacement; it may call the functions in ``mistakes.py``."""
    kind: str
    """The kind of case (``KINDS``) that must catch it."""
    cell: str = ""
    equivalent: str = ""
    """A proof that no case can tell the mutant from the specification; empty if one can."""

    @property
    def id(self) -> str:
        """A unique, readable id: the cell or the part, the group, the mistake."""
        return "/".join(part for part in (self.cell, self.group, self.name) if part)

    def concerns(self, case: AnyCase) -> bool:
        """Return True if a case runs a network with the mistake.

        Args:
            case: the case.

        Returns:
            False if the mutant is about a cell that the network does not have.

        """
        return not self.cell or self.cell in _cells_of(case)


def each_cell(**fields: Any) -> Iterator[Mutant]:
    """Make the same mutant for every cell.

    Args:
        fields: the fields of the mutant, except ``cell``.

    Returns:
        The mutants.

    """
    return (Mutant(**fields, cell=cell) for cell in CELLS)


@contextmanager
def apply_mutant(mutant: Mutant) -> Iterator[None]:
    """Make the mistake while the context lasts, wherever the function is called from.

    Args:
        mutant: the mutant.

    Yields:
        Nothing.

    """
    function = find_function(mutant.place)
    right = function.__code__
    function.__code__ = mutated_code(mutant)
    function.__globals__["mistakes"] = mistakes
    try:
        yield
    finally:
        function.__code__ = right
        del function.__globals__["mistakes"]


def find_function(place: str) -> FunctionType:
    """Find the function that a mutant edits.

    Args:
        place: the place, as in ``Mutant.place``.

    Returns:
        The function; for a generic function, the one for plain arrays.

    """
    module, _, name = f"reference.{place}".rpartition(".")
    try:
        owner: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        module, _, cls = module.rpartition(".")
        owner = getattr(importlib.import_module(module), cls)
    function = inspect.unwrap(getattr(owner, name))
    assert isinstance(function, FunctionType)
    return function


@cache
def mutated_code(mutant: Mutant) -> CodeType:
    """Compile the edited source of a mutant's function.

    Args:
        mutant: the mutant.

    Returns:
        The code.

    Raises:
        ValueError: the function's source does not contain ``old``.

    """
    function = find_function(mutant.place)
    source = textwrap.dedent(inspect.getsource(function))
    if mutant.old not in source:
        raise ValueError(f"{mutant.id}: reference.{mutant.place} does not contain {mutant.old!r}")
    tree = ast.parse(source.replace(mutant.old, mutant.new))
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    found: dict[str, Any] = {}
    code = compile(tree, f"<{mutant.id}>", "exec", __future__.annotations.compiler_flag)
    exec(
        code, dict(function.__globals__), found
    )  # the source is a text in the project's own tables
    made_wrong = found[function.__name__]
    assert isinstance(made_wrong, FunctionType)
    return made_wrong.__code__


def _cells_of(case: AnyCase) -> set[str]:
    """Return the cells in a case's network."""
    match case:
        case Case():
            return {case.spec.cell}
        case NetworkCase():
            network: Network = case.network
        case TrainingCase():
            network = TASKS[case.task]()[0]
    return {layer.spec.cell for layer in network if isinstance(layer, Recurrent | Decoder)}


def _bare(holds: Callable[[Case], Any]) -> Callable[[AnyCase], bool]:
    return lambda case: isinstance(case, Case) and bool(holds(case))


KINDS: dict[str, Callable[[AnyCase], bool]] = {
    "recurrent": _bare(lambda _: True),
    "gradients": _bare(lambda case: case.gradients),
    "lengths": _bare(lambda case: case.lengths != "full"),
    "zero length": _bare(lambda case: case.lengths == "zero"),
    "NaN in the padding": _bare(lambda case: case.padding is not None and case.padding != case.padding),
    "state": _bare(lambda case: case.state),
    "bias": _bare(lambda case: case.spec.bias),
    "forget bias": _bare(lambda case: case.spec.forget_bias),
    "relu": _bare(lambda case: case.spec.activation == "relu"),
    "tanh": _bare(lambda case: case.spec.activation == "tanh"),
    "reset after": _bare(lambda case: case.spec.reset == "after"),
    "reset before": _bare(lambda case: case.spec.reset == "before"),
    "reverse": _bare(lambda case: case.spec.direction != "forward"),
    "bidirectional": _bare(lambda case: case.spec.direction == "bidirectional"),
    "stacked": _bare(lambda case: case.spec.num_layers > 1),
    "time-major": _bare(lambda case: not case.spec.batch_first),
    "B = T": _bare(lambda case: case.batch == case.steps),
    "float64": lambda case: case.dtype == "float64",
    "float32": lambda case: case.dtype == "float32",
    "16 bits": lambda case: case.dtype.endswith("float16"),
    "network": lambda case: isinstance(case, NetworkCase),
    "training": lambda case: isinstance(case, TrainingCase),
}  # fmt: skip
"""The kinds of cases that a mistake can need to show."""

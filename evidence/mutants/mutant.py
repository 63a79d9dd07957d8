"""A mutant: the specification with one small mistake, made by an edit of its source."""

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
    """One mistake in one function; where ``cell`` is given, only that cell's networks have it."""

    group: str
    name: str
    """The mistake, in words."""
    place: str
    """The function, as ``module.name`` below ``reference``, or ``module.Class.name``."""
    old: str
    """What stands in its source, once or more."""
    new: str
    """What stands there instead; ``mistakes.py`` has what an edit may call."""
    kind: str
    """The kind of case (``KINDS``) that is meant to catch it."""
    cell: str = ""
    equivalent: str = ""
    """Why no case can tell it from the specification; empty where one can."""

    @property
    def id(self) -> str:
        """Unique, and readable: the cell or the part, the group, the mistake."""
        return "/".join(part for part in (self.cell, self.group, self.name) if part)

    def concerns(self, case: AnyCase) -> bool:
        """Whether the case runs a network that has the mistake."""
        return not self.cell or self.cell in _cells_of(case)


def each_cell(**fields: Any) -> Iterator[Mutant]:
    """The same mistake in the networks of every cell."""
    return (Mutant(**fields, cell=cell) for cell in CELLS)


@contextmanager
def apply_mutant(mutant: Mutant) -> Iterator[None]:
    """The mistake is made as long as this lasts, wherever the function is called from."""
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
    """The function of that name; of a generic one, that for plain arrays."""
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
    """The function's code after the edit; raises ``ValueError`` where there is nothing to edit."""
    function = find_function(mutant.place)
    source = textwrap.dedent(inspect.getsource(function))
    if mutant.old not in source:
        raise ValueError(f"{mutant.id}: reference.{mutant.place} has no {mutant.old!r}")
    tree = ast.parse(source.replace(mutant.old, mutant.new))
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    found: dict[str, Any] = {}
    code = compile(tree, f"<{mutant.id}>", "exec", __future__.annotations.compiler_flag)
    exec(code, dict(function.__globals__), found)  # the table's own text
    made_wrong = found[function.__name__]
    assert isinstance(made_wrong, FunctionType)
    return made_wrong.__code__


def _cells_of(case: AnyCase) -> set[str]:
    """The cells in a case's network."""
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
"""The kinds of cases, by what a mistake needs to show."""

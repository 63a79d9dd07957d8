"""What a case is: a recurrent network, a whole network, or a few steps of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from backends.adapter import Inputs, Typed
from reference import Spec
from reference.networks.layers import Network
from reference.networks.optimisers import Clip, Optimiser


@dataclass(frozen=True, kw_only=True)
class Case(Typed):
    """A network, its sizes, and what its arrays are to look like; seeded by its own id."""

    id: str
    spec: Spec
    dtype: str
    batch: int
    steps: int
    lengths: str = "full"
    padding: float | None = None
    state: bool = False
    x: tuple[Any, ...] | None = None
    """The input itself, as nested tuples ``(B, T, I)``, where it is given and not drawn."""
    ends: tuple[int, ...] | None = None
    """The lengths themselves, where they are given and not drawn."""
    scale: float = 1.0
    """Of the input weights, against the usual 1/√I."""
    one_sign: bool = False
    """Inputs and input weights are all positive, so that partial sums only grow."""
    gradients: bool = False
    """Gradients are compared as well as outputs and states."""
    precision: str = "ieee"
    """How float32 products are made (``backends.adapter.PRECISIONS``)."""
    weights: str = "plain"
    inputs: str = "plain"
    """How they look (``extremes.py``)."""


@dataclass(frozen=True, kw_only=True)
class NetworkCase(Typed):
    """A whole network with its loss: outputs, loss and gradients are compared; seeded by its id."""

    id: str
    network: Network
    dtype: str
    batch: int
    steps: int = 1
    """Of the input; 1 of a vector."""
    ends: tuple[int, ...] | None = None
    """The input's lengths."""
    target_ends: tuple[int, ...] | None = None
    """The targets' lengths."""
    x: tuple[Any, ...] | None = None
    """The input itself, where it is given and not drawn."""
    scale: float = 1.0
    """Of the first recurrent layer's input weights."""
    precision: str = "ieee"
    """How float32 products are made."""


@dataclass(frozen=True, kw_only=True)
class TrainingCase(Typed):
    """Fifty steps of training on a task; the losses and the parameters at the end are compared."""

    id: str
    task: str
    """Whose network and batches ``tasks.py`` has."""
    dtype: str
    optimiser: Optimiser
    clip: Clip | None = None
    precision: str = "ieee"
    """How float32 products are made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UserCase(Typed):
    """A user's own recurrent network and data (``conformance/user_network.py``), whose arrays nothing draws."""

    id: str
    spec: Spec
    dtype: str
    inputs: Inputs
    options: tuple[str, ...]
    """That name its files on a command line."""
    precision: str = "ieee"
    """How float32 products are made."""


AnyCase: TypeAlias = Case | NetworkCase | TrainingCase | UserCase

"""The kinds of cases: a recurrent network, a whole network, a training, and a user's own network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from backends.adapter import Inputs, Typed
from reference import Spec
from reference.networks.layers import Network
from reference.networks.optimisers import Clip, Optimiser


@dataclass(frozen=True, kw_only=True)
class Case(Typed):
    """A recurrent network, its sizes, and the look of its arrays. Its id seeds the arrays."""

    id: str
    spec: Spec
    dtype: str
    batch: int
    steps: int
    lengths: str = "full"
    padding: float | None = None
    state: bool = False
    x: tuple[Any, ...] | None = None
    """The input itself, as nested tuples ``(B, T, I)``; None if it is drawn."""
    ends: tuple[int, ...] | None = None
    """The lengths themselves; None if they are drawn."""
    scale: float = 1.0
    """The scale of the input weights, relative to the usual 1/√I."""
    one_sign: bool = False
    """Make all inputs and input weights positive, so that partial sums only grow."""
    gradients: bool = False
    """Compare gradients as well as outputs and states."""
    precision: str = "ieee"
    """The way to make float32 products (``backends.adapter.PRECISIONS``)."""
    weights: str = "plain"
    inputs: str = "plain"
    """The names of the transforms of weights and inputs (``extremes.py``)."""


@dataclass(frozen=True, kw_only=True)
class NetworkCase(Typed):
    """A whole network with its loss: outputs, loss and gradients are compared. Its id seeds the arrays."""

    id: str
    network: Network
    dtype: str
    batch: int
    steps: int = 1
    """The number of time steps of the input; 1 for a vector."""
    ends: tuple[int, ...] | None = None
    """The input's lengths."""
    target_ends: tuple[int, ...] | None = None
    """The targets' lengths."""
    x: tuple[Any, ...] | None = None
    """The input itself; None if it is drawn."""
    scale: float = 1.0
    """The scale of the first recurrent layer's input weights."""
    precision: str = "ieee"
    """The way to make float32 products."""


@dataclass(frozen=True, kw_only=True)
class TrainingCase(Typed):
    """Fifty steps of training on a task; the losses and the final parameters are compared."""

    id: str
    task: str
    """The name of a task in ``tasks.py``, which has the network and the batches."""
    dtype: str
    optimiser: Optimiser
    clip: Clip | None = None
    precision: str = "ieee"
    """The way to make float32 products."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UserCase(Typed):
    """A user's own recurrent network and data (``conformance/user_network.py``). Its arrays are given, not drawn."""

    id: str
    spec: Spec
    dtype: str
    inputs: Inputs
    options: tuple[str, ...]
    """The command-line options that name its files."""
    precision: str = "ieee"
    """The way to make float32 products."""


AnyCase: TypeAlias = Case | NetworkCase | TrainingCase | UserCase

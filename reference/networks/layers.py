"""Layers: the parts of a network, as data.

A network is a tuple: one input layer, then layers that each read what the one before returns, then at
most one loss. A *sequence* is ``(..., B, T, N)``, a *vector* is ``(..., B, N)``.

| layer         | reads                | returns                    |
|---------------|----------------------|----------------------------|
| Vectors       | numbers              | a sequence                 |
| Vector        | numbers              | a vector                   |
| OneHot        | words ``(B, T)``     | a sequence                 |
| Embedding     | words ``(B, T)``     | a sequence                 |
| Recurrent     | a sequence           | a sequence                 |
| FinalState    | a Recurrent's        | a vector                   |
| Readout       | a sequence           | a sequence or a vector     |
| Dense         | either               | the same                   |
| Decoder       | a vector             | a sequence                 |
| NegativeLogLikelihood, MeanSquaredError | either | the loss, one number |

Words are integers from 0 to vocabulary − 1; a decoder's first previous word is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from reference.parameters import Params
from reference.spec import Array, Spec

OutputActivation: TypeAlias = Literal["identity", "tanh", "relu", "softmax"]
Reduction: TypeAlias = Literal["mean", "sum"]


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The input is a sequence of ``size`` numbers a step."""

    size: int


@dataclass(frozen=True, kw_only=True)
class Vector:
    """The input is one vector of ``size`` numbers, as a picture's features are."""

    size: int


@dataclass(frozen=True, kw_only=True)
class OneHot:
    """Word k becomes the k-th unit vector."""

    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Word k becomes row k of a table ``(vocabulary, size)``."""

    vocabulary: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """A recurrent network (``rnn.py``) from zero states; batch-major."""

    spec: Spec


@dataclass(frozen=True, kw_only=True)
class FinalState:
    """The last layer's h after the last valid step, the directions side by side."""


@dataclass(frozen=True, kw_only=True)
class Readout:
    """o = g(W_oh h + b_o) at every step, at the last valid step, or at the steps given.

    ``at="last"`` makes a vector, of rows with at least one step; a tuple of steps makes a sequence
    of those.
    """

    units: int
    at: Literal["every", "last"] | tuple[int, ...] = "every"
    activation: OutputActivation = "identity"


@dataclass(frozen=True, kw_only=True)
class Dense:
    """g(W v + b), at every step of a sequence."""

    units: int
    activation: OutputActivation = "identity"
    bias: bool = True


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A recurrent network that unfolds a context vector into ``steps`` outputs of ``units`` each.

    ``context``  "input": it is read at every step, which makes it a bias of every pre-activation
                 (Goodfellow et al., Deep learning, 2016, figure 10.9); "state": it makes the initial
                 state (Sutskever et al., arXiv:1409.3215); "both".
    ``words``    "none": no word is fed back, and the context is the only input; "teacher": each step
                 reads the embedding of the target before it, word 0 first; "free": of the word that
                 it found most likely itself at the step before.
    ``bridge``   "none": h starts as the context itself, in every layer, and c as 0; "identity" or
                 "tanh": every part of the initial state is act(W context + b), for networks of
                 different sizes.

    A step reads [word's embedding, context], those of the two that there are; its output is
    g(W_o h + b_o).
    """

    spec: Spec
    steps: int
    units: int
    context: Literal["input", "state", "both"]
    words: Literal["none", "teacher", "free"] = "none"
    word_size: int = 0
    """Width of a word's embedding; 0 where no word is fed."""
    bridge: Literal["none", "identity", "tanh"] = "none"
    activation: OutputActivation = "identity"


@dataclass(frozen=True, kw_only=True)
class NegativeLogLikelihood:
    """−log p of the target class, over the valid targets; reads a softmax.

    "mean" divides by how many targets are valid, "sum" does not.
    """

    reduction: Reduction = "mean"


@dataclass(frozen=True, kw_only=True)
class MeanSquaredError:
    """(o − target)², averaged over the units; "mean" over the valid steps too, "sum" not."""

    reduction: Reduction = "mean"


Layer: TypeAlias = (
    Vectors | Vector | OneHot | Embedding | Recurrent | FinalState | Readout | Dense | Decoder
    | NegativeLogLikelihood | MeanSquaredError
)  # fmt: skip
Network: TypeAlias = tuple[Layer, ...]


class Table(NamedTuple):
    """The parameter of an ``Embedding``: ``table (vocabulary, size)``."""

    table: Array


class Affine(NamedTuple):
    """The parameters of W v + b: ``W (M, N)``, and ``b (M,)`` or None."""

    W: Array
    b: Array | None


class DecoderParams(NamedTuple):
    """The parameters of a ``Decoder``.

    ``table (units, word_size)``, None where no word is fed; ``rnn``, the recurrent network's;
    ``output``, ``W (units, H)`` and ``b``; ``bridge[layer][part]``, for every part of the state,
    ``W (H, context)`` and ``b``; empty where there is no bridge.
    """

    table: Array | None
    rnn: Params
    output: Affine
    bridge: tuple[tuple[Affine, ...], ...]


LayerParams: TypeAlias = tuple[()] | Table | Params | Affine | DecoderParams
NetworkParams: TypeAlias = tuple[LayerParams, ...]
"""One entry for every layer; an empty tuple where it has no parameters."""


class Data(NamedTuple):
    """The data of a network: its input, and the targets of its loss.

    ``x``: numbers ``(B, T, N)`` or ``(B, N)``, or words ``(B, T)``; ``lengths (B,)`` of the input,
    where a ``Recurrent`` reads it, or None; ``targets``: classes ``(B, S)`` or ``(B,)`` for a
    likelihood or a decoder's words, numbers ``(B, S, U)`` or ``(B, U)`` for a squared error, or None;
    ``target_lengths (B,)``: targets past them do not count; all count if None.
    """

    x: Array
    lengths: Array | None = None
    targets: Array | None = None
    target_lengths: Array | None = None

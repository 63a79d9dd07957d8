"""The parameters of every cell: one table, from which weights, shapes, layouts and names follow.

A new parameter is a row here and a field of ``Weights`` of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from reference.spec import GATES, Array, Spec

Role: TypeAlias = Literal["kernel", "recurrent", "bias", "recurrent_bias"]
"""The part that a parameter plays in a step: the matrix or the bias of x, or those of h."""


class Parameter(NamedTuple):
    """One parameter of a layer in one direction."""

    name: str
    """Its field of ``Weights``, and the end of its name in results and files."""
    role: Role
    gates: tuple[str, ...]
    """The blocks of its first axis, in order, each of H rows."""
    shape: Callable[[Spec, int], tuple[int, ...]]
    """Return the shape in a layer of a spec."""
    optional: bool = False
    """It is missing where the spec has ``bias=False``."""


def _rows(spec: Spec) -> int:
    """Return G·H."""
    return spec.num_gates * spec.hidden_size


def _parameters(gates: tuple[str, ...]) -> tuple[Parameter, ...]:
    """Return the parameters of a cell in which every gate reads x and h."""
    return (
        Parameter("W_ih", "kernel", gates, lambda s, layer: (_rows(s), s.layer_input_size(layer))),
        Parameter("W_hh", "recurrent", gates, lambda s, _: (_rows(s), s.state_size("h"))),
        Parameter("b_ih", "bias", gates, lambda s, _: (_rows(s),), optional=True),
        Parameter("b_hh", "recurrent_bias", gates, lambda s, _: (_rows(s),), optional=True),
    )


PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {
    cell: _parameters(gates) for cell, gates in GATES.items()
}
"""The parameters of each cell, in the order of ``Weights``."""


class Weights(NamedTuple):
    """The parameters of one layer in one direction; G blocks in the order of ``GATES``.

    ``W_ih (G·H, I)``, ``W_hh (G·H, H)``, ``b_ih (G·H,)``, ``b_hh (G·H,)``; both biases are None
    where the spec has none. There are always two biases: a reset-after GRU cannot fold ``b_hh``.
    """

    W_ih: Array
    W_hh: Array
    b_ih: Array | None = None
    b_hh: Array | None = None


Params: TypeAlias = tuple[tuple[Weights, ...], ...]
"""``params[layer][direction]``."""


def weight_shapes(spec: Spec, layer: int) -> dict[str, tuple[int, ...] | None]:
    """Return the shape that each field of a layer's ``Weights`` must have.

    Args:
        spec: The network.
        layer: Number of the layer, from 0.

    Returns:
        The shape by the field's name; None where the field must be None.

    """
    shapes: dict[str, tuple[int, ...] | None] = dict.fromkeys(Weights._fields)
    for parameter in PARAMETERS[spec.cell]:
        if spec.bias or not parameter.optional:
            shapes[parameter.name] = parameter.shape(spec, layer)
    return shapes

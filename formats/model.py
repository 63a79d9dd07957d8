"""A recurrent network as files hold it, and what is wrong with one that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from reference import Array, Params, Spec, Weights, weight_shapes

DIRECTIONS: dict[str, tuple[str, ...]] = {
    "forward": ("forward",),
    "reverse": ("reverse",),
    "bidirectional": ("forward", "reverse"),
}
"""The names of a network's directions, in the order of ``params[layer]``."""


class BadModel(Exception):
    """A file contents no such network; the text names the file, the tensor, and what was expected."""


class Model(NamedTuple):
    """A network with its parameters, in canonical layout, and the dtype in which they are exact."""

    spec: Spec
    params: Params
    dtype: str


def parameter_names(spec: Spec) -> Iterator[tuple[str, int, int, str]]:
    """Of every parameter its name, such as ``layers.0.forward.W_ih``, its layer, direction and field."""
    for layer in range(spec.num_layers):
        fields = [field for field, shape in weight_shapes(spec, layer).items() if shape]
        for number, direction in enumerate(DIRECTIONS[spec.direction]):
            for field in fields:
                yield f"layers.{layer}.{direction}.{field}", layer, number, field


def parameters_by_name(model: Model) -> dict[str, Array]:
    """Every parameter under its name."""
    return {name: getattr(model.params[layer][number], field)
            for name, layer, number, field in parameter_names(model.spec)}  # fmt: skip


def build_model(where: str, spec: Spec, found: Mapping[str, Array], dtype: str) -> Model:
    """The network of these parameters.

    Raises ``BadModel`` for one that is missing, not the network's, of another shape, or not finite; ``where`` names
    the file.
    """
    wanted = {name: (layer, number, field) for name, layer, number, field in parameter_names(spec)}
    if missing := [name for name in wanted if name not in found]:
        raise BadModel(
            f"{where}: {shortened(missing)} missing, expected {shortened(list(wanted))} of {spec}"
        )
    if extra := [name for name in found if name not in wanted]:
        raise BadModel(
            f"{where}: {shortened(extra)} given, expected {shortened(list(wanted))} alone, of {spec}"
        )
    rows = [
        [dict[str, Array]() for _ in range(spec.num_directions)] for _ in range(spec.num_layers)
    ]
    for name, (layer, number, field) in wanted.items():
        value, shape = np.asarray(found[name]), weight_shapes(spec, layer)[field]
        if value.shape != shape:
            raise BadModel(f"{where}: {name}: shape {value.shape} given, expected {shape}")
        if bad := int((~np.isfinite(value)).sum()):
            first = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
            raise BadModel(
                f"{where}: {name}: {bad} of {value.size} values are not finite, the first at {first}, which is "
                f"{value[first]}; expected finite numbers"
            )
        rows[layer][number][field] = value.astype(np.float64)
    none = {"b_ih": None, "b_hh": None}
    params = tuple(tuple(Weights(**none | w) for w in row) for row in rows)  # type: ignore[arg-type]  # fields by name
    return Model(spec, params, dtype)


def shortened(found: list[str]) -> str:
    """The first few of these names."""
    shown = ", ".join(found[:6])
    return f"{shown} and {len(found) - 6} more" if len(found) > 6 else shown

"""A recurrent network as files hold it: parameters by name, with their checks."""

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
"""Directions of a network by ``Spec.direction``, in the order of ``params[layer]``."""


class BadModel(Exception):
    """Error: a file holds no usable network; the text names the file, the tensor and what was expected."""


class Model(NamedTuple):
    """A network: spec, parameters in canonical layout, and the dtype that holds them exactly."""

    spec: Spec
    params: Params
    dtype: str


def parameter_names(spec: Spec) -> Iterator[tuple[str, int, int, str]]:
    """Yield the name of every parameter, such as ``layers.0.forward.W_ih``.

    Args:
        spec: the network.

    Yields:
        Name, layer, direction (0 or 1) and field of ``Weights``.
    """
    for layer in range(spec.num_layers):
        fields = [field for field, shape in weight_shapes(spec, layer).items() if shape]
        for number, direction in enumerate(DIRECTIONS[spec.direction]):
            for field in fields:
                yield f"layers.{layer}.{direction}.{field}", layer, number, field


def parameters_by_name(model: Model) -> dict[str, Array]:
    """Return all parameters by name.

    Args:
        model: the network.

    Returns:
        Arrays by name, such as ``layers.0.forward.W_ih``.
    """
    return {name: getattr(model.params[layer][number], field)
            for name, layer, number, field in parameter_names(model.spec)}  # fmt: skip


def build_model(where: str, spec: Spec, found: Mapping[str, Array], dtype: str) -> Model:
    """Build a network from its parameters.

    Args:
        where: the file's name, for errors.
        spec: the network.
        found: arrays by name, such as ``layers.0.forward.W_ih``.
        dtype: the dtype that holds the arrays exactly.

    Returns:
        The network, with float64 arrays.

    Raises:
        BadModel: a parameter is missing, unknown, misshapen or not finite.
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
                f"{where}: {name}: {bad} of {value.size} values are not finite, the first at {first} "
                f"({value[first]}); expected finite numbers"
            )
        rows[layer][number][field] = value.astype(np.float64)
    none = {"b_ih": None, "b_hh": None}
    params = tuple(tuple(Weights(**none | w) for w in row) for row in rows)  # type: ignore[arg-type]  # fields by name
    return Model(spec, params, dtype)


def shortened(found: list[str]) -> str:
    """Join the first six names with commas, and count the rest.

    Args:
        found: the names.

    Returns:
        Text such as ``a, b, c, d, e, f and 3 more``.
    """
    shown = ", ".join(found[:6])
    return f"{shown} and {len(found) - 6} more" if len(found) > 6 else shown

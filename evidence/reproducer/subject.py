"""The subject of a script: one case on one backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backends import AnyInputs, Dialect, Inputs, NetworkInputs
from conformance.agreement import Z, bound, rms_limit
from conformance.truth import Truth
from reference import Array, Spec
from reference.networks.layers import Decoder, Recurrent
from reference.rounding import ARITHMETICS
from reference.trees import named


@dataclass(frozen=True)
class Subject:
    """A case's arrays by the names that records have, its bounds, and how the dialect runs it."""

    id: str
    truth: Truth
    dialect: Dialect
    kind_of_device: str = "cpu"

    @property
    def inputs(self) -> AnyInputs:
        """With the training that the dialect declares."""
        return self.truth.inputs

    @property
    def dtype(self) -> str:
        """The case's."""
        return self.inputs.dtype

    @property
    def specs(self) -> list[Spec]:
        """The spec of every recurrent network in the case."""
        if isinstance(self.inputs, Inputs):
            return [self.inputs.spec]
        return [
            layer.spec for layer in self.inputs.network if isinstance(layer, Recurrent | Decoder)
        ]

    @cached_property
    def given(self) -> Mapping[str, Array]:
        """The arrays that gradients are taken by: x, h0 and c0 where they are numbers, and the parameters."""
        inputs = self.inputs
        found: dict[str, Array | None] = {}
        if isinstance(inputs, Inputs):
            found = {"x": inputs.x, "h0": inputs.h0, "c0": inputs.c0}
        elif isinstance(inputs, NetworkInputs) and inputs.data.x.dtype.kind == "f":
            found = {"x": inputs.data.x}
        found |= named(inputs.params, "params")
        return {name: a for name, a in found.items() if a is not None}

    @property
    def arithmetic(self) -> str:
        """The arithmetic that the backend declares."""
        return self.dialect.held_to(self.inputs.named_dtype, self.kind_of_device)

    @property
    def u_out(self) -> float:
        """The roundoff of its results' type."""
        return ARITHMETICS[self.arithmetic].u_out

    @property
    def z(self) -> float:
        """Standard deviations that make a bound."""
        return Z

    @cached_property
    def bounds(self) -> Mapping[str, tuple[Array, float]]:
        """For every result, the bound of each element, to float32 where that holds it, and the limit of
        the RMS.
        """
        found = self.truth.expected(self.arithmetic)
        limits = {}
        for name, e in found.items():
            wide = bound(e, ARITHMETICS[self.arithmetic])
            narrow = wide.astype(np.float32).astype(np.float64)
            holds = np.array_equal(narrow == 0, wide == 0)
            limits[name] = narrow if holds else wide, rms_limit(e.radius.freedom)
        return limits

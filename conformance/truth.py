"""Truth and radius of a case, computed once and shared by every backend and device.

The truth is the specification in float64. Both are cached in ``.cache/truth`` of the working
directory, under the hash of the reference's source and of the case's arrays.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import reference
from backends import Inputs
from conformance.draw import digest
from reference import Array, Weights, run
from reference.rounding import ARITHMETICS, Lift, Radius, radii

CACHE = Path(".cache/truth")
BYTES_AT_ONCE = 2**28
"""Samples share a broadcast call as long as their largest array stays below this."""

Tensors = dict[str, Array]


@dataclass(frozen=True)
class Truth:
    """What a case's outputs are, which of their elements are exact, and how far others may be off.

    ``exact`` marks the elements that no arithmetic may change: outputs in the padding, and the
    states of rows of length 0.
    """

    inputs: Inputs
    version: str
    values: Tensors
    exact: dict[str, Array]

    def radii(self, arithmetic: str) -> dict[str, Radius]:
        """How far every tensor strays in that arithmetic; cached."""

        def compute() -> Tensors:
            found = radii(
                lambda lift: list(outputs(self.inputs, lift).values()),
                list(self.values.values()),
                ARITHMETICS[arithmetic],
                seed=list(bytes.fromhex(self.version)),
                at_once=_at_once(self.inputs),
            )
            sigmas = dict(zip(self.values, (r.sigma for r in found), strict=True))
            return {**sigmas, "freedom": np.array([r.freedom for r in found])}

        stored = _cached(f"{self.version}-{arithmetic}", compute)
        freedom = dict(zip(self.values, stored["freedom"], strict=True))
        return {name: Radius(stored[name], float(freedom[name])) for name in self.values}


def truth(inputs: Inputs) -> Truth:
    """The specification's float64 answer to ``inputs``."""
    version = digest(inputs)
    values = _cached(version, lambda: outputs(inputs, lambda a: a))
    return Truth(inputs, version, values, _exact(inputs, values))


def outputs(inputs: Inputs, lift: Lift) -> Tensors:
    """The specification's output tensors by name, run on arrays made with ``lift``."""

    def lifted(a: Array | None) -> Array | None:
        return None if a is None else lift(a)

    params = tuple(
        tuple(Weights(lift(w.W_ih), lift(w.W_hh), lifted(w.b_ih), lifted(w.b_hh)) for w in layer)
        for layer in inputs.params
    )
    found = run(
        inputs.spec,
        params,
        lift(inputs.x),
        h0=lifted(inputs.h0),
        c0=lifted(inputs.c0),
        lengths=inputs.lengths,
    )
    return {name: a for name, a in found._asdict().items() if a is not None}


def _exact(inputs: Inputs, values: Tensors) -> dict[str, Array]:
    exact: dict[str, Array] = {name: np.zeros(a.shape, bool) for name, a in values.items()}
    if inputs.lengths is not None:
        y = exact["y"] if inputs.spec.batch_first else np.swapaxes(exact["y"], 0, 1)
        y[np.arange(y.shape[1]) >= inputs.lengths[:, None]] = True
        for name in exact.keys() - {"y"}:
            exact[name][:, inputs.lengths == 0] = True
    return exact


def _at_once(inputs: Inputs) -> int:
    """How many samples fit into one broadcast call."""
    spec = inputs.spec
    width = max(spec.num_gates * spec.hidden_size, spec.input_size)
    widest = 8 * inputs.x.size // inputs.x.shape[-1] * width
    return int(max(1, min(64, BYTES_AT_ONCE // widest)))


def _cached(name: str, compute: Callable[[], Tensors]) -> Tensors:
    """The arrays stored under ``name``, or computed and stored; an unreadable file is replaced."""
    path = CACHE / source_version() / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except FileNotFoundError:
        pass
    except (EOFError, OSError, ValueError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)
    tensors = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        np.savez(part, **tensors)  # type: ignore[arg-type]  # the stub takes keywords for options
    Path(part.name).replace(path)
    return tensors


@cache
def source_version() -> str:
    """Twelve hexadecimal digits that change with any line of the reference, or NumPy's version."""
    h = hashlib.sha256(np.__version__.encode())
    for path in sorted(Path(reference.__file__).parent.glob("*.py")):
        h.update(path.read_bytes())
    return h.hexdigest()[:12]

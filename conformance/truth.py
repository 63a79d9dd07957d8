"""Compute truth and radius of a case once, for every backend and device.

The truth is the specification in float64. Truth and radius are cached (``cache.py``) under a hash of the
reference's source and of the case's arrays.
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
from backends import AnyInputs, Inputs
from conformance import evaluate as evaluation
from conformance.agreement import Expected
from conformance.cache import CACHE
from conformance.draw import digest
from conformance.evaluate import Tensors, evaluate
from reference.rounding import ARITHMETICS, Radius, radii

BYTES_AT_ONCE = 2**28
"""The largest size of an array in bytes up to which samples share one broadcast call."""


@dataclass(frozen=True)
class Truth:
    """The correct outputs of a case, and how far another implementation may be off."""

    inputs: AnyInputs
    version: str
    values: Tensors
    radii: Callable[[str], dict[str, Radius]]
    """Return the radius of every tensor in the arithmetic of this name."""

    def expected(self, arithmetic: str) -> dict[str, Expected]:
        """Return every tensor with its radius.

        Args:
            arithmetic: the name of the arithmetic.

        Returns:
            The expected tensors by name.

        """
        radii = self.radii(arithmetic)
        return {k: Expected(v, radii[k]) for k, v in self.values.items()}


def truth(inputs: AnyInputs) -> Truth:
    """Return the truth of a case. It is cached, and so are its radii.

    Args:
        inputs: the inputs of the case.

    Returns:
        The truth, in float64.

    """
    version = digest(inputs)
    values = _cached(version, lambda: evaluate(inputs, lambda a: a))

    def stored_radii(arithmetic: str) -> dict[str, Radius]:
        def compute() -> Tensors:
            found = radii_of(inputs, values, arithmetic, version)
            sigmas = dict(zip(values, (r.sigma for r in found), strict=True))
            return {**sigmas, "freedom": np.array([r.freedom for r in found])}

        stored = _cached(f"{version}-{arithmetic}", compute)
        freedom = dict(zip(values, stored["freedom"], strict=True))
        return {name: Radius(stored[name], float(freedom[name])) for name in values}

    return Truth(inputs, version, values, stored_radii)


def radii_of(inputs: AnyInputs, values: Tensors, arithmetic: str, version: str) -> list[Radius]:
    """Compute the radius of every tensor.

    Args:
        inputs: the inputs of the case.
        values: the tensors in float64.
        arithmetic: the name of the arithmetic.
        version: the digest of the inputs, which seeds the samples.

    Returns:
        The radii, in the order of ``values``.

    """
    return radii(
        lambda lift: list(evaluate(inputs, lift).values()),
        list(values.values()),
        ARITHMETICS[arithmetic],
        seed=list(bytes.fromhex(version)),
        at_once=_at_once(inputs, values),
    )


def _at_once(inputs: AnyInputs, values: Tensors) -> int:
    """Return the number of samples that fit into one broadcast call."""
    widest = 8 * max(a.size for a in values.values())
    if isinstance(inputs, Inputs):
        spec = inputs.spec
        width = max(spec.num_gates * spec.hidden_size, spec.input_size)
        widest = max(widest, 8 * inputs.x.size // inputs.x.shape[-1] * width)
    return int(max(1, min(64, BYTES_AT_ONCE // widest)))


def _cached(name: str, compute: Callable[[], Tensors]) -> Tensors:
    """Return the arrays stored under a name, or compute and store them. An unreadable file is replaced."""
    path = CACHE / "truth" / source_version() / f"{name}.npz"
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
    """Return a digest of all source that affects a truth, and of NumPy's version.

    Returns:
        Twelve hexadecimal digits.

    """
    h = hashlib.sha256(np.__version__.encode())
    sources = sorted(Path(reference.__file__).parent.rglob("*.py"))
    for path in (*sources, Path(evaluation.__file__), Path(__file__)):
        h.update(path.read_bytes())
    return h.hexdigest()[:12]

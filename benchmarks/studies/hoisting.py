"""Backends with a fixed choice of hoisting: ``--backend benchmarks/studies/hoisting.py:always_jax_vjp``, or ``never_…``.

``jax_vjp`` and ``tensorflow_while`` decide from the sizes whether x W of all steps is one matmul before the loop
(``hoists`` in their ``deferred.py``). These backends always do so, or never, so that the decision can be checked.
"""

from __future__ import annotations

from importlib import import_module

from backends import Backend, find

CHOOSERS = {
    "jax_vjp": ("backends.jax.deferred",),
    "tensorflow_while": (
        "backends.tensorflow.unrolling.deferred",
        "backends.tensorflow.unrolling.while_loop",
    ),
}
"""Modules that call ``hoists``, by backend."""


def __getattr__(name: str) -> type[Backend]:
    """Return the backend ``always_<name>`` or ``never_<name>``."""
    how, _, backend = name.partition("_")
    if how not in ("always", "never") or backend not in CHOOSERS:
        raise AttributeError(name)
    found = find(backend)
    for module in map(import_module, CHOOSERS[backend]):
        module.hoists = lambda *_: how == "always"  # type: ignore[attr-defined]  # in this process only
    return found

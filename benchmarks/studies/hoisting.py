"""Backends that choose otherwise: ``--backend benchmarks/studies/hoisting.py:always_jax_vjp``, or ``never_jax_vjp``.

``jax_vjp`` and ``tensorflow_while`` choose by the sizes whether x W of all steps is one product before the loop
(``hoists`` in their ``deferred.py``). These do always, or never, so that the choice can be held to both.
"""

from __future__ import annotations

from importlib import import_module

from backends import Backend, find

CHOOSERS = {
    "jax_vjp": ("backends.jax.deferred",),
    "tensorflow_while": ("backends.tensorflow.deferred", "backends.tensorflow.while_loop"),
}
"""The modules that ask ``hoists``."""


def __getattr__(name: str) -> type[Backend]:
    """The backend of this name, with its choice made."""
    how, _, backend = name.partition("_")
    if how not in ("always", "never") or backend not in CHOOSERS:
        raise AttributeError(name)
    found = find(backend)
    for module in map(import_module, CHOOSERS[backend]):
        module.hoists = lambda *_: how == "always"  # type: ignore[attr-defined]  # of this process alone
    return found

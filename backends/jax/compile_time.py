"""JAX's tracing and compile times, from its own monitoring."""

from __future__ import annotations

import jax

from backends.adapter import Prepared

_EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "tracing",
    "/jax/core/compile/backend_compile_duration": "compiling",
}

_spent = dict.fromkeys(_EVENTS.values(), 0.0)


def prepared() -> Prepared:
    """Return the time that this process has spent on tracing and compiling so far.

    Returns:
        Seconds.
    """
    return Prepared(**_spent)


def _listen(event: str, seconds: float, **_: object) -> None:
    """Add one duration, in seconds."""
    if event in _EVENTS:
        _spent[_EVENTS[event]] += seconds


jax.monitoring.register_event_duration_secs_listener(_listen)

"""Backends with a known slowdown: ``--backend benchmarks/studies/slowed.py:pytorch`` is pytorch slowed by 15 %.

After every call, the process stays busy for ``SHARE`` of the call's CPU time. The slowdown is therefore the same share
of every sample, whatever else slows down the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from backends import BACKENDS, Backend, Inputs, find

SHARE = 0.15


def __getattr__(name: str) -> type[Backend]:
    """Return the backend of this name, slowed down."""
    if name not in BACKENDS:
        raise AttributeError(name)
    as_it_is: Any = find(name)

    class Slowed(as_it_is):  # type: ignore[misc]  # the class is found at run time
        def load(self, inputs: Inputs) -> Callable[[], Any]:
            call = super().load(inputs)

            def slowed() -> Any:
                started = time.process_time()
                raw = call()
                until = time.process_time() + SHARE * (time.process_time() - started)
                while time.process_time() < until:
                    pass
                return raw

            return slowed

    return Slowed

"""Backends with a known slowdown: ``--backend benchmarks/studies/slowed.py:pytorch`` is pytorch, and 15 % more.

After every call, its process is kept busy for SHARE of the processor time that the call took. So the
slowdown is a share of each single sample, whatever else slows the machine down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from backends import BACKENDS, Backend, Inputs, find

SHARE = 0.15


def __getattr__(name: str) -> type[Backend]:
    """The backend of this name, slowed."""
    if name not in BACKENDS:
        raise AttributeError(name)
    as_it_is: Any = find(name)

    class Slowed(as_it_is):  # type: ignore[misc]  # which class it is, is known when it is asked for
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

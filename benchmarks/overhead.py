"""``python -m benchmarks.overhead --framework NAME``: what an adapter's call takes beside the framework's.

Both run the same LSTM with B = T = I = H = 1, where a call is nothing but overhead, in turns in one
process. The difference is the adapter's own, and stands beside the time of every workload of a quick run.
"""

from __future__ import annotations

import statistics
import sys
from importlib import import_module
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from backends import BACKENDS, EXTRAS, Backend, find
from benchmarks.options import SETS
from benchmarks.turns import in_turn, interval
from benchmarks.workloads import MODES, WORKLOADS
from conformance.cases import Case
from conformance.draw import draw
from reference import Spec
from reports.options import Parser

ROUNDS = 1001
FEW = 5


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = Parser("python -m benchmarks.overhead", __doc__)
    parser.add_argument("--framework", choices=EXTRAS, required=True, help="whose backends")
    given = parser.parse_args(arguments)
    bare = import_module(f"benchmarks.bare.{given.framework}")
    table = Table("backend", "mode", "bare call µs", "adapter's µs", "overhead µs (95 %)",
                  "share of workloads", box=None, pad_edge=False)  # fmt: skip
    for name in (name for name, entry in BACKENDS.items() if entry.extra == given.framework):
        backend = find(name)("cpu")
        for mode in MODES:
            case = smallest(gradients=mode == "training")
            inputs = draw(case)
            theirs, ours = in_turn([bare.call(backend, inputs), backend.load(inputs)], ROUNDS) * 1e6
            own = ours - theirs
            low, high = interval(own)
            table.add_row(name, mode, f"{np.median(theirs):.1f}", f"{np.median(ours):.1f}",
                          f"{np.median(own):.1f} ({low:.1f} to {high:.1f})",
                          shares(backend, mode, float(np.median(own))))  # fmt: skip
    Console(width=160).print(table)
    return 0


def smallest(*, gradients: bool) -> Case:
    """The least network, from given states."""
    spec = Spec(cell="lstm", input_size=1, hidden_size=1)
    return Case(id="overhead/lstm-1-1-1", spec=spec, dtype="float32", batch=1, steps=1, state=True,
                gradients=gradients)  # fmt: skip


def shares(backend: Backend, mode: Any, overhead: float) -> str:
    """What so many microseconds are of a call of every workload."""
    found = []
    for name in SETS["quick"]:
        call = backend.load(draw(WORKLOADS[name].case(mode)))
        took = statistics.median(in_turn([call], FEW)[0]) * 1e6
        found.append(f"{name.partition('/')[2]} {overhead / took:.2%}")
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

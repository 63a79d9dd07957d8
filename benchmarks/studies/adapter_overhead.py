"""``python -m benchmarks.studies.adapter_overhead --framework NAME``: measure the overhead of adapters.

The adapter and the bare framework run the same LSTM with B = T = I = H = 1, where a call is nothing but overhead. They
alternate in one process on one processor, and the difference is the adapter's overhead. A second table shows it as a
share of a call of every CPU workload.
"""

from __future__ import annotations

import statistics
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backends import EXTRAS, Backend, Unsupported, find
from benchmarks.studies.alternating_calls import alternate, interval
from benchmarks.timing.options import SETS
from benchmarks.timing.schedule import pin
from benchmarks.timing.workloads import MODES, WORKLOADS, Mode
from commands.command_line import Refused, command, option, start
from conformance.cases import Case
from conformance.draw import draw
from conformance.session.options import backend_names
from records.exit_codes import ExitCode
from reference import Spec
from reports.terminal import standard_output

ROUNDS = 1001
FEW = 3
PLAIN: dict[str, Any] = {"box": None, "pad_edge": False, "title_justify": "left"}


@command("python -m benchmarks.studies.adapter_overhead")
@option("--framework", choices=EXTRAS)
def main(framework: str | None) -> ExitCode:
    """Measure what an adapter adds to a call of its framework."""
    if framework is None:
        raise Refused(f"--framework: not given; expected one of {', '.join(EXTRAS)}")
    pin()  # before a framework takes its threads
    bare = import_module(f"benchmarks.studies.bare.{framework}")
    own = Table("backend", "mode", "bare call µs", "adapter's µs", "overhead µs (95 %)",
                title="A call of the smallest network", **PLAIN)  # fmt: skip
    workloads = SETS["cpu"]
    shares = Table("backend", "mode", *(name.partition("/")[2] for name in workloads),
                   title="The overhead as a share of a call", **PLAIN)  # fmt: skip
    names = backend_names([], framework, "cpu")
    for name, mode in track(list(product(names, MODES)), console=Console(stderr=True)):
        backend = find(name)("cpu")
        inputs = draw(_smallest_case(gradients=mode == "training"))
        theirs, ours = alternate([bare.call(backend, inputs), backend.load(inputs)], ROUNDS) * 1e6
        low, high = interval(ours - theirs)
        overhead = float(np.median(ours - theirs))
        own.add_row(name, mode, f"{np.median(theirs):.1f}", f"{np.median(ours):.1f}",
                    f"{overhead:.1f} ({low:.1f} to {high:.1f})")  # fmt: skip
        shares.add_row(name, mode, *(_share(backend, mode, w, overhead) for w in workloads))
    for table in (own, shares):
        standard_output().print(table)
    return ExitCode.CLEAN


def _smallest_case(*, gradients: bool) -> Case:
    """Return the smallest network, with given initial states."""
    spec = Spec(cell="lstm", input_size=1, hidden_size=1)
    return Case(id="overhead/lstm-1-1-1", spec=spec, dtype="float32", batch=1, steps=1, state=True,
                gradients=gradients)  # fmt: skip


def _share(backend: Backend, mode: Mode, workload: str, overhead: float) -> str:
    """Return an overhead in microseconds as a share of a call; a dash if the framework lacks the network."""
    try:
        call = backend.load(draw(WORKLOADS[workload].case(mode)))
    except Unsupported:
        return "–"
    return f"{overhead / (statistics.median(alternate([call], FEW)[0]) * 1e6):.2%}"


if __name__ == "__main__":
    start(main)

"""``python -m benchmarks.studies.libraries reference|jax``: compare our speed with that of other libraries.

Our call and the other one alternate in one process, so that a change of the machine's speed affects both. The figure is
the median of the ratios of neighbouring calls, with a bootstrap 95 % interval.
"""

from __future__ import annotations

import os
from importlib import import_module

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.studies.alternating_calls import alternate, interval
from benchmarks.studies.libraries.library import difference
from benchmarks.timing.schedule import pin
from commands.command_line import Value, argument, command, start
from records.exit_codes import ExitCode
from reports.terminal import standard_output

ROUNDS = 41
GROUPS = ("reference", "jax")


@command("python -m benchmarks.studies.libraries")
@argument("group", "reference or jax", type=Value(str, GROUPS))
def main(group: str) -> ExitCode:
    """Time the reference, or jax_vjp, against other implementations of the same network.

    Our call and the other one alternate in one process. Exits with 1 if their results differ.
    """
    if group == "jax":  # before XLA takes its threads, and Keras its backend
        pin()
        os.environ["KERAS_BACKEND"] = "jax"
    for library in import_module(f"benchmarks.studies.libraries.{group}").LIBRARIES:
        table = Table("(B, T, I, H)", "rnnspec ms", f"{library.name} ms", f"{library.name} / rnnspec",
                      "95 % interval", title=library.title)  # fmt: skip
        with library.context():
            for size in track(library.sizes, library.name):
                ours, theirs = library.calls(size)
                if why := difference(ours(), theirs()):
                    Console(stderr=True).print(f"{library.name} {size}: {why}; not timed")
                    return ExitCode.CONFORMANCE_FAILURE
                a, b = alternate([ours, theirs], ROUNDS)
                ratios = b / a
                low, high = interval(ratios)
                table.add_row(str(size), f"{1e3 * np.median(a):.2f}",
                              f"{1e3 * np.median(b):.2f}", f"{np.median(ratios):.3f}",
                              f"{low:.3f} … {high:.3f}")  # fmt: skip
        standard_output().print(table)
    return ExitCode.CLEAN


if __name__ == "__main__":
    start(main)

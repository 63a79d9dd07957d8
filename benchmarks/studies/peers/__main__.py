"""``python -m benchmarks.studies.peers reference|jax``: ours beside its peers, each pair in one run.

The two of a pair take turns, so that a change of the machine's speed meets both; the figure is the median of
the ratios of neighbours, with a bootstrap 95 % interval.
"""

from __future__ import annotations

import os
from importlib import import_module

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.studies.alternating_calls import alternate, interval
from benchmarks.studies.peers.peer import difference
from benchmarks.timing.schedule import pin
from records.command_line import Value, argument, command, start
from records.exit_codes import ExitCode
from reports.terminal import standard_output

ROUNDS = 41
GROUPS = ("reference", "jax")


@command("python -m benchmarks.studies.peers")
@argument("group", "reference or jax", type=Value(str, GROUPS))
def main(group: str) -> ExitCode:
    """Time the reference, or jax_vjp, against other implementations of the same network.

    Both sides of a pair run in turn, in one process. Exits with 1 if two do not agree.
    """
    if group == "jax":  # before XLA takes its threads, and Keras its backend
        pin()
        os.environ["KERAS_BACKEND"] = "jax"
    for peer in import_module(f"benchmarks.studies.peers.of_{group}").PEERS:
        table = Table("(B, T, I, H)", "rnnspec ms", f"{peer.name} ms", f"{peer.name} / rnnspec",
                      "95 % interval", title=peer.title)  # fmt: skip
        with peer.within():
            for size in track(peer.sizes, peer.name):
                ours, theirs = peer.calls(size)
                if why := difference(ours(), theirs()):
                    Console(stderr=True).print(f"{peer.name} {size}: {why}: no times")
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

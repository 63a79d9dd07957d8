"""``rnnspec compare``: two revisions, two versions of a framework, or two backends, in turn."""

from __future__ import annotations

from pathlib import Path

from backends import BACKENDS
from benchmarks.comparing import backends as two_backends
from benchmarks.comparing.backends import compare_backends
from benchmarks.comparing.noise_budgets import FILE, BadBudgets
from benchmarks.comparing.revisions import PAIRS, compare_revisions
from benchmarks.comparing.sides import BadSide
from benchmarks.timing.options import rows_of
from benchmarks.timing.workloads import MODES, TIMED, WORKLOADS
from commands.command_line import Refused, argument, command, option, refusing
from commands.options import at_least
from conformance.open_backend import IN_CHECKOUT
from records.exit_codes import ExitCode
from reports.terminal import standard_output
from rnnspec.options import backend_options, chosen_backends


@command(
    "compare",
    examples=(
        "rnnspec compare HEAD~1 HEAD --backend pytorch",
        "rnnspec compare jax==0.9.2 jax==0.10.2 --framework jax",
        "rnnspec compare --backends pytorch pytorch_cells --quick",
    ),
)
@argument("base", "a git revision, or NAME==VERSION", required=False)
@argument("head", "another one", required=False)
@backend_options
@option("--backends", choices=tuple(BACKENDS), closed=False)
@option("--workload", choices=tuple(WORKLOADS))
@option("--mode", choices=MODES)
@option("--dtype", choices=TIMED, repeats=False, default="float32")
@option("--quick")
@option("--all-processors")
@option("--pairs", type=at_least(3))
@option("--budget")
@option("--budgets")
@option("--out")
def compare(
    base: str | None,
    head: str | None,
    backend: tuple[str, ...],
    framework: str | None,
    device: str,
    backends: tuple[str, str] | None,
    workload: tuple[str, ...],
    mode: tuple[str, ...],
    dtype: str,
    quick: bool,
    all_processors: bool,
    pairs: int | None,
    budget: float | None,
    budgets: Path | None,
    out: Path,
) -> ExitCode:
    """Time two revisions, two versions, or two backends against each other.

    Processes of both run in pairs (--pairs: 10, of two backends 5), and take a sample each in turn. Rows that seem
    slower are timed again. Exits with 2 if a row is slower beyond the noise of identical code, which rnnspec bench
    --self-comparison measures, and with 4 if a row cannot be decided.
    """
    with refusing(ValueError):
        rows = rows_of(workload, mode, device, dtype, quick=quick, pinned=not all_processors)
    console = standard_output()
    if backends:
        if base or head or backend or framework or budget or budgets:
            raise Refused("--backends: given with BASE, HEAD, --backend, --framework, --budget or --budgets; "
                          "expected none of them")  # fmt: skip
        first, second = (chosen_backends([name], None, device)[0] for name in backends)
        return compare_backends(
            first, second, rows, pairs=pairs or two_backends.PAIRS, out=out, console=console
        )
    if not base or not head:
        raise Refused("BASE, HEAD: expected two git revisions, or two versions such as jax==0.9.2 jax==0.10.2; or "
                      "--backends with two backends")  # fmt: skip
    if {base, head} & BACKENDS.keys():
        raise Refused(f"BASE, HEAD: {base} and {head} given; expected two git revisions or versions; backends are "
                      f"compared by `rnnspec compare --backends {base} {head}`")  # fmt: skip
    names = chosen_backends(backend, framework, device)
    if len({BACKENDS[name].extra for name in names if name in BACKENDS}) > 1:
        raise Refused(f"--backend: {', '.join(names)} given; expected those of one framework")
    if not IN_CHECKOUT:
        raise Refused("BASE, HEAD: comparing revisions or versions needs a checkout of the rnnspec repository, "
                      "with its constraints.txt; run it there")  # fmt: skip
    with refusing(BadBudgets, BadSide):
        return compare_revisions(
            base, head, names, rows, pairs=pairs or PAIRS, budget=budget,
            budgets=budgets or out / FILE, out=out, console=console,
        )  # fmt: skip

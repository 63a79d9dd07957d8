"""``rnnspec check``: run cases on backends, and compare every result with the specification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import conformance
from commands.command_line import Command, Refused, command, option, refusing
from conformance.cases import DTYPES, OTHER_PRECISIONS
from conformance.session.run import SessionRefused, run_pytest
from records.exit_codes import ExitCode
from rnnspec.options import backend_options, chosen_backends, cluster_options, default_case_ids


class _WithPytest(Command):
    """A command whose arguments after ``--`` are pytest's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        here = args.index("--") if "--" in args else len(args)
        ctx.meta["pytest"] = args[here + 1 :]
        return super().parse_args(ctx, args[:here])

    def hint(self, option_name: str) -> str:
        return f"an option of pytest goes after --, as `-- {option_name}`; "


@command(
    "check",
    cls=_WithPytest,
    examples=(
        "rnnspec check --backend pytorch --dtype float32",
        'rnnspec check --framework jax --jobs 2 -- -k "lstm and ragged" --lf',
    ),
)
@backend_options
@option("--case", complete=default_case_ids)
@option("--dtype", choices=(*DTYPES, *OTHER_PRECISIONS))
@option("--full")
@option("--params")
@option("--inputs")
@option("--gradients")
@option("--resume")
@option("--jobs")
@cluster_options
@option("--time-limit")
@option("--memory-limit")
@option("--known")
@option("--out")
@click.pass_context
def check(context: click.Context, /, **given: Any) -> ExitCode:
    """Check frameworks, or your own network, against the specification.

    Runs cases on every backend, compares each result with the specification within the error that rounding
    explains, and writes a run file. Exits with 1 if a case differs or fails.

    Cases run in --jobs worker processes (default: 1), so that a crash costs one case; --jobs 0 runs them in
    this process, for a debugger. Options after -- go to pytest, such as -k, -x, --lf and --collect-only.
    """
    chosen_backends(given["backend"], given["framework"], given["device"])
    cluster = given["workers"] or given["scheduler"]
    if cluster and given["jobs"]:
        raise Refused("--jobs: given with --workers or --scheduler; expected one of them")
    jobs = 0 if cluster else 1 if given["jobs"] is None else given["jobs"]
    arguments = [
        "-p",
        "fleet.plugin",
        "-n",
        str(jobs),
        *_for_session(given),
        *context.meta["pytest"],
    ]
    with refusing(SessionRefused):
        return run_pytest(Path(conformance.__file__).parent, arguments)


def _for_session(given: Mapping[str, Any]) -> list[str]:
    """The same options, for the pytest session."""
    found: list[str] = []
    for name, value in given.items():
        words = f"--{name.replace('_', '-')}"
        if name == "jobs" or value in (None, False, ()):
            continue
        if value is True:
            found.append(words)
        else:
            every = value if isinstance(value, tuple) else (value,)
            found += [part for one in every for part in (words, str(one))]
    return found

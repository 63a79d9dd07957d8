"""The table of subcommands; each is imported when it is run, so that ``rnnspec --help`` is fast.

A new subcommand is a module ``rnnspec/<name>.py`` with a command of that name, and a row of ``SUBCOMMANDS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

import click
from rich.text import Text
from rich_click import RichCommand, RichCommandPanel

from commands.command_line import LOOK, Command, Group, Refused, start
from commands.suggest import did_you_mean

CHECKING, TIMING, READING = "Check", "Time", "Read, write, convert"


class Subcommand(NamedTuple):
    """A row of the table: the group in ``--help``, and one line of help."""

    group: str
    help: str


SUBCOMMANDS: Mapping[str, Subcommand] = {
    "check": Subcommand(CHECKING, "Check frameworks, or your own network, against the specification"),
    "fuzz": Subcommand(CHECKING, "Check random networks for as long as you like"),
    "properties": Subcommand(CHECKING, "Check properties that need no reference, such as shuffling a batch"),
    "mutants": Subcommand(CHECKING, "Show that the suite catches wrong implementations"),
    "reproduce": Subcommand(CHECKING, "Write a difference as a script of NumPy and one framework"),
    "bench": Subcommand(TIMING, "Time workloads on backends"),
    "compare": Subcommand(TIMING, "Time two revisions, two versions, or two backends against each other"),
    "report": Subcommand(READING, "Show the results so far in the terminal, as a page and as exports"),
    "convert": Subcommand(READING, "Convert a network's file from one framework to another, with a proof"),
    "completion": Subcommand(READING, "Print the script that completes this command in your shell"),
}  # fmt: skip

EXAMPLES = """Examples:
  rnnspec check --backend pytorch
  rnnspec check --params model.safetensors --inputs batch.npz --framework jax
  rnnspec report

Exit codes: 0 clean, 1 conformance failure, 2 performance regression, 3 error, 4 not enough data."""


def subcommand(name: str) -> Command:
    """Import a subcommand.

    Args:
        name: a key of ``SUBCOMMANDS``.

    Returns:
        The command.

    """
    found: Command = getattr(import_module(f"rnnspec.{name}"), name)
    return found


class _Lazy(Group):
    """The group; it shows its subcommands from the table and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def commands_with(self, option_name: str) -> list[str]:
        return [
            f"rnnspec {name}"
            for name in SUBCOMMANDS
            if any(option_name in parameter.opts for parameter in subcommand(name).params)
        ]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        row = SUBCOMMANDS[cmd_name]
        return RichCommand(name=cmd_name, short_help=row.help, help=row.help, panel=row.group)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, *rest = args
        if name not in SUBCOMMANDS and not ctx.resilient_parsing:
            raise Refused(f"{name}: no such command; {did_you_mean(name, SUBCOMMANDS)}expected one of {', '.join(SUBCOMMANDS)}; "
                          "`rnnspec --help` describes them")  # fmt: skip
        return name, subcommand(name) if name in SUBCOMMANDS else None, rest


def _overview(ctx: click.Context) -> None:
    """Refuse to run nothing."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        raise Refused(f"no command given; expected one of {', '.join(SUBCOMMANDS)}")


rnnspec = _Lazy(
    name="rnnspec",
    help="The executable specification of recurrent neural networks, and the suite that checks TensorFlow, "
    "PyTorch and JAX against it.",
    epilog=Text(EXAMPLES),  # type: ignore[arg-type]  # rich-click takes both
    callback=click.pass_context(_overview),
    invoke_without_command=True,
    context_settings=LOOK,
    panels=[RichCommandPanel(name) for name in (CHECKING, TIMING, READING)],
)
"""The command."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit.

    Args:
        arguments: what follows ``rnnspec`` (default: the arguments of this process).

    """
    start(rnnspec, arguments)

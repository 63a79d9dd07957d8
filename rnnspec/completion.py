"""``rnnspec completion``: the script that completes the command line in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from commands.command_line import Refused, Value, argument, command
from records.exit_codes import ExitCode

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    examples=(
        'eval "$(rnnspec completion bash)"                                 # in ~/.bashrc; zsh: in ~/.zshrc',
        "rnnspec completion fish > ~/.config/fish/completions/rnnspec.fish",
    ),
)
@argument("shell", "bash, zsh or fish", type=Value(str, SHELLS))
def completion(shell: str) -> ExitCode:
    """Print the script that completes this command in your shell.

    Completes subcommands, options, backends, frameworks, number types and ids of cases.
    """
    from rnnspec.cli import rnnspec  # noqa: PLC0415  # it lists this module

    made = get_completion_class(shell)
    if made is None:
        raise Refused(f"SHELL: {shell!r} given; expected one of {', '.join(SHELLS)}")
    click.echo(made(rnnspec, {}, "rnnspec", "_RNNSPEC_COMPLETE").source())
    return ExitCode.CLEAN

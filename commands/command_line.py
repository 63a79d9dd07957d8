"""Commands: one look of ``--help``, one form of errors, and the project's exit codes.

An error is one to three lines on stderr, ``error: <option or file>: <given>; expected …; do …``, and the exit code 3.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.exceptions import BadOptionUsage, MissingParameter, NoSuchOption
from click.shell_completion import CompletionItem
from rich.text import Text
from rich_click import RichArgument, RichCommand, RichGroup, RichHelpConfiguration, RichOption

from commands.options import OPTIONS, described
from commands.suggest import did_you_mean
from records.exit_codes import ExitCode

LOOK = {
    "help_option_names": ["-h", "--help"],
    "rich_help_config": RichHelpConfiguration(
        max_width=100,
        text_markup=None,
        show_arguments=True,
        arguments_panel_title="Arguments",
        options_panel_title="Help",
        options_table_column_types=["opt_short", "opt_long", "metavar", "help"],
        options_table_help_sections=["help", "default"],
        padding_usage=(0, 1),
        padding_helptext=(0, 1),
        padding_helptext_first_line=(0, 0),
        padding_epilog=(0, 1),
    ),
}
"""Settings of every command."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Refused(click.ClickException):
    """A command cannot do what it was asked; the text says what was given, what was expected, and what to do."""


@contextmanager
def refusing(*exceptions: type[Exception]) -> Iterator[None]:
    """Turn exceptions about what a user gave into errors of the command.

    Args:
        *exceptions: the classes whose text says what was given and expected.

    Yields:
        Nothing.

    Raises:
        Refused: one of them was raised.

    """
    try:
        yield
    except exceptions as why:
        raise Refused(str(why)) from why


def complaint(error: click.ClickException) -> str:
    """Return an error of click's in the words of this project.

    Args:
        error: any error about a command line.

    Returns:
        The option or argument, what was given, what was expected, and what to do.

    """
    context = getattr(error, "ctx", None)
    help_of = f"`{context.command_path} --help` lists its options" if context else "see --help"
    if isinstance(error, NoSuchOption):
        return (
            f"{error.option_name}: no such option; {_instead(error.option_name, context)}{help_of}"
        )
    if isinstance(error, BadOptionUsage):
        return f"{error.option_name}: {error.message.lower().rstrip('.')}; {help_of}"
    if isinstance(error, MissingParameter) and error.param:
        return f"{_name(error.param)}: not given; {help_of}"
    if isinstance(error, click.BadParameter) and error.param:
        return f"{_name(error.param)}: {error.message}"
    text = error.format_message().rstrip(".")
    if context and (extra := EXTRA_ARGUMENTS.search(text)):
        words = extra[1].split()
        meant = [option for word in words if (option := _option_for(word, context))]
        question = f"did you mean {' '.join(meant)}? " if meant else ""
        return f"{' '.join(words)}: not expected here; {question}`{context.command_path} --help` lists its arguments"
    return text


EXTRA_ARGUMENTS = re.compile(r"unexpected extra arguments? \((.*)\)")
"""The words by which click reports arguments that a command does not take."""


def _instead(given: str, context: click.Context | None) -> str:
    """Return what to do about an option that a command does not have, with a trailing blank if there is anything."""
    if context is None:
        return ""
    root = context.find_root().command
    owners = root.commands_with(given) if isinstance(root, Group) else []
    belongs = f"{given} belongs to: {', '.join(owners)}; " if owners else ""
    hint = context.command.hint(given) if isinstance(context.command, Command) else ""
    known = [name for p in context.command.params if isinstance(p, click.Option) for name in p.opts]
    return did_you_mean(given, known) + belongs or hint


def _option_for(word: str, context: click.Context) -> str:
    """Return the option and the value that a word may be; empty if there is none."""
    for p in context.command.params:
        if isinstance(p, click.Option) and isinstance(p.type, Value) and p.type.accepts(word):
            return f"{_name(p)} {word}"
    return ""


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.Context(click.Command("")))
    return max(parameter.opts, key=len)


class _Errors(click.Command):
    """The form of errors and the exit codes, for commands and groups."""

    def main(  # type: ignore[override]  # it always returns
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any
    ) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        try:
            found = click.Command.main(self, given, prog_name or self.name, standalone_mode=False)
        except click.ClickException as error:
            _refuse(complaint(error))
        except click.Abort:
            _refuse("interrupted; what was finished by then is in the run files")
        return ExitCode(found or 0)


def _refuse(text: str) -> NoReturn:
    print(f"error: {text}", file=sys.stderr)
    raise SystemExit(ExitCode.HARNESS_ERROR)


class Command(_Errors, RichCommand):  # type: ignore[misc]  # rich-click's own main differs too
    """A command with examples below its options."""

    def __init__(self, *given: Any, examples: Sequence[str] = (), **more: Any) -> None:
        self.examples = tuple(examples)
        if examples:
            more["epilog"] = Text("\n".join(["Examples:", *(f"  {one}" for one in examples)]),
                                  overflow="fold")  # fmt: skip
        super().__init__(*given, **more)

    def hint(self, option_name: str) -> str:
        """Return advice about an option that no command has, with a trailing blank; empty by default.

        Args:
            option_name: the option as given.

        Returns:
            The advice.
        """
        return ""


class Group(_Errors, RichGroup):  # type: ignore[misc]  # rich-click has no types
    """A command with subcommands."""

    def commands_with(self, option_name: str) -> list[str]:
        """List the subcommands that have an option.

        Args:
            option_name: the option, such as ``--minutes``.

        Returns:
            Whole commands, such as ``rnnspec fuzz``.
        """
        return []


def command(name: str, *, examples: Sequence[str] = (), **more: Any) -> Callable[..., Command]:
    """Make a function a command; its docstring is the help.

    Args:
        name: as a user types it.
        examples: whole command lines, shown below the options.
        **more: further arguments of ``click.command``.

    Returns:
        A decorator.

    """
    more.setdefault("cls", Command)
    return click.command(name, examples=examples, context_settings=LOOK, **more)


class Value(click.ParamType):  # type: ignore[type-arg]  # older versions of click take none
    """Type of an option or argument: how its value is parsed, and which values are allowed.

    Args:
        read: parses the text; raises ValueError with what was expected.
        choices: the allowed values, or examples of them.
        closed: refuse any other value.
        complete: values that shell completion suggests; ``choices`` by default.
    """

    def __init__(
        self,
        read: Callable[[str], Any],
        choices: Sequence[str] = (),
        *,
        closed: bool = True,
        complete: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.name = ""
        self.read = read
        self.choices = tuple(choices)
        self.closed = closed
        self.complete = complete or (lambda: self.choices)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a value.

        Args:
            value: text from the command line, or a default of another type.
            param: the option, for error messages.
            ctx: the context, for error messages.

        Returns:
            The parsed value; a default is returned unchanged.
        """
        if not isinstance(value, str):
            return value  # a default
        if self.choices and self.closed and value not in self.choices:
            self.fail(f"{value!r} given; {did_you_mean(value, self.choices)}expected one of "
                      f"{', '.join(self.choices)}", param, ctx)  # fmt: skip
        try:
            return self.read(value)
        except ValueError as expected:
            self.fail(f"{value!r} given; expected {expected}", param, ctx)

    def accepts(self, word: str) -> bool:
        """Tell whether a word is one of the choices, or looks like ``MODULE:CLASS`` where other values are allowed.

        Args:
            word: a word of the command line.

        Returns:
            True if it is probably a value of this type.
        """
        return word in self.choices or (bool(self.choices) and not self.closed and ":" in word)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Suggest values that complete a partial one.

        Args:
            ctx: the context.
            param: the option.
            incomplete: the text typed so far.

        Returns:
            The matching values; file names if there are none and any value is allowed.
        """
        found = [CompletionItem(v) for v in self.complete() if v.startswith(incomplete)]
        if not found and (not self.choices or not self.closed):
            return [CompletionItem(incomplete, type="file")]
        return found


def option(
    name: str,
    *,
    choices: Sequence[str] = (),
    closed: bool = True,
    complete: Callable[[], Iterable[str]] | None = None,
    **changes: Any,
) -> Callable[[Decorated], Decorated]:
    """Add an option of the table to a command.

    Args:
        name: the option, such as ``--backend``.
        choices: the values to choose from.
        closed: whether any other value is refused.
        complete: makes the values that the shell offers, if not ``choices``.
        **changes: fields of the table's row that are others for this command: ``default``, ``repeats``, ``type``.

    Returns:
        A decorator.

    """
    row = OPTIONS[name]._replace(**changes)
    names = [name, *([row.short] if row.short else [])]
    common: dict[str, Any] = {"help": described(name, tuple(choices)), "panel": row.group}
    if not row.metavar:
        return click.option(*names, is_flag=True, cls=RichOption, **common)
    shown = isinstance(row.default, int | float | Path) or bool(row.default)
    if row.repeats:
        common["help"] += "; may be given again"
    return click.option(
        *names,
        type=Value(row.type, choices, closed=closed, complete=complete),
        default=row.default,
        metavar=row.metavar,
        multiple=row.repeats,
        nargs=row.values,
        show_default=shown,
        cls=RichOption,
        **common,
    )


def argument(
    name: str, text: str, read: Callable[[str], Any] = str, **more: Any
) -> Callable[[Decorated], Decorated]:
    """Add a positional argument to a command.

    Args:
        name: the function's parameter; in capitals, what ``--help`` shows.
        text: its help.
        read: a function from text to the value, which raises ``ValueError`` that says what was expected.
        **more: further arguments of ``click.argument``.

    Returns:
        A decorator.

    """
    more.setdefault("type", Value(read))
    return click.argument(name, metavar=name.upper(), help=text, cls=RichArgument, **more)


def start(program: click.Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command as this process's program, and exit.

    Args:
        program: the command.
        arguments: what follows its name (default: those of this process).

    Raises:
        SystemExit: always, with one of the project's exit codes; an exception that nothing expected is a harness error.

    """
    try:
        code: ExitCode = program.main(arguments, standalone_mode=False)
    except Exception:
        traceback.print_exc()
        code = ExitCode.HARNESS_ERROR
    sys.exit(code)

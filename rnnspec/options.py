"""The options that several subcommands share, with the values to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from backends import BACKENDS, EXTRAS
from commands.command_line import Refused, option
from commands.suggest import did_you_mean
from conformance.session.options import backend_names

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def backend_options(function: Decorated) -> Decorated:
    """Add ``--backend``, ``--framework`` and ``--device`` to a command.

    Args:
        function: what the command runs.

    Returns:
        The same function.

    """
    for add in (
        option("--device", complete=lambda: ("cpu", "cuda")),
        option("--framework", choices=EXTRAS),
        option("--backend", choices=tuple(BACKENDS), closed=False),
    ):
        function = add(function)
    return function


def cluster_options(function: Decorated) -> Decorated:
    """Add ``--workers`` and ``--scheduler`` to a command.

    Args:
        function: what the command runs.

    Returns:
        The same function.

    """
    return option("--workers")(option("--scheduler")(function))


def chosen_backends(backend: Sequence[str], framework: str | None, device: str) -> list[str]:
    """Return the names that --backend and --framework give.

    Args:
        backend: the values of --backend.
        framework: the value of --framework.
        device: the value of --device.

    Returns:
        The names, each once.

    Raises:
        Refused: there is none, or one that no backend can have.

    """
    names = backend_names(backend, framework, device)
    if not names:
        raise Refused(f"--backend: none given; expected one of {', '.join(BACKENDS)}; or --framework with one "
                      f"of {', '.join(EXTRAS)}")  # fmt: skip
    for name in names:
        if name not in BACKENDS and ":" not in name:
            raise Refused(f"--backend: {name!r} given; {did_you_mean(name, BACKENDS)}expected one of {', '.join(BACKENDS)}; or your own as "
                          "package.module:Class or path/to/file.py:Class")  # fmt: skip
    return names


def default_case_ids() -> Iterable[str]:
    """List the ids of the default cases, for completion by the shell.

    Returns:
        The ids.

    """
    from conformance.cases import default_cases  # noqa: PLC0415  # slow

    return (case.id for case in default_cases())


def on_command_line(context: click.Context) -> set[str]:
    """Tell which options were given, whatever their values.

    Args:
        context: of the running command.

    Returns:
        The names of the parameters.

    """
    source = context.get_parameter_source
    return {name for name in context.params if str(source(name)).endswith("COMMANDLINE")}

"""``rnnspec properties``: relations between results of one backend, which need no reference results."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from backends import BackendNotFound, DeviceNotFound, find
from commands.command_line import command, option, refusing
from conformance.known_differences import KNOWN_FILE, BadKnownFile, read_known
from conformance.open_backend import OpenBackend
from evidence.properties import PROPERTIES
from evidence.properties.examples import Examined, Subject, examine, leaks_nan
from records.exit_codes import ExitCode
from reports.terminal import standard_output
from rnnspec.options import backend_options, chosen_backends


@command(
    "properties",
    examples=(
        "rnnspec properties --backend pytorch",
        'rnnspec properties --framework jax --property "rows permuted" --examples 30',
    ),
)
@backend_options
@option("--property", choices=tuple(PROPERTIES))
@option("--seed")
@option("--examples", default=5)
@option("--known", default=KNOWN_FILE)
def properties(
    backend: tuple[str, ...],
    framework: str | None,
    device: str,
    property: tuple[str, ...],  # noqa: A002  # the option's name
    seed: int,
    examples: int,
    known: Path,
) -> ExitCode:
    """Check properties that need no reference results.

    A property relates two results of one backend, such as those of a batch and of the same batch in another order.
    It holds for every correct implementation, whatever its equations. Prints a table, and every violation with the
    inputs that show it. Exits with 1 for a violation, and with 4 if nothing could be run.
    """
    names = chosen_backends(backend, framework, device)
    chosen = property or tuple(PROPERTIES)
    with refusing(BackendNotFound, DeviceNotFound, BadKnownFile, metadata.PackageNotFoundError):
        entries = read_known(known)
        for name in names:  # refuse a missing one before any work starts
            OpenBackend(name, device, find(name)(device))
    found: dict[tuple[str, str], Examined] = {}
    work = [(p, name) for name in names for p in chosen]
    for p, name in track(work, "properties", console=Console(stderr=True)):
        adapter = find(name)(device)  # a new one each time: tf_keras keeps state between some
        subject = Subject(adapter, examples, nan_leaks=leaks_nan(name, entries))
        try:
            found[p, name] = examine(subject, PROPERTIES[p], seed)
        except Exception:  # any failure of a backend is a violation
            found[p, name] = Examined(0, violation=f"{p} on {name}:\n{traceback.format_exc()}")
    return _show(found, chosen, names)


def _show(
    found: dict[tuple[str, str], Examined], chosen: Sequence[str], names: Sequence[str]
) -> ExitCode:
    """Print the table and the violations."""
    table = Table("property", *names, box=None, pad_edge=False)
    for p in chosen:
        table.add_row(p, *(_word(found[p, name]) for name in names))
    console = standard_output()
    console.print(table)
    broken = [one.violation for one in found.values() if one.violation]
    for text in broken:
        console.print(f"✗ {text}", markup=False, highlight=False, soft_wrap=True)
    if broken:
        return ExitCode.CONFORMANCE_FAILURE
    examined = any(one.examples for one in found.values())
    return ExitCode.CLEAN if examined else ExitCode.NOT_ENOUGH_DATA


def _word(one: Examined) -> str:
    if one.violation:
        return "[red]✗ violated[/red]"
    return f"– {one.silent}" if one.silent else f"✓ {one.examples} examples"

"""The one table of command-line options: the same name means the same in every command.

The command ``rnnspec``, the developer tools and the options for pytest are made from it, so that types and
help texts cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

RUN, WHERE, OUTPUT, LIMITS, INPUT = (
    "What to run",
    "Where to run",
    "Output",
    "Limits",
    "Input",
)
"""The groups in which ``--help`` shows options."""


def positive(text: str) -> float:
    """Read a number above 0.

    Args:
        text: as given on a command line.

    Returns:
        The number.

    Raises:
        ValueError: any other text; the message says what was expected.

    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise ValueError("a number above 0")
    return value


def at_least(least: int) -> Callable[[str], int]:
    """Make a reader of integers.

    Args:
        least: the smallest integer that it takes.

    Returns:
        A function from text to an integer, which raises ``ValueError`` that says what was expected.

    """

    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise ValueError(f"an integer of {least} or more")
        return value

    return integer


def existing_file(text: str) -> Path:
    """Read the path of a file that must exist.

    Args:
        text: as given on a command line.

    Returns:
        The path.

    Raises:
        ValueError: there is no such file.

    """
    path = Path(text)
    if not path.is_file():
        raise ValueError("an existing file")
    return path


def existing_path(text: str) -> Path:
    """Read the path of a file or folder that must exist, or the stem of a checkpoint's files.

    Args:
        text: as given on a command line.

    Returns:
        The path.

    Raises:
        ValueError: there is nothing of this name.

    """
    path = Path(text)
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise ValueError("an existing file or folder")
    return path


class Option(NamedTuple):
    """An option: its group in ``--help``, its help, and what its value is."""

    group: str
    help: str
    """``{choices}`` stands for the values to choose from."""
    metavar: str = ""
    """Empty for a flag, which takes no value."""
    type: Callable[[str], Any] = str
    default: Any = None
    repeats: bool = False
    short: str = ""
    values: int = 1
    """How many values follow the name."""


OPTIONS: Mapping[str, Option] = {
    # What to run
    "--backend": Option(RUN, "a backend to run: {choices}; or your own, as package.module:Class or "
                        "path/to/file.py:Class", "NAME", repeats=True),
    "--backends": Option(RUN, "compare these two backends with each other, here and now", "A B",
                         values=2),
    "--framework": Option(RUN, "run every backend of a framework: {choices}", "NAME"),
    "--case": Option(RUN, "run the cases whose id matches this pattern", "ID", repeats=True),
    "--dtype": Option(RUN, "number type: {choices}", "TYPE", repeats=True),
    "--full": Option(RUN, "run everything, not only the default selection"),
    "--quick": Option(RUN, "run a few workloads, on one processor, in one process"),
    "--params": Option(RUN, "run your own network instead of cases: its parameters, as safetensors",
                       "FILE", existing_file),
    "--inputs": Option(RUN, "your own inputs: x, and optionally lengths, h0, c0, as .npz", "FILE",
                       existing_file),
    "--gradients": Option(RUN, "with --params: compare gradients too, from dy, dh_n, dc_n in --inputs"),
    "--workload": Option(RUN, "time this workload; docs/benchmarking.md has a table of them", "NAME",
                         repeats=True),
    "--mode": Option(RUN, "time only {choices}", "MODE", repeats=True),
    "--scaling": Option(RUN, "time LSTMs along each of their sizes, to see how time grows"),
    "--self-comparison": Option(RUN, "time identical code against itself, to measure the noise that "
                                "comparisons then use"),
    "--property": Option(RUN, "check this property only", "NAME", repeats=True),
    "--match": Option(RUN, "run only mutants whose id contains this text", "TEXT", default=""),
    "--seed": Option(RUN, "seed of the random draws", "N", at_least(0), 0),
    "--draws": Option(RUN, "random draws of every family and number type", "N", at_least(1), 4),
    "--resume": Option(RUN, "continue the latest interrupted run of each backend"),
    # Where
    "--device": Option(WHERE, "cpu, cuda or cuda:N", "DEVICE", default="cpu"),
    "--jobs": Option(WHERE, "number of processes on this machine", "N", at_least(0), short="-j"),
    "--workers": Option(WHERE, "start a Dask cluster of N workers on this machine", "N", at_least(1)),
    "--scheduler": Option(WHERE, "use the Dask cluster of this scheduler, such as tcp://host:8786",
                          "ADDRESS"),
    "--all-processors": Option(WHERE, "time on all processors, not on one"),
    # Input
    "--known": Option(INPUT, "known differences, as TOML (default: those of the suite)", "FILE", existing_file),
    "--corpus": Option(INPUT, "earlier finds, checked first; new finds are added (default: the suite's own file, "
                       "or DIR/fuzz-corpus.txt of --out for your own backend)", "FILE", Path),
    "--runs": Option(INPUT, "folder of the run files to read", "DIR", Path, Path("results/runs")),
    "--run": Option(INPUT, "run file: one script for every case that differs or fails", "FILE", existing_file),
    "--triage": Option(INPUT, "regressions that someone has looked at (default: triage.toml, if there "
                       "is one)", "FILE", existing_file),
    "--index": Option(INPUT, "database derived from all runs (default: next to --runs)", "FILE", Path),
    "--budgets": Option(INPUT, "noise measured by rnnspec bench --self-comparison (default: "
                        "DIR/budgets.json)", "FILE", existing_file),
    "--from": Option(INPUT, "format of SOURCE, if its ending does not tell: {choices}", "FORMAT"),
    "--part": Option(INPUT, "of several networks in SOURCE, the one whose names start so", "PREFIX",
                     default=""),
    "--spec": Option(INPUT, "a fact that SOURCE does not hold: {choices}", "FIELD=VALUE",
                     repeats=True),
    # Output
    "--out": Option(OUTPUT, "folder of results; run files go to DIR/runs", "DIR", Path,
                    Path("results")),
    "--site": Option(OUTPUT, "folder of the page, index.html, and of exports/", "DIR", Path,
                     Path("results/site")),
    "--format": Option(OUTPUT, "write this export only: {choices}", "NAME", repeats=True),
    "--schema": Option(OUTPUT, "print the JSON Schema of run files, and do nothing else"),
    "--script": Option(OUTPUT, "file to write the script to (default: stdout); with --run, a folder",
                       "PATH", Path),
    "--to": Option(OUTPUT, "format of TARGET, if its ending does not tell", "FORMAT"),
    "--overwrite": Option(OUTPUT, "replace TARGET if it exists"),
    # Limits
    "--minutes": Option(LIMITS, "time budget in minutes; no new work starts that would exceed it",
                        "M", positive),
    "--rounds": Option(LIMITS, "number of rounds", "N", at_least(1)),
    "--time-limit": Option(LIMITS, "end a case that takes longer", "SECONDS", positive, 300.0),
    "--memory-limit": Option(LIMITS, "end a process that takes more memory (default: its share of 80% "
                             "of the free memory)", "GIB", positive),
    "--processes": Option(LIMITS, "fresh processes that time each row", "N", at_least(1)),
    "--pairs": Option(LIMITS, "pairs of processes, one of each side", "N", at_least(1)),
    "--budget": Option(LIMITS, "relative difference of identical code (default: as measured, else 0.05)",
                       "SHARE", positive),
    "--examples": Option(LIMITS, "random examples of each property", "N", at_least(1)),
    # Options of developer tools alone
    "--kill-every": Option(LIMITS, "kill a worker this often", "SECONDS", positive, 20.0),
    "--run-files": Option(RUN, "number of run files to make", "N", at_least(1), 10_000),
    "--series": Option(RUN, "number of series that each run file has a value of", "N", at_least(1),
                       500),
    "--anew": Option(RUN, "keep none of the rows that exist"),
    "--docs": Option(OUTPUT, "folder to write pictures or tables to", "DIR", Path, Path("docs/images")),
    "--page": Option(OUTPUT, "page of the documentation to write to", "FILE", Path),
    "--published": Option(OUTPUT, "file of the published figures", "FILE", Path),
    "--picture": Option(OUTPUT, "file of the picture", "FILE", Path),
    "--form": Option(WHERE, "device that Lighthouse emulates: {choices}", "FORM"),
}  # fmt: skip
"""Every option of every command."""


def described(name: str, choices: tuple[str, ...] = ()) -> str:
    """Return an option's help.

    Args:
        name: the option, such as ``--backend``.
        choices: the values to choose from, where there is a list.

    Returns:
        The help of the table, with the choices filled in.

    """
    return OPTIONS[name].help.format(choices=", ".join(choices))


def add_to_pytest(
    add: Callable[..., None],
    name: str,
    *,
    choices: tuple[str, ...] = (),
    closed: bool = True,
    **changes: Any,
) -> None:
    """Add an option of the table to pytest's.

    Args:
        add: the method ``addoption`` of pytest's parser or of a group of options.
        name: the option, such as ``--backend``.
        choices: the values to choose from.
        closed: whether any other value is refused.
        **changes: arguments for ``add`` in place of those of the table.

    """
    row = OPTIONS[name]
    text = described(name, choices).replace("%", "%%")
    if not row.metavar:
        add(name, action="store_true", help=text, **changes)
        return
    found: dict[str, Any] = {"metavar": row.metavar, "default": row.default, "help": text}
    if row.repeats and "default" not in changes:
        found |= {"action": "append", "default": []}
        found["help"] += "; may be given again"
    elif row.default is not None:
        found["help"] += f" (default: {row.default})"
    if choices and closed:
        found["choices"] = choices
    elif row.type is not str:
        found["type"] = row.type
    add(name, **found | changes)

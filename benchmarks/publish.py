"""``python -m benchmarks.publish``: what ``nox -s bench -- --aa`` measured, as tables in docs/noise.md.

A table for each machine, backend, device and dtype, between two comments: how much identical code may differ by, and which change is
found. docs/noise.json keeps what was published, of other machines too; a row that was measured again is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.budgets import FILE, BadBudgets, Budget, read, write
from benchmarks.compare import PAIRS
from reports.exit_codes import ExitCode
from reports.options import Parser
from reports.text import count, number, put_between, replaced

BEGIN, END = "<!-- rows: python -m benchmarks.publish -->", "<!-- end of rows -->"


def main(arguments: list[str]) -> ExitCode:
    """Write the tables."""
    parser = Parser("python -m benchmarks.publish", __doc__)
    parser.add_argument("--budgets", type=Path, default=Path("reports") / FILE, metavar="FILE",
                        help="what --aa wrote (default: %(default)s)")  # fmt: skip
    parser.add_argument("--published", type=Path, default=Path("docs/noise.json"), metavar="FILE",
                        help="where that is kept (default: %(default)s)")  # fmt: skip
    parser.add_argument("--page", type=Path, default=Path("docs/noise.md"), metavar="FILE",
                        help="(default: %(default)s)")  # fmt: skip
    given = parser.parse_args(arguments)
    try:
        measured = list(read(given.budgets).values())
        if not measured:
            parser.error(
                f"--budgets {given.budgets}: no row; expected what `nox -s bench -- --aa` writes"
            )
        page = given.page.read_text("utf-8")
        put_between(page, BEGIN, END, "")  # or it is no page for them, and nothing is written
        write(given.published, measured)
        new = put_between(page, BEGIN, END, "\n".join(tables(list(read(given.published).values()))))
        replaced(given.page, new)
    except (BadBudgets, OSError, ValueError) as why:
        parser.error(str(why))
    print(f"wrote {given.page}")
    return ExitCode.CLEAN


def tables(rows: Sequence[Budget]) -> Iterable[str]:
    """Markdown, by machine and backend."""

    def place(b: Budget) -> tuple[str, ...]:
        return b.machine, b.backend, b.device, b.dtype

    ordered = sorted(rows, key=lambda b: (*place(b), b.workload, b.mode, b.threads or 0))
    for (machine, backend, device, dtype), of in groupby(ordered, key=place):
        found = list(of)
        pairs = sorted({len(b.changes) for b in found})
        measured = " or ".join(map(str, pairs))
        yield f"\n`{backend}` on {device} in {dtype}, {machine}: {count(len(found), 'row')}, from {measured} pairs.\n"
        yield "| workload | mode | processors | ms | budget | detectable | load |"
        yield "|---|---|---:|---:|---:|---:|---:|"
        for b in found:
            noise = b.noise(PAIRS)
            ms = number(b.seconds * 1e3 if b.seconds else None)
            yield (f"| `{b.workload}` | {b.mode} | {b.threads or '–'} | {ms} | {noise.budget:.1%} "
                   f"| {noise.detectable:.1%} | {number(b.load)} |")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m benchmarks.studies.noise_tables``: write the noise of every row as tables into docs/results/noise.md.

The rows come from a self-comparison. There is one table per machine, backend, device and dtype, between two comments,
with the budget and the detectable change; a detectable change above the target is bold. docs/results/noise.json keeps
all published rows, of other machines too; a row that was measured again is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.comparing.noise_budgets import FILE, BadBudgets, Budget, read_budgets, write_budgets
from benchmarks.comparing.revisions import PAIRS
from commands.command_line import Refused, command, option, refusing, start
from records.exit_codes import ExitCode
from records.text import count, number, replace_between, write_atomically

LONG, TARGET_LONG, TARGET_OTHERS = 0.01, 0.05, 0.1
"""Seconds from which a row on one processor is long, the target of its detectable change, and that of other rows."""

BEGIN, END = "<!-- rows: python -m benchmarks.studies.noise_tables -->", "<!-- end of rows -->"


@command("python -m benchmarks.studies.noise_tables")
@option("--budgets", type=Path, default=Path("results") / FILE)
@option("--published", default=Path("docs/results/noise.json"))
@option("--page", default=Path("docs/results/noise.md"))
def main(budgets: Path, published: Path, page: Path) -> ExitCode:
    """Write the tables of noise, from the measurements of rnnspec bench --self-comparison."""
    with refusing(BadBudgets, OSError, ValueError):
        measured = list(read_budgets(budgets).values())
        if not measured:
            raise Refused(f"--budgets: {budgets} has no row; expected the file that `rnnspec bench "
                          "--self-comparison` writes")  # fmt: skip
        text = page.read_text("utf-8")
        replace_between(
            text, BEGIN, END, ""
        )  # raises before anything is written, if the page has no such comments
        write_budgets(published, measured)
        new = replace_between(
            text, BEGIN, END, "\n".join(tables(list(read_budgets(published).values())))
        )
        write_atomically(page, new)
    print(f"wrote {page}")
    return ExitCode.CLEAN


def _is_long(b: Budget) -> bool:
    """Return True for a row with the lower target."""
    return b.threads == 1 and (b.seconds or 0.0) >= LONG


def _target(b: Budget) -> float:
    """Return the target of a row's detectable change."""
    return TARGET_LONG if _is_long(b) else TARGET_OTHERS


def _summary(rows: Sequence[Budget]) -> Iterable[str]:
    """Yield the share of rows that reach their target, by machine."""
    for machine in sorted({b.machine for b in rows}):
        parts = []
        for long, what in (
            (True, f"of {LONG * 1e3:g} ms and more on one processor"),
            (False, "of the others"),
        ):
            mine = [b for b in rows if b.machine == machine and _is_long(b) == long]
            if not mine:
                continue
            found = sum(b.noise(PAIRS).detectable <= _target(b) for b in mine)
            change = TARGET_LONG if long else TARGET_OTHERS
            parts.append(
                f"a change of {change:.0%} is found in {found} of {count(len(mine), 'row')} {what}"
            )
        yield f"\n{machine}: {'; '.join(parts)}."


def tables(rows: Sequence[Budget]) -> Iterable[str]:
    """Yield the tables as Markdown, by machine and backend.

    Args:
        rows: the budgets of all rows.

    Yields:
        Lines.
    """
    yield from _summary(rows)

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
            shown = f"{noise.detectable:.1%}"
            shown = f"**{shown}**" if noise.detectable > _target(b) else shown
            yield (f"| `{b.workload}` | {b.mode} | {b.threads or '–'} | {ms} | {noise.budget:.1%} "
                   f"| {shown} | {number(b.load)} |")  # fmt: skip


if __name__ == "__main__":
    start(main)

"""Make the covering arrays: rows with every feasible triple, or pair, of values on every backend.

The algorithm is greedy and deterministic: a row starts from the first combination not yet covered and takes, axis
by axis, the value that covers most. Combinations are counted *per backend*: a row that a framework cannot run
covers nothing there. tests/conformance/test_cases.py checks the result without this code.

Existing rows stay, so that a new dialect adds cases and changes none; ``--anew`` starts from an empty array.

    python -m evidence.covering
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from backends import BACKENDS, Dialect
from backends.dialects import unsupported
from commands.command_line import command, option, start
from conformance import cases
from conformance.cases.axes import AXES, CELLS, SIZES, Row, feasible
from records.exit_codes import ExitCode
from reference import Spec

ARRAYS = {
    "default_cases.txt": (3, "cpu"),
    "gradient_cases.txt": (2, "cpu"),
    "cuda_cases.txt": (2, "cuda"),
}
"""For each file: the number of axes whose values are combined, and the kind of device.

The last file is for backends that run on CUDA alone; it has the rows that they need besides
gradient_cases.txt.
"""

TRIES = 20
"""The number of orders of the axes that are tried for every row."""

Values = frozenset[tuple[str, str]]
Runs = Callable[[Row], bool]


def _dialects_of_kind(kind: str) -> list[Dialect]:
    """Return the dialects that run on a kind of device; for CUDA, only those that run nowhere else."""
    distinct = {id(entry.dialect): entry.dialect for entry in BACKENDS.values()}
    return [d for d in distinct.values() if ("cpu" in d.arithmetic) == (kind == "cpu")]


def runs_on(dialect: Dialect, row: Row, kind: str) -> bool:
    """Return True if a dialect can run a case with these values.

    Args:
        dialect: the dialect.
        row: values of the axes; it may leave axes open.
        kind: ``cpu`` or ``cuda``.

    Returns:
        False if the dialect does not support one of the values.

    """
    spec = Spec(
        **CELLS[row.get("cell", "lstm")],
        input_size=1,
        hidden_size=1,
        direction=row.get("direction", "forward"),  # type: ignore[arg-type]  # one of the Literal's
    )
    alone = row.get("lengths") == "zero" and SIZES.get(row.get("size", ""), (0,))[0] == 1
    zero = row.get("lengths") == "zero" and dialect.zero_length == "refused"
    lengths = (0,) if alone or zero else None
    return unsupported(dialect, spec, row.get("dtype", "float32"), lengths, kind) is None


def combinations(row: Row, strength: int) -> set[Values]:
    """Return every pair, or triple, of values in a row.

    Args:
        row: values of the axes.
        strength: 2 for pairs, 3 for triples.

    Returns:
        The combinations.

    """
    return {frozenset(c) for c in itertools.combinations(row.items(), strength)}


def _fill_row(
    row: dict[str, str], axes: list[str], runs: Runs, gain: Callable[[Row, str], int]
) -> Row:
    """Fill in open axes of a row in order, each with the feasible value of most gain; an empty row if none fits."""
    if not axes:
        return row
    axis, *rest = axes
    candidates = [{**row, axis: value} for value in AXES[axis]]
    possible = [c for c in candidates if feasible(c) and runs(c)]
    for candidate in sorted(possible, key=lambda c: -gain(c, axis)):
        if done := _fill_row(candidate, rest, runs, gain):
            return done
    return {}


def _feasible_combinations(runs: Runs, strength: int) -> set[Values]:
    """Return every combination that occurs in a whole row that can run."""
    new_rows = set()
    for axes in itertools.combinations(AXES, strength):
        rest = [axis for axis in AXES if axis not in axes]
        for values in itertools.product(*(AXES[axis] for axis in axes)):
            row = dict(zip(axes, values, strict=True))
            if feasible(row) and runs(row) and _fill_row(row, rest, runs, lambda *_: 0):
                new_rows.add(frozenset(row.items()))
    return new_rows


def _make_covering_array(strength: int, kind: str, kept: Sequence[Row]) -> list[Row]:
    """Return the kept rows and as many more as it takes to hold every combination on every dialect."""
    rng = random.Random(0)
    every: list[Runs] = [lambda row, d=d: runs_on(d, row, kind) for d in _dialects_of_kind(kind)]  # type: ignore[misc]  # a default argument binds d
    missing_by_dialect = [_feasible_combinations(runs, strength) for runs in every]

    def gain(row: Row, axis: str) -> int:
        """How many missing combinations that hold ``axis`` the row would add, over all dialects."""
        others = [item for item in row.items() if item[0] != axis]
        new = [frozenset((*c, (axis, row[axis])))
               for c in itertools.combinations(others, strength - 1)]  # fmt: skip
        return sum(c in missing for c in new
                   for missing, runs in zip(missing_by_dialect, every, strict=True) if runs(row))  # fmt: skip

    def take(row: Row) -> None:
        rows.append(row)
        covered = combinations(row, strength)
        for missing, runs in zip(missing_by_dialect, every, strict=True):
            if runs(row):
                missing.difference_update(covered)

    rows: list[Row] = []
    for row in kept:
        take(row)
    while any(missing_by_dialect):
        fullest = max(range(len(missing_by_dialect)), key=lambda k: len(missing_by_dialect[k]))
        best: tuple[int, Row] = (0, {})
        seed = dict(sorted(min(missing_by_dialect[fullest], key=sorted)))
        for _ in range(TRIES):
            axes = [axis for axis in AXES if axis not in seed]
            rng.shuffle(axes)
            row = _fill_row(seed, axes, every[fullest], gain)
            covered = combinations(row, strength)
            score = sum(len(covered & missing) for missing, runs in zip(missing_by_dialect, every, strict=True)
                        if runs(row))  # fmt: skip
            best = max(best, (score, row), key=lambda b: b[0])
        take(best[1])
        print(
            f"\r{len(rows)} rows, {sum(map(len, missing_by_dialect))} combinations left ",
            end="",
            flush=True,
        )
    print()
    return rows


@command("python -m evidence.covering")
@option("--anew")
def main(anew: bool) -> ExitCode:
    """Make the covering arrays of the default cases; rows that exist stay."""
    for file, (strength, kind) in ARRAYS.items():
        gradient_rows = cases.read_rows("gradient_cases.txt") if kind == "cuda" else []
        kept = [] if anew else cases.read_rows(file)
        new_rows = _make_covering_array(strength, kind, [*gradient_rows, *kept])[
            len(gradient_rows) :
        ]
        lines = sorted("/".join(row[axis] for axis in AXES) for row in new_rows)
        (Path(cases.__file__).parent / file).write_text("\n".join(lines) + "\n", "utf-8")
    return ExitCode.CLEAN


if __name__ == "__main__":
    start(main)

"""``python -m benchmarks.comparing.backends BACKEND BACKEND``: one backend beside another, on the same workloads in one run.

Their processes run in pairs on one processor, or on all, and take a sample each in turn, as two sides of a comparison do.
The figure is how many times as long the first one takes, with a 95 % interval: the median over pairs.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime

from msgspec.structs import replace
from rich.table import Table

from backends import BACKENDS
from benchmarks.comparing.pairs import Subject, timed
from benchmarks.comparing.self_comparison import HERE
from benchmarks.comparing.verdict import NOTHING_KNOWN, Change, Comparison, comparisons
from benchmarks.timing.options import Rows, add_all_processors, add_rows, check_backend, rows_of
from records.exit_codes import ExitCode
from records.options import Parser, counted
from records.text import number
from reports.terminal import standard_output

PAIRS = 5


def main(arguments: list[str]) -> int:
    """Time both, and print the table; 1 where a row does not agree, 4 where a process gave no answer."""
    parser = options()
    given = parser.parse_args(arguments)
    for name in (given.first, given.second):
        check_backend(parser, name)
    rows = rows_of(parser, given)
    console = standard_output()
    folder = given.out / "beside" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    both = Subject(given.second, HERE), Subject(given.first, HERE)
    of = timed(both, rows, range(given.pairs), folder, console)
    if of is None:
        return ExitCode.NOT_ENOUGH_DATA
    # A comparison is of one row on two sides; here its sides are backends.
    first = [replace(m, backend=given.second) for m in of.head]
    found = comparisons(of.base, first, lambda _: NOTHING_KNOWN)
    console.print(table(found, given.first, given.second, rows))
    return ExitCode.CONFORMANCE_FAILURE if any(c.differs for c in found) else ExitCode.CLEAN


def options() -> Parser:
    """The command line."""
    parser = Parser("python -m benchmarks.comparing.backends", __doc__)
    parser.add_argument(
        "first", metavar="BACKEND", help=f"one of {', '.join(BACKENDS)}, or from outside"
    )
    parser.add_argument("second", metavar="BACKEND", help="another one")
    add_rows(parser, "beside")
    add_all_processors(parser)
    parser.add_argument("--pairs", type=counted(3), default=PAIRS, metavar="N",
                        help=f"of processes (default: {PAIRS})")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a few workloads")
    return parser


def table(found: list[Comparison], first: str, second: str, rows: Rows) -> Table:
    """Every row, as a person reads it."""
    shown = Table(title=f"1: {first}\n2: {second}\nthe time of 1 by that of 2, {rows.where}", box=None,
                  title_justify="left", title_style="", pad_edge=False)  # fmt: skip
    for name in ("workload", "mode"):
        shown.add_column(name, no_wrap=True)
    for name in ("1, ms", "2, ms", "1 : 2", "95 %"):
        shown.add_column(name, justify="right", no_wrap=True)
    for c in found:
        words = c.base.first.workload, c.base.first.mode
        if c.refused:
            shown.add_row(*words, "", "", "", f"{c.refused.outcome}: no speed")
            continue
        shown.add_row(*words, number(c.head.seconds.value * 1e3), number(c.base.seconds.value * 1e3),
                      *times(c.change))  # fmt: skip
    return shown


def times(change: Change) -> tuple[str, str]:
    """A ratio and its interval."""
    low, value, high = (math.exp(x) for x in (change.low, change.value, change.high))
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

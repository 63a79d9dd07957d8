"""Make the tables: Markdown from the figures on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from conformance.agreement import Z
from conformance.cases import DTYPES
from evidence.calibration.constants import K_ACTS
from evidence.calibration.families import FAMILIES
from evidence.calibration.margins import OUTCOMES, Figures
from evidence.calibration.measurements import FIXED_LIMIT, QUANTILES

MAX_OPEN_ROWS = 24
"""The number of rows that a page shows at once; a longer table is folded."""

Rows: TypeAlias = Iterable[Sequence[object]]
K_ACT_COLUMNS = " | ".join(f"K_ACT = {k:g}" for k in K_ACTS)


class Table(NamedTuple):
    """A title, the columns' names between bars, and a function that makes the rows of the record."""

    title: str
    header: str
    rows: Callable[[Figures], Rows]


def page_tables(record: Figures) -> str:
    """Make every table of ``TABLES`` under its title.

    Args:
        record: the record.

    Returns:
        The Markdown text; long tables are folded.

    """
    return "\n\n".join(
        f"### {table.title}\n\n{fold(make_markdown(table.header, table.rows(record)))}"
        for table in TABLES
    )


def make_markdown(header: str, rows: Rows) -> str:
    """Make a Markdown table with shortened numbers.

    Args:
        header: the columns' names, separated by `` | ``.
        rows: the rows.

    Returns:
        The table.

    """
    names = header.split(" | ")
    lines = [names, ["---"] * len(names), *([shorten(v) for v in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fold(text: str) -> str:
    """Fold a long table, so that the reader has to open it.

    Args:
        text: a Markdown table.

    Returns:
        The table, in a ``details`` element if it has more than ``MAX_OPEN_ROWS`` rows.

    """
    rows = text.count("\n") - 1
    if rows <= MAX_OPEN_ROWS:
        return text
    return f"<details><summary>{rows} rows</summary>\n\n{text}\n\n</details>"


def shorten(value: object) -> str:
    """Format a value with three or four digits.

    Args:
        value: a number, a text or None.

    Returns:
        The text; — for None.

    """
    if not isinstance(value, float):
        return "—" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    if value and not 0.01 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def _ran(record: Figures) -> Rows:
    for name, f in record["implementations"].items():
        yield [name, f["version"], f"{f['python']}, {f['numpy']}", f["cpu"],
               f"{f['draws']}, {f['seed']}", f["reference"], f["constants"]]  # fmt: skip


def _every(record: Figures) -> list[tuple[str, Figures]]:
    """Return the implementation's name and the row, for all rows."""
    return [(name, row) for name, f in record["implementations"].items() for row in f["rows"]]


def _largest(rows: Iterable[Figures]) -> list[float | None]:
    """Return the largest error / σ̂ by dtype."""
    rows = list(rows)
    return [max((r["max_error"] for r in rows if r["dtype"] == d), default=None) for d in DTYPES]


def _by_implementation(record: Figures, *, steady: bool) -> Rows:
    for name, f in record["implementations"].items():
        rows = [r for r in f["rows"] if FAMILIES[r["family"]].steady == steady]
        outcomes = [r["outcome"] for r in rows]
        yield [name, *_largest(rows),
               *(max((r[k] for r in rows), default=None) for k in ("margin", "rms_to_limit")),
               *(outcomes.count(o) for o in reversed(OUTCOMES))]  # fmt: skip


def _by_family(record: Figures) -> Rows:
    for name, family in FAMILIES.items():
        rows = [r for _, r in _every(record) if r["family"] == name]
        yield [name, " × ".join(f"{n:,}" for n in family.sizes), *_largest(rows)]


def _far(record: Figures) -> Rows:
    rows = [(n, r) for n, r in _every(record) if r["outcome"] == "differs" or r["max_error"] > 6]
    for name, r in sorted(rows, key=lambda row: (row[1]["family"], row[1]["dtype"])):
        yield [r["family"], r["dtype"], name, r["outcome"], r["max_error"], r["mean_error"],
               r["rms_error"], r["rms_to_limit"], r["margin"], r["freedom"],
               r["bound_to_signal"]]  # fmt: skip


def _worst_by_family_and_dtype(record: Figures) -> Rows:
    def largest(figure: str) -> tuple[str, Figures]:
        return max(rows, key=lambda row: float(row[1][figure]))

    for family in FAMILIES:
        for dtype in DTYPES:
            rows = [x for x in _every(record) if (x[1]["family"], x[1]["dtype"]) == (family, dtype)]
            if rows:
                (by_error, error), (by_rms, rms) = largest("max_error"), largest("rms_to_limit")
                yield [family, dtype, error["max_error"], by_error, rms["rms_error"],
                       rms["rms_to_limit"], by_rms, largest("margin")[1]["margin"],
                       min(r["freedom"] for _, r in rows),
                       largest("bound_to_signal")[1]["bound_to_signal"]]  # fmt: skip


def _k_act(record: Figures) -> Rows:
    for name, f in record["implementations"].items():
        functions = (f["elementary"].get(function, [None, None]) for function in ("tanh", "σ"))
        yield [
            name,
            *(f["k_act"][f"{k:g}"] for k in K_ACTS),
            *(v for both in functions for v in both),
        ]


def _spread(record: Figures) -> Rows:
    for name, f in record["implementations"].items():
        for dtype, s in f["spread"].items():
            yield [name, dtype, s["elements"], *s["quantiles"], s["max"], s["exponential"],
                   s["normal"]]  # fmt: skip


def _small(record: Figures) -> Rows:
    bins = [(n, b) for n, f in record["implementations"].items() for b in f["small"]]
    for name, b in sorted(bins, key=lambda row: int(row[1]["freedom"][0])):
        yield [f"{b['freedom'][0]} to {b['freedom'][1]}", name, b["tensors"], *b["quantiles"],
               b["max"], b["beyond_fixed"], b["beyond_limit"], b["max_to_limit"]]  # fmt: skip


def _wrong(record: Figures) -> Rows:
    for w in record["wrong"]:
        unseen = ", ".join(f"{name} ({outcome})" for name, outcome in w["unseen"].items())
        yield [w["mistake"], w["dtype"], w["families"], *w["margin"], w["max_error"], w["seen"],
               w["seen_by_rms_alone"], unseen or "none"]  # fmt: skip


TABLES = (
    Table("What ran",
          "implementation | version | Python, NumPy | processor | draws, seed | reference"
          " | z, RMS floor, K_ACT", _ran),
    Table("Largest error / σ̂, without the steady families",
          f"implementation | {' | '.join(DTYPES)} | largest margin | largest RMS / limit | agrees"
          " | inconclusive | differs", lambda record: _by_implementation(record, steady=False)),
    Table("Largest error / σ̂, steady families",
          f"implementation | {' | '.join(DTYPES)} | largest margin | largest RMS / limit | agrees"
          " | inconclusive | differs", lambda record: _by_implementation(record, steady=True)),
    Table("Families: the largest error / σ̂ of any implementation",
          f"family | B × T × I × H | {' | '.join(DTYPES)}", _by_family),
    Table("Beyond 6 σ̂, or said to differ",
          "family | dtype | implementation | outcome | max error / σ̂ | mean | RMS | RMS / limit"
          " | margin | ν | bound / signal", _far),
    Table("Families: the worst implementation of each figure",
          "family | dtype | max error / σ̂ | of | RMS | RMS / limit | of | margin | least ν"
          " | bound / signal", _worst_by_family_and_dtype),
    Table("K_ACT: largest error / σ̂ in float32, and elementary functions in u",
          f"implementation | {K_ACT_COLUMNS} | tanh, max | tanh, RMS | σ, max | σ, RMS", _k_act),
    Table("K_ACT: median margin of wrong arithmetic in float32", f"mistake | {K_ACT_COLUMNS}",
          lambda record: ([w["mistake"], *w["k_act"]] for w in record["wrong"] if w["k_act"])),
    Table("Quantiles of error / σ̂ in magnitude, without the steady families",
          f"implementation | dtype | elements | {' | '.join(f'{q:.7g}' for q in QUANTILES)} | max"
          f" | P(> {Z:g}), exponential tail | P(> {Z:g}), normal tail", _spread),
    Table("RMS of small float32 tensors",
          f"ν | implementation | tensors | median | 90 % | 99 % | max | above {FIXED_LIMIT:g}"
          " | above the limit | max RMS / limit", _small),
    Table("Wrong arithmetic",
          "mistake | under the label | families it changes | least margin | median | largest"
          " | max error / σ̂ | seen | seen by the RMS alone | not seen in", _wrong),
    Table("Samples",
          f"K | scatter of σ̂ | 1/√(2K) | mean ν | scatter of ν | P(> {Z:g} σ̂) of a normal error",
          lambda record: ([s["samples"], s["scatter"], s["expected"], s["freedom"],
                           s["freedom_scatter"], s["student"]] for s in record["samples"])),
)  # fmt: skip

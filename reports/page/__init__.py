"""The page: the matrix and all that lies behind it, as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from records.reading import Run
from records.schema import CaseRecord
from records.text import clip, count, number, one_line, write_atomically
from reports.history.index import Point
from reports.history.run_diff import KINDS
from reports.history.trend import Trend
from reports.history.versions import fit_to_page
from reports.matrix import Column, Group, Matrix, label
from reports.mutation_score import other_suites, scores
from reports.outcomes import STATUSES, status
from reports.page import figures
from reports.page.drilldown import places
from reports.page.glossary import GLOSSARY
from reports.page.series_list import POINTS, SeriesLabel, group_by_label, listed_series
from reports.page.throughput import speed_table
from reports.precision import coarser_than_declared, precisions
from reports.scaling import sweeps


class Section(NamedTuple):
    """A part of the page: sections/ANCHOR.html.j2."""

    anchor: str
    title: str
    is_there: Callable[[Matrix], object] = lambda _: True


SECTIONS = (
    Section("matrix", "Matrix"),
    Section("throughput", "Throughput"),
    Section("cases", "Cases"),
    Section("known", "Known differences"),
    Section("precision", "Precision by name"),
    Section("versions", "Margins over versions", attrgetter("version_margins")),
    Section("mutants", "Mutants", attrgetter("mutant_run")),
    Section("fuzzing", "Fuzzing", attrgetter("fuzzed")),
    Section("not-run", "What did not run"),
    Section("changes", "Since the run before", attrgetter("run_diffs")),
    Section("history", "History"),
    Section("environment", "Environment"),
    Section("words", "Words"),
)
"""From what most people look for to what few do."""

SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")
SIZE = 1_480_000
"""Bytes of the page at most; cases have what all else leaves."""
CHANGES = 400
"""Since the runs before, that it has."""


def write_page(matrix: Matrix, folder: Path) -> Path:
    """Write ``index.html`` into ``folder``: whole, or not at all. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    write_atomically(page, render(matrix))
    return page


def render(matrix: Matrix) -> str:
    """The page as HTML; the same runs always give the same page."""
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"clip": clip, "line": one_line, "number": number, "breakable": breakable}
    jinja.globals |= {"count": count, "figures": figures, "label": label, "status": status,
                      "group_by_label": group_by_label, "zip": zip}  # fmt: skip
    trended = listed_series(matrix)
    filled = partial(
        jinja.get_template("index.html.j2").render,
        sections=[section for section in SECTIONS if section.is_there(matrix)],
        matrix=matrix,
        verdicts=_verdicts(matrix),
        statuses=STATUSES,
        glossary=GLOSSARY,
        reasons={name: _reasons(matrix, name) for name in ("known", "unsupported", "errored")},
        runs=_runs(matrix),
        mutated=matrix.mutant_run,
        scores=scores(matrix.mutant_run.mutants) if matrix.mutant_run else [],
        others=other_suites(matrix.mutant_run.mutants) if matrix.mutant_run else [],
        precisions=precisions(matrix),
        coarse=coarser_than_declared(matrix),
        speeds=speed_table(matrix.timings),
        spreads=fit_to_page(matrix.version_margins),
        swept=sweeps(matrix.timings),
        trended=trended,
        machines=len({trend.last.machine for trend in matrix.trends}),
        kinds=KINDS,
        changes_room=CHANGES,
        data=_data(matrix, trended),
        script=Markup(SCRIPT),  # our own
        script_hash=f"sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}",
    )
    room = SIZE - len(filled(places=places(matrix, 0)).encode())
    return filled(places=places(matrix, room))


def _data(matrix: Matrix, trended: Sequence[tuple[Trend, SeriesLabel]]) -> Markup:
    """What the script draws and compares with, as JSON that cannot end the element it stands in."""
    runs: dict[Point, int] = {}
    series = []
    for place, (trend, _) in enumerate(trended):
        points = []
        for point in trend.points[-POINTS:]:
            run = point._replace(value=None, low=None, high=None, outcome="")
            spread = (point.low, point.high) if point.low is not None else ()
            points.append((runs.setdefault(run, len(runs)), *map(_short, (point.value, *spread))))
        series.append({"row": f"s{place}", "name": one_line(str(trend.series)), "points": points})
    told = [{"id": one_line(r.run_id, 40), "at": r.at, "version": one_line(r.backend_version, 60),
             "fingerprint": one_line(r.fingerprint, 12)} for r in runs]  # fmt: skip
    headers = [column.run.header for column in matrix.columns]
    columns = [
        {"backend": h.backend, "device": h.device, "version": one_line(h.backend_version)}
        for h in headers
    ]
    return htmlsafe_json_dumps({"runs": told, "series": series, "columns": columns})


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _runs(matrix: Matrix) -> list[Run]:
    """Every run that the page shows something of, once."""
    runs = [*(column.run for column in matrix.columns), *matrix.timed,
            *(fuzzed.run for fuzzed in matrix.fuzzed)]  # fmt: skip
    return list({run.path: run for run in runs}.values())


def _verdicts(matrix: Matrix) -> list[tuple[Column, Group]]:
    """Each column and all its cases as one group."""
    found = []
    for place, column in enumerate(matrix.columns):
        absent = (case for row in matrix.rows for case in row.groups[place].absent)
        found.append((column, Group(column.run.cases, tuple(absent))))
    return found


def _reasons(matrix: Matrix, name: str) -> list[tuple[Column, str, list[CaseRecord]]]:
    """The records with the status ``name``, by column and reason, the most frequent first."""
    found: dict[tuple[int, str], list[CaseRecord]] = {}
    for place, column in enumerate(matrix.columns):
        for record in column.run.cases:
            if status(record) == name:
                found.setdefault((place, record.known or record.reason), []).append(record)
    ordered = sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
    return [(matrix.columns[place], why, records) for (place, why), records in ordered]


def breakable(name: str) -> Markup:
    """``name`` as HTML that may break after its signs, so that a long one fits a column."""
    return Markup("<wbr>").join(re.split(r"(?<=[_.:])", name))

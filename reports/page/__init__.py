"""Render the page: the matrix and its evidence, as one HTML file that needs no other file."""

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
from reports.column import Column, label
from reports.group import Group
from reports.history.index import Point
from reports.history.run_diff import KINDS
from reports.history.trend import Trend
from reports.history.versions import fit_to_page
from reports.matrix import Matrix
from reports.mutation_score import other_suites, scores
from reports.outcomes import STATUSES, status
from reports.page import figures
from reports.page.drilldown import ordered, places
from reports.page.glossary import GLOSSARY
from reports.page.series_list import POINTS, SeriesLabel, group_by_label, listed_series
from reports.page.throughput import speed_table
from reports.precision import coarser_than_declared, precisions
from reports.scaling import sweeps


class Section(NamedTuple):
    """One section of the page, rendered from sections/ANCHOR.html.j2."""

    anchor: str
    title: str
    is_there: Callable[[Matrix], object] = lambda _: True


SECTIONS = (
    Section("matrix", "Results"),
    Section("throughput", "Throughput"),
    Section("cases", "Cases and evidence"),
    Section("known", "Known differences"),
    Section("precision", "Precision"),
    Section("versions", "Margins by version", attrgetter("version_margins")),
    Section("mutants", "Mutants", attrgetter("mutant_run")),
    Section("fuzzing", "Fuzzing", attrgetter("fuzzed")),
    Section("not-run", "Not run"),
    Section("changes", "Changes since the previous run", attrgetter("run_diffs")),
    Section("history", "History and regressions"),
    Section("environment", "Environment"),
    Section("words", "Glossary"),
)
"""The sections, the most wanted first."""

SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")
SIZE = 1_480_000
"""Most bytes of the page; cases fill what the other sections leave."""
CHANGES = 400
"""Most changes since the previous runs that the page lists."""
COMBINED = 5
"""Most runs of a column whose environment the page lists: the latest ones."""


def write_page(matrix: Matrix, folder: Path) -> Path:
    """Write ``index.html`` completely or not at all.

    Args:
        matrix: the matrix.
        folder: folder of the page; created if missing.

    Returns:
        Path of the page.

    Raises:
        OSError: if the page cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    write_atomically(page, render(matrix))
    return page


def render(matrix: Matrix) -> str:
    """Render the page; the same runs always give the same page.

    Args:
        matrix: the matrix.

    Returns:
        HTML.

    """
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
    listed = listed_series(matrix)
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
        listed=listed,
        machines=len({trend.last.machine for trend in matrix.trends}),
        kinds=KINDS,
        changes_room=CHANGES,
        data=_data(matrix, listed),
        script=Markup(SCRIPT),  # page.js, not user data
        script_hash=f"sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}",
    )
    none, room = places(matrix, 0), SIZE
    room -= len(filled(places=none, evidence=ordered(none)).encode())
    shown = places(matrix, room)
    return filled(places=shown, evidence=ordered(shown))


def _data(matrix: Matrix, listed: Sequence[tuple[Trend, SeriesLabel]]) -> Markup:
    """Return the script's data as JSON that cannot close the element that holds it."""
    runs: dict[Point, int] = {}
    series = []
    for place, (trend, _) in enumerate(listed):
        points = []
        for point in trend.points[-POINTS:]:
            run = point._replace(value=None, low=None, high=None, outcome="")
            spread = (point.low, point.high) if point.low is not None else ()
            points.append((runs.setdefault(run, len(runs)), *map(_short, (point.value, *spread))))
        series.append({"row": f"s{place}", "name": one_line(str(trend.series)), "points": points})
    run_data = [{"id": one_line(r.run_id, 40), "at": r.at, "version": one_line(r.backend_version, 60),
             "fingerprint": one_line(r.fingerprint, 12)} for r in runs]  # fmt: skip
    headers = [column.run.header for column in matrix.columns]
    columns = [
        {"backend": h.backend, "device": h.device, "version": one_line(h.backend_version)}
        for h in headers
    ]
    return htmlsafe_json_dumps({"runs": run_data, "series": series, "columns": columns})


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _runs(matrix: Matrix) -> list[Run]:
    """Return every run that the page shows, once."""
    runs = [*(run for column in matrix.columns for run in column.runs[-COMBINED:]), *matrix.timed,
            *(fuzzed.run for fuzzed in matrix.fuzzed)]  # fmt: skip
    return list({run.path: run for run in runs}.values())


def _verdicts(matrix: Matrix) -> list[tuple[Column, Group, int]]:
    """Return each column with all its cases as one group, and the alarms of fuzzing the same version."""
    found = []
    for place, column in enumerate(matrix.columns):
        absent = (case for row in matrix.rows for case in row.groups[place].absent)
        alarms = sum(f.alarms for f in matrix.fuzzed if label(f.run) == column.label)
        found.append((column, Group(column.cases, tuple(absent)), alarms))
    return found


def _reasons(matrix: Matrix, name: str) -> list[tuple[Column, str, list[CaseRecord]]]:
    """Return the cases with one status by column and reason, the most frequent reason first."""
    found: dict[tuple[int, str], list[CaseRecord]] = {}
    for place, column in enumerate(matrix.columns):
        for record in column.cases:
            if status(record) == name:
                found.setdefault((place, record.known or record.reason), []).append(record)
    ordered = sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
    return [(matrix.columns[place], why, records) for (place, why), records in ordered]


def breakable(name: str) -> Markup:
    """Allow line breaks after punctuation, so that a long name fits a column.

    Args:
        name: the name.

    Returns:
        HTML.

    """
    return Markup("<wbr>").join(re.split(r"(?<=[/_.:])", name))

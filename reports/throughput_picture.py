"""Draw the throughput figure and table of docs/results from run files.

    docs/results/throughput.svg     times of every backend with intervals, one panel per workload and mode
    docs/results/throughput.md      times on one core as a table between two comments, with the environment

Only rows with a confidence interval are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from commands.command_line import Refused, command, option, refusing, start
from records.exit_codes import ExitCode
from records.reading import Run
from records.runs import read_folder
from records.text import number, one_line, replace_between, write_atomically
from records.timing import Timing, timings
from reports.matrix import build_matrix

BEGIN, END = (
    "<!-- throughput: python -m reports.throughput_picture -->",
    "<!-- end of throughput -->",
)
"""Marker lines between which the README's table is written."""

COLOURS = {"tensorflow": "#EE7733", "torch": "#AA3377", "jax": "#0077BB"}
"""Colours by framework: the first word of a backend's version."""
OTHER = "#555555"
"""Colour of any other framework."""

MARKS = {True: ("o", "one processor"), False: ("D", "all processors")}
"""Marker and legend of rows on one core (True) and on all cores (False)."""

Panel = tuple[str, str]
"""A workload and a mode."""


class Row(NamedTuple):
    """Times of one backend, device and dtype, by panel and by whether the row ran on one core."""

    name: str
    framework: str
    times: dict[tuple[Panel, bool], Timing]


def rows(runs: Iterable[Run]) -> list[Row]:
    """Collect the rows that have intervals.

    Args:
        runs: runs with measurements.

    Returns:
        One row per backend, device and dtype, sorted by framework and name.

    """
    found: dict[tuple[str, ...], Row] = {}
    for run in runs:
        framework = run.header.backend_version.partition(" ")[0]
        for t in filter(_has_interval, timings(run.measurements)):
            m = t.first
            key = framework, _name(t), m.backend, m.device, m.dtype
            row = found.setdefault(key, Row(_name(t), framework, {}))
            row.times[panel(t), t.first.threads == 1] = t
    return [row for _, row in sorted(found.items())]


def _name(t: Timing) -> str:
    """Return the backend, with device and dtype where they are not CPU and float32."""
    backend, device, dtype = t.first.backend.rpartition(":")[2], t.first.device, t.first.dtype
    other = [*([device] if device != "cpu" else []), *([dtype] if dtype != "float32" else [])]
    return re.sub("[|`]", "", one_line(" ".join([backend, *other])))


def panel(t: Timing) -> Panel:
    """Return the panel of a row.

    Args:
        t: the row.

    Returns:
        Workload and mode.

    """
    return t.first.workload, t.first.mode


def panels(backends: Sequence[Row]) -> list[Panel]:
    """List the panels of some rows.

    Args:
        backends: the rows.

    Returns:
        Each panel once, sorted.

    """
    return sorted({where for row in backends for where, _ in row.times})


def draw_figure(backends: Sequence[Row]) -> Figure:
    """Draw times on logarithmic axes: one row of panels per workload, one column per mode.

    Args:
        backends: the rows.

    Returns:
        The figure.

    """
    shown = panels(backends)
    workloads, modes = (list(dict.fromkeys(words)) for words in zip(*shown, strict=True))
    height = 0.7 + len(workloads) * (0.55 + 0.21 * len(backends))
    figure = Figure((9, height), layout="constrained")
    axes = figure.subplots(len(workloads), len(modes), sharey=True, sharex="row", squeeze=False)
    for workload, row_axes in zip(workloads, axes, strict=True):
        for mode, axis in zip(modes, row_axes, strict=True):
            axis.set_title(f"{workload}, {mode}", fontsize=9, loc="left")
            _draw(axis, backends, (workload, mode))
    for axis in axes[-1]:
        axis.set_xlabel("ms per call", fontsize=8)
    marks = [axes[0][0].plot([], [], mark, color=OTHER, fillstyle="full" if one else "none", label=word)[0]
             for one, (mark, word) in MARKS.items()]  # fmt: skip
    figure.legend(handles=marks, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def _draw(axis: Any, backends: Sequence[Row], where: Panel) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(backends)), [row.name for row in backends], fontsize=8)
    axis.set_ylim(len(backends) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(visible=True, color="#dddddd")
    axis.set_axisbelow(True)
    for place, row in enumerate(backends):
        colour = COLOURS.get(row.framework, OTHER)
        for one, (mark, _) in MARKS.items():
            t = row.times.get((where, one))
            if t is None:
                continue
            low, high = t.seconds.interval or (t.seconds.value, t.seconds.value)
            axis.plot([low * 1e3, high * 1e3], [place, place], color=colour, linewidth=2)
            axis.plot([t.seconds.value * 1e3], [place], mark, color=colour, markersize=5,
                      fillstyle="full" if one else "none")  # fmt: skip


def table(backends: Sequence[Row]) -> str:
    """Format the times on one core as a Markdown table.

    Args:
        backends: the rows.

    Returns:
        The table; one column per workload and mode.

    """
    shown = [
        where for where in panels(backends) if any((where, True) in row.times for row in backends)
    ]
    heads = [f"{workload.rpartition('/')[2]} {mode}" for workload, mode in shown]
    lines = [["backend", *heads], ["---", *["---:"] * len(shown)]]
    for row in backends:
        times = [row.times.get((where, True)) for where in shown]
        lines.append([f"`{row.name}`", *map(_cell, times)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(t: Timing | None) -> str:
    if t is None or t.seconds.interval is None:
        return "–"
    low, high = (number(s * 1e3) for s in t.seconds.interval)
    return f"{number(t.seconds.value * 1e3)} ({low} to {high})"


def _has_interval(t: Timing) -> bool:
    return not t.refused and t.seconds.interval is not None


def describe_environment(runs: Sequence[Run], backends: Sequence[Row]) -> str:
    """Describe the machine, versions, dates and number of processes behind some rows.

    Args:
        runs: the runs of the rows.
        backends: the rows.

    Returns:
        One sentence.

    Raises:
        ValueError: if the runs are from several machines or Python versions.

    """
    shown = [t for row in backends for t in row.times.values()]
    names = {t.first.backend for t in shown}
    headers = [run.header for run in runs if run.header.backend in names]
    machines = {(h.environment.machine, h.environment.python) for h in headers}
    if len(machines) != 1:
        raise ValueError(
            f"the runs are from {len(machines)} machines or Python versions; expected one"
        )
    ((machine, python),) = machines
    versions = sorted({h.backend_version for h in headers})
    days = sorted({h.started_at[:10] for h in headers})
    processes = sorted({len(t.measurements) for t in shown})
    words = (
        machine,
        python,
        ", ".join(versions),
        f"{_range(processes)} processes per row",
        _range(days),
    )
    return f"{'; '.join(_plain(word) for word in words)}."


def _range(ordered: Sequence[object]) -> str:
    return f"{ordered[0]}" if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def _plain(word: str) -> str:
    """Remove the characters that have a meaning in Markdown."""
    return re.sub(r"[<>|`*_\[\]\\]", "", one_line(word, 300))


def render_svg(backends: Sequence[Row]) -> str:
    """Render the figure as SVG; the same rows give the same bytes, and text stays text.

    Args:
        backends: the rows.

    Returns:
        The SVG.

    """
    to = StringIO()
    with mpl.rc_context(
        {"svg.hashsalt": "rnnspec", "svg.fonttype": "none", "text.parse_math": False}
    ):
        draw_figure(backends).savefig(to, format="svg", metadata={"Date": None})
    return to.getvalue()


@command("python -m reports.throughput_picture")
@option("--runs")
@option("--picture", default=Path("docs/results/throughput.svg"))
@option("--page", default=Path("docs/results/throughput.md"))
def main(runs: Path, picture: Path, page: Path) -> ExitCode:
    """Draw the throughput of all backends, and write its table into the page."""
    found_runs, bad = read_folder(runs)
    if bad:
        raise Refused(f"--runs: {bad[0]}")
    timed = build_matrix(found_runs).timed
    found = rows(timed)
    if not found:
        raise Refused(f"--runs: {runs} has no row with an interval; measure with "
                      "`rnnspec bench --processes 3` or more processes")  # fmt: skip
    with refusing(OSError, ValueError):
        text = f"{describe_environment(timed, found)}\n\n{table(found)}"
        new = replace_between(page.read_text("utf-8"), BEGIN, END, text)
        for path, content in ((picture, render_svg(found)), (page, new)):
            write_atomically(path, content)
            print(f"wrote {path}")
    return ExitCode.CLEAN


if __name__ == "__main__":
    start(main)

"""Export Markdown for a CI step summary or a pull request: failures, regressions and throughput.

GitHub refuses comments of more than 65,536 characters; the lines that do not fit are counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from records.text import count, number, one_line
from records.timing import Timing
from reports.column import Column
from reports.exports.names import column_name, timing_name
from reports.matrix import Matrix
from reports.outcomes import FAILURES, STATUSES, margin, status

ROOM = 60_000
"""Most characters, with room for text that the poster adds."""


def text(matrix: Matrix) -> str | None:
    """Export the whole summary.

    Args:
        matrix: the matrix.

    Returns:
        Markdown; None if there is no result.

    """
    lines = [*_unreadable(matrix), *_conformance(matrix), *_fuzzing(matrix), *_changes(matrix),
             *_throughput(matrix.timings)]  # fmt: skip
    if not lines:
        return None
    return "\n".join(fitting(lines)) + "\n"


def fitting(lines: list[str], room: int = ROOM) -> Iterator[str]:
    """Yield the lines that fit, then a count of the lines that do not.

    Args:
        lines: all lines.
        room: number of characters available.

    Yields:
        The lines.

    """
    for place, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            yield f"\n… {count(len(lines) - place, 'more line')} omitted."
            return
        yield line


def _unreadable(matrix: Matrix) -> Iterator[str]:
    for bad in matrix.bad:
        yield f"**Unreadable file:** {_code(bad.path.name)}: {_code(bad.why)}\n"


def _fuzzing(matrix: Matrix) -> Iterator[str]:
    for fuzzed in matrix.fuzzed:
        header = fuzzed.run.header
        yield f"\nFuzzing {_code(f'{header.backend} @ {header.device}')}: {count(fuzzed.checks, 'check')}, {count(fuzzed.alarms, 'alarm')}\n"
        for record in fuzzed.found:
            yield f"- {_code(record.case)}: {_code(record.repeat)}"


def _conformance(matrix: Matrix) -> Iterator[str]:
    if not matrix.columns:
        return
    yield "### Agreement with the specification\n"
    yield "| backend | agree / supported | differ | known | inconclusive | errored | unsupported | not run |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for column in matrix.columns:
        total, mark = column.total, "" if column.complete else " (interrupted)"
        counts = [
            total.counts[n] for n in ("differs", "known", "inconclusive", "errored", "unsupported")
        ]
        cells = [f"{_code(column_name(column))}{mark}", f"{total.agrees:,} / {total.applicable:,}",
                 *(f"{n:,}" for n in counts), f"{column.unreached:,}"]  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    for column in matrix.columns:
        if column.origin:
            yield f"\n{_code(column_name(column))} combines runs: {_code(column.origin)}\n"
    for column in matrix.columns:
        yield from _failures(column)


def _failures(column: Column) -> Iterator[str]:
    found = [record for record in column.cases if status(record) in FAILURES]
    if not found:
        return
    yield f"\n**{_code(column_name(column))}: {count(len(found), 'case')}**\n"
    for record in found:
        shown = STATUSES[status(record)]
        yield f"- {shown.glyph} {shown.word} {_code(record.case)}, margin {number(margin(record))}: {_code(record.repeat)}"


def _changes(matrix: Matrix) -> Iterator[str]:
    changed = [trend for trend in matrix.trends if trend.since]
    if not changed and not matrix.triage.stale:
        return
    acknowledged = {trend.key for trend, _ in matrix.triage.acknowledged}
    yield "\n### Changes\n"
    for entry in matrix.triage.stale:
        yield f"- **triage.toml entry matches nothing:** {_code(entry.series)}, since {_code(entry.since)}"
    for trend in sorted(changed, key=lambda t: (t.verdict, t.key), reverse=True):
        word = "worse, acknowledged" if trend.key in acknowledged else trend.verdict
        since = trend.since.run_id if trend.since else ""
        yield f"- {word}: {_code(str(trend.series))} {trend.percent}, since run {_code(since)}"


def _throughput(timings: list[Timing]) -> Iterator[str]:
    if not timings:
        return
    yield "\n### Throughput\n"
    yield "| row | ms | 95 % | % of limit |"
    yield "|---|---:|---:|---:|"
    for t in timings:
        if t.refused:
            yield f"| {_code(timing_name(t))} | no speed: {_code(t.refused.reason or 'not timed')} | | |"
            continue
        interval = t.seconds.interval
        within = f"{number(interval[0] * 1e3)} to {number(interval[1] * 1e3)}" if interval else "–"
        share = number(t.limit_share.value * 100) if t.limit_share else "–"
        yield f"| {_code(timing_name(t))} | {number(t.seconds.value * 1e3)} | {within} | {share} |"


def _code(untrusted: str) -> str:
    """Format untrusted text as code that neither Markdown nor HTML interprets and that ends no table cell."""
    shown = one_line(untrusted, 600).replace("|", "¦") or " "
    longest = max((len(run) for run in _backticks(shown)), default=0)
    if longest > 5:  # a long fence would take the room of other lines
        shown, longest = shown.replace("`", "ˋ"), 0
    fence, pad = "`" * (1 + longest), " " if longest else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _backticks(untrusted: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in untrusted).split()

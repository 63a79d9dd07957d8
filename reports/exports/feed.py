"""Export an Atom feed (RFC 4287) of regressions, for feed readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from xml.etree import ElementTree as ET

from records.text import number, one_line
from reports.history.trend import Trend
from reports.matrix import Matrix

ATOM = "http://www.w3.org/2005/Atom"
NAME = "tag:rnnspec,2026:"


def text(matrix: Matrix) -> str | None:
    """Export one feed entry per open regression.

    A feed without entries is still written, because a reader reports a missing feed as an error.

    Args:
        matrix: the matrix.

    Returns:
        XML; None if there is no series.

    """
    if not matrix.trends:
        return None
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    latest = max(trend.last.at for trend in matrix.trends)
    _fill(feed, id=f"{NAME}regressions", title="rnnspec: regressions", updated=_time(latest))
    author = ET.SubElement(feed, f"{{{ATOM}}}author")
    _fill(author, name="rnnspec")
    for trend in sorted(matrix.triage.regressions, key=_began, reverse=True):
        _fill(ET.SubElement(feed, f"{{{ATOM}}}entry"), **_entry(trend))
    ET.indent(feed)
    return ET.tostring(feed, encoding="unicode", xml_declaration=True) + "\n"


def _entry(trend: Trend) -> dict[str, str]:
    since = trend.since or trend.last
    series = one_line(str(trend.series), 300)
    # The same regression keeps its id in every feed.
    digest = sha256(f"{trend.series} {since.run_id}".encode()).hexdigest()[:20]
    return {
        "id": f"{NAME}{digest}",
        "title": f"{series}: {trend.percent}",
        "updated": _time(since.at),
        "content": f"On {one_line(since.machine)}. Since run {one_line(since.run_id)} of {one_line(since.backend_version)}, commit "
                   f"{one_line(since.commit or 'unknown')}. Last value: {number(trend.last.value)}.",
    }  # fmt: skip


def _began(trend: Trend) -> tuple[int, str]:
    return (trend.since or trend.last).at, str(trend.series)


def _fill(element: ET.Element, **words: str) -> None:
    for name, word in words.items():
        ET.SubElement(element, f"{{{ATOM}}}{name}").text = word


def _time(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat()

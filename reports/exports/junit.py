"""Export JUnit XML, which every CI reads: one suite per column, and one for each backend's throughput.

A case that differs is a failure. A case that errored or was not reached is an error. Inconclusive, known,
unsupported and missing cases are skipped with a reason and never pass. Figures are properties; ``time`` is
the case's run time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from records.reading import BadRunFile
from records.schema import CaseRecord
from records.text import clip, number
from records.timing import Timing
from reports.column import Column
from reports.exports.names import column_name, timing_name
from reports.fuzzing import FuzzResult
from reports.matrix import Matrix
from reports.outcomes import STATUSES, margin, status

ELEMENT = {"differs": "failure", "errored": "error", "agrees": ""}
"""JUnit element by status; any other status is skipped."""


def text(matrix: Matrix) -> str | None:
    """Export all suites.

    Args:
        matrix: the matrix.

    Returns:
        XML; None if there is no result.

    """
    top = ET.Element("testsuites", name="rnnspec")
    for column in matrix.columns:
        _suite(top, column)
    for run in matrix.timed:
        own = [t for t in matrix.timings if (t.first.backend, t.first.device) ==
               (run.header.backend, run.header.device)]  # fmt: skip
        _timed(top, f"{run.header.backend} @ {run.header.device}, throughput", own)
    for fuzzed in matrix.fuzzed:
        _fuzzed(top, fuzzed)
    if matrix.bad:
        _unreadable(top, matrix.bad)
    if not len(top):
        return None
    ET.indent(top)
    return ET.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _unreadable(top: ET.Element, files: Sequence[BadRunFile]) -> None:
    suite = ET.SubElement(top, "testsuite", name="unreadable files")
    for bad in files:
        case = ET.SubElement(suite, "testcase", classname="reports", name=_safe(bad.path.name))
        _result(case, "errored", bad.why)
    _count(suite)


def _suite(top: ET.Element, column: Column) -> None:
    suite = ET.SubElement(top, "testsuite", name=_safe(column_name(column)),
                          timestamp=column.run.started.strftime("%Y-%m-%dT%H:%M:%S"))  # fmt: skip
    for record in column.cases:
        _case(suite, record)
    if reason := column.why_incomplete:
        of = _safe(f"{column.run.header.backend}.{column.run.header.device}")
        case = ET.SubElement(suite, "testcase", classname=of, name="the whole run")
        _result(case, "errored", reason)
    _count(suite)


def _case(suite: ET.Element, record: CaseRecord) -> None:
    case = ET.SubElement(suite, "testcase", classname=_safe(f"{record.backend}.{record.device}"),
                         name=_safe(record.case), time=f"{sum(record.seconds.values()):.3f}")  # fmt: skip
    figures = {"margin": number(margin(record)), "fingerprint": record.fingerprint or "none",
               "arithmetic": record.arithmetic, "repeat": record.repeat}  # fmt: skip
    _properties(case, figures)
    name = status(record)
    why = record.known or record.reason or STATUSES[name].meaning
    _result(case, name, f"{STATUSES[name].word}: {why}", record.card)


def _timed(top: ET.Element, name: str, own: list[Timing]) -> None:
    suite = ET.SubElement(top, "testsuite", name=_safe(name))
    for t in own:
        m = t.first
        case = ET.SubElement(suite, "testcase", classname=_safe(f"{m.backend}.{m.device}.throughput"),
                             name=_safe(timing_name(t)))  # fmt: skip
        if t.refused is None:
            _properties(case, _figures(t))
            continue
        untimed = t.refused.outcome == "agrees"
        _result(case, "missing" if untimed else t.refused.outcome, f"no speed: {t.refused.reason}")
    _count(suite)


def _fuzzed(top: ET.Element, fuzzed: FuzzResult) -> None:
    """Add one test for all checks that passed, and one for every find."""
    header = fuzzed.run.header
    suite = ET.SubElement(
        top, "testsuite", name=_safe(f"{header.backend} @ {header.device}, fuzzing")
    )
    of = _safe(f"{header.backend}.{header.device}.fuzzing")
    case = ET.SubElement(suite, "testcase", classname=of, name=f"{fuzzed.checks} checks")
    if fuzzed.alarms:
        _result(case, "differs", f"{fuzzed.alarms} alarms")
    for record in fuzzed.found:
        _case(suite, record)
    _count(suite)


def _result(case: ET.Element, name: str, message: str, evidence: str = "") -> None:
    element = ELEMENT.get(name, "skipped")
    if element:
        found = ET.SubElement(case, element, message=_safe(message))
        found.text = _safe(evidence) or None
        if element != "skipped":
            found.set("type", name)


def _figures(t: Timing) -> dict[str, str]:
    found = {"milliseconds": number(t.seconds.value * 1e3), "repeat": t.first.repeat}
    if t.seconds.interval:
        low, high = t.seconds.interval
        found["milliseconds 95 %"] = f"{number(low * 1e3)} to {number(high * 1e3)}"
    if t.limit_share:
        found["% of limit"] = number(t.limit_share.value * 100)
    return found


def _properties(case: ET.Element, figures: dict[str, str]) -> None:
    of = ET.SubElement(case, "properties")
    for name, value in figures.items():
        ET.SubElement(of, "property", name=name, value=_safe(value))


def _count(suite: ET.Element) -> None:
    kinds = Counter(element.tag for case in suite for element in case)
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(kinds[tag]))
    suite.set("tests", str(len(suite)))


def _safe(untrusted: str) -> str:
    r"""Escape characters that XML cannot hold, such as ``\x1b`` and lone surrogates."""
    return clip(untrusted)

"""Print what a session found: failure cards, unsupported options, the matrix, and where the run files are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from conformance.cards.failure_card import LIKELY
from conformance.known_differences import KnownDifference
from records.reading import Run
from records.schema import CaseRecord, Footer
from records.text import count
from reports.matrix import build_matrix
from reports.terminal import text

MOST_CARDS = 3
"""Cards that are printed, all of different kinds; the page has every card."""


def print_summary(
    reporter: pytest.TerminalReporter, runs: Sequence[Run], stale: Sequence[KnownDifference]
) -> None:
    """Print what a session found.

    Args:
        reporter: pytest's terminal.
        runs: the run files that the session wrote.
        stale: entries of known.toml that no difference matches.

    """
    records = [record for run in runs for record in run.cases]
    _print_cards(reporter, records)
    for reason, cases in Counter(r.reason for r in records if r.outcome == "unsupported").items():
        reporter.write_line(f"unsupported in {count(cases, 'case')}: {reason}")
    reporter.write_line("")
    reporter.write(text(build_matrix(list(runs)), to_terminal=bool(reporter.isatty)))
    for entry in stale:
        reporter.write_line(f"known.toml: no difference matches this entry: {entry}", red=True)
    for run in runs:
        reporter.write_line(f"{run.header.backend}: {_seconds(run.cases)}")
    for run in runs:
        if run.footer and run.footer.deselected:
            reporter.write_line(_selection(run, run.footer), yellow=True)
        reporter.write_line(f"wrote {run.path}")


def _selection(run: Run, footer: Footer) -> str:
    """Return a sentence on how many of a backend's cases were selected, so that ✓ is not taken for all of them."""
    return (f"{run.header.backend}: {footer.selected:,} of {footer.selected + footer.deselected:,} cases selected; "
            "options such as --case, --dtype and -k left out the others, so ✓ says nothing about them")  # fmt: skip


def _print_cards(reporter: pytest.TerminalReporter, records: Sequence[CaseRecord]) -> None:
    """Print one card of each kind of failure, and count the others."""
    kinds = failures_by_kind(records)
    for record, *others in kinds[:MOST_CARDS]:
        reporter.write_line("")
        reporter.write_line(record.card or f"{record.outcome}: {record.case}\n  {record.reason}")
        if others:
            reporter.write_line(f"  {count(len(others), 'more case')} like this")
    if rest := sum(map(len, kinds[MOST_CARDS:])):
        reporter.write_line(f"\n{count(rest, 'case')} failed in other ways")
    if rest or any(len(alike) > 1 for alike in kinds):
        reporter.write_line("`rnnspec report` writes a page with all cards")


def failures_by_kind(records: Sequence[CaseRecord]) -> list[list[CaseRecord]]:
    """Group the failures that are not known by their kind.

    Args:
        records: the records of a session.

    Returns:
        The failures of each kind, the largest margins first. Results without a margin, such as NaN, come before all.

    """
    failed = [r for r in records
              if r.outcome in ("differs", "errored", "inconclusive") and r.known is None]  # fmt: skip
    kinds: dict[tuple[str, ...], list[CaseRecord]] = {}
    for record in sorted(failed, key=_badness, reverse=True):
        kinds.setdefault(_kind(record), []).append(record)
    return list(kinds.values())


def _badness(record: CaseRecord) -> float:
    """Return the largest margin; infinity without one, as of a result that is not finite."""
    return float("inf") if record.margin is None else record.margin


def _kind(record: CaseRecord) -> tuple[str, ...]:
    """Return the kind of a failure: the mistake that it looks like, or else the reason without numbers."""
    if likely := re.search(rf"^  {LIKELY} +(.*?)(?: \(|$)", record.card, re.MULTILINE):
        return record.backend, record.outcome, likely[1]
    return record.backend, record.outcome, re.sub(r"[\d.e+-]*\d", "#", record.reason)


def _seconds(records: Sequence[CaseRecord]) -> str:
    """Return the time that a backend's cases took, in seconds by activity, summed over all workers."""
    seconds_by_activity: Counter[str] = Counter()
    for found in records:
        seconds_by_activity.update(found.seconds)
    return ", ".join(
        f"{seconds:.1f} s {what.replace('_', ' ')}" for what, seconds in seconds_by_activity.items()
    )

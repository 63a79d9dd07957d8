"""Print what a session found: failure cards, unsupported options, the matrix, and where the run files are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from conformance.known_differences import KnownDifference
from records.reading import Run
from records.schema import CaseRecord
from reports.matrix import build_matrix
from reports.terminal import text

MOST_CARDS = 10
"""Cards that are printed; the page has all of them."""


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
    for reason, count in Counter(r.reason for r in records if r.outcome == "unsupported").items():
        reporter.write_line(f"unsupported in {count} case{'s' * (count > 1)}: {reason}")
    reporter.write_line("")
    reporter.write(text(build_matrix(list(runs)), to_terminal=bool(reporter.isatty)))
    for entry in stale:
        reporter.write_line(f"known.toml: no difference matches this entry: {entry}", red=True)
    for run in runs:
        reporter.write_line(f"{run.header.backend}: {_seconds(run.cases)}")
    for run in runs:
        reporter.write_line(f"wrote {run.path}")


def _print_cards(reporter: pytest.TerminalReporter, records: Sequence[CaseRecord]) -> None:
    """Print the card of each case that failed and is not known to, the largest margins first."""
    failed = [r for r in records
              if r.outcome in ("differs", "errored", "inconclusive") and r.known is None]  # fmt: skip
    failed.sort(key=lambda r: r.margin or float("inf"), reverse=True)
    for record in failed[:MOST_CARDS]:
        reporter.write_line("")
        reporter.write_line(record.card or f"{record.outcome}: {record.case}\n  {record.reason}")
    if more := failed[MOST_CARDS:]:
        reporter.write_line(
            f"\n{len(more)} more failed; `rnnspec report` writes a page with all cards"
        )


def _seconds(records: Sequence[CaseRecord]) -> str:
    """Return the time that a backend's cases took, in seconds by activity, summed over all workers."""
    seconds_by_activity: Counter[str] = Counter()
    for found in records:
        seconds_by_activity.update(found.seconds)
    return ", ".join(
        f"{seconds:.1f} s {what.replace('_', ' ')}" for what, seconds in seconds_by_activity.items()
    )

"""Choose the exit code of the results that a report shows."""

from __future__ import annotations

from collections import Counter

from records.exit_codes import ExitCode, exit_code
from records.schema import Outcome
from reports.matrix import Matrix


def exit_code_of(shown: Matrix) -> ExitCode:
    """Return the exit code of the results that a report shows.

    Args:
        shown: the matrix.

    Returns:
        The exit code.
    """
    alarms: Counter[Outcome] = Counter({"differs": sum(fuzzed.alarms for fuzzed in shown.fuzzed)})
    return exit_code(
        shown.outcomes + alarms,
        known=sum(column.total.counts["known"] for column in shown.columns),
        missing=sum(column.unreached for column in shown.columns),
        stale=sum(len(column.stale) for column in shown.columns) + len(shown.triage.stale),
        regressions=len(shown.triage.regressions),
        harness_errors=len(shown.bad) + len(shown.interrupted),
    )

"""Exit codes that tell CI how a command ended; the same for every command of the project."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from records.schema import Outcome


class ExitCode(IntEnum):
    """Exit code of a command; where several apply, the lowest one above 0 wins."""

    CLEAN = 0
    CONFORMANCE_FAILURE = 1
    PERFORMANCE_REGRESSION = 2
    HARNESS_ERROR = 3
    """Something other than a backend failed: an option, a file or the environment."""
    NOT_ENOUGH_DATA = 4
    """Nothing was measured, or the results allow no verdict."""


def exit_code(
    counts: Mapping[Outcome, int],
    *,
    known: int = 0,
    missing: int = 0,
    stale: int = 0,
    regressions: int = 0,
    harness_errors: int = 0,
) -> ExitCode:
    """Choose the exit code for a set of results.

    Unsupported results are neither passes nor failures: a run of nothing else does not have enough data.

    Args:
        counts: number of results by outcome.
        known: how many of the ``differs`` results are known differences.
        missing: results that were requested but are absent.
        stale: known differences that no longer occur.
        regressions: workloads that became slower.
        harness_errors: errors outside any backend.

    Returns:
        The exit code.

    """
    failures = counts.get("differs", 0) - known + counts.get("errored", 0) + stale
    decided = counts.get("agrees", 0) + known
    undecided = counts.get("inconclusive", 0) + missing
    if failures:
        return ExitCode.CONFORMANCE_FAILURE
    if regressions:
        return ExitCode.PERFORMANCE_REGRESSION
    if harness_errors:
        return ExitCode.HARNESS_ERROR
    return ExitCode.NOT_ENOUGH_DATA if undecided or not decided else ExitCode.CLEAN

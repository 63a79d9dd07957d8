"""Exit codes: what a finished command says to CI, the same everywhere in the project."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from records.schema import Outcome


class ExitCode(IntEnum):
    """What the process answers; where several apply, the lowest of those that are not 0."""

    CLEAN = 0
    CONFORMANCE_FAILURE = 1
    PERFORMANCE_REGRESSION = 2
    HARNESS_ERROR = 3
    """Something other than a backend went wrong: options, files, environment."""
    NOT_ENOUGH_DATA = 4
    """Nothing was measured, or what was measured cannot say."""


def exit_code(
    counts: Mapping[Outcome, int],
    *,
    known: int = 0,
    missing: int = 0,
    stale: int = 0,
    regressions: int = 0,
    harness_errors: int = 0,
) -> ExitCode:
    """The code for results with these counts.

    ``counts`` holds results by outcome and ``known`` says how many of its ``differs`` are known
    differences; ``missing`` are results that were asked for and are not there, ``stale`` are
    known differences that are no longer seen, ``regressions`` are workloads that became slower.
    Unsupported results are neither good nor bad news: alone, or with nothing at all, they are not
    enough data.
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

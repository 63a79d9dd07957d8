"""Badges for shields.io endpoints: agreement with the specification, and the mutation score."""

from __future__ import annotations

import json

from reports.matrix import Matrix
from reports.mutation_score import scores


def agreement(matrix: Matrix) -> str | None:
    """Export the agreement badge: cases that agree out of applicable cases, over all backends.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if no backend ran.

    """
    if not matrix.columns:
        return None
    totals = [column.total for column in matrix.columns]
    agrees, applicable = (sum(getattr(t, n) for t in totals) for n in ("agrees", "applicable"))
    failed = sum(t.counts["differs"] + t.counts["errored"] for t in totals)
    failed += sum(fuzzed.alarms for fuzzed in matrix.fuzzed)
    short = [column for column in matrix.columns if column.why_incomplete]
    open_ = agrees + sum(t.counts["known"] for t in totals) < applicable or short or matrix.bad
    colour = "red" if failed else "yellow" if open_ or not applicable else "brightgreen"
    return _badge("rnnspec", f"{agrees:,} of {applicable:,} agree", colour)


def mutants(matrix: Matrix) -> str | None:
    """Export the mutation badge: red if a mutant survives, yellow if some were left out.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if no mutant ran.

    """
    if matrix.mutant_run is None:
        return None
    *_, total = scores(matrix.mutant_run.mutants)
    colour = "red" if total.wrong else "brightgreen" if matrix.mutant_run.is_full else "yellow"
    return _badge("wrong RNNs caught", f"{total.caught} of {len(total.distinguishable)}", colour)


def _badge(label: str, message: str, colour: str) -> str:
    return (
        json.dumps({"schemaVersion": 1, "label": label, "message": message, "color": colour}) + "\n"
    )

"""The difference of two runs names each case that changed, and how."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sample_runs as sample

from records.runs import read_run
from records.schema import Record
from reports.history.run_diff import diff_runs
from reports.load import load_matrix
from reports.page import CHANGES, render

AGREES = sample.case(case="a")
DIFFERS = sample.failed(case="a")
KNOWN = sample.failed(case="a", known="it is so")
OPEN = sample.case(case="a", outcome="inconclusive")
ERRORED = sample.case(case="a", outcome="errored", margin=None)
UNSUPPORTED = sample.case(case="a", outcome="unsupported", margin=None)


def run(folder: Path, number: int, *records: Record, **changes: object) -> Path:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    head = sample.header(run_id=f"r{number}", started_at=at.isoformat(), **changes)
    return sample.write(folder, head, records)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (AGREES, AGREES, None), (DIFFERS, DIFFERS, None),
        (AGREES, DIFFERS, "regressed"), (DIFFERS, AGREES, "improved"),
        (AGREES, OPEN, "regressed"), (OPEN, DIFFERS, "regressed"), (DIFFERS, ERRORED, "regressed"),
        (AGREES, KNOWN, "regressed"), (DIFFERS, KNOWN, "improved"),
        (AGREES, UNSUPPORTED, "changed"), (UNSUPPORTED, AGREES, "changed"),
        (None, DIFFERS, "added"), (AGREES, None, "removed"),
        (AGREES, sample.failed(case="a", case_version="0" * 12), "redefined"),
    ],
)  # fmt: skip
def test_a_case_changed_for_better_for_worse_or_neither(
    tmp_path: Path, before: Record | None, after: Record | None, kind: str | None
) -> None:
    other = sample.case(case="z")
    both = [
        read_run(run(tmp_path, k, *([r] if r else []), other))
        for k, r in enumerate((before, after))
    ]
    found = diff_runs(*both)
    assert [c.kind for c in found.changes] == ([kind] if kind else [])


def test_what_was_not_reached_is_not_called_removed(tmp_path: Path) -> None:
    before = read_run(run(tmp_path, 0, AGREES, sample.case(case="b")))
    head = sample.header(run_id="short", started_at="2026-02-01T00:00:00+00:00")
    after = read_run(sample.write(tmp_path, head, [AGREES], selected=2))
    assert [(c.kind, c.case) for c in diff_runs(before, after).changes] == [("not reached", "b")]


def test_totals_that_are_alike_hide_nothing(tmp_path: Path) -> None:
    one = [sample.case(case="a"), sample.failed(case="b")]
    other = [sample.failed(case="a"), sample.case(case="b")]
    found = diff_runs(read_run(run(tmp_path, 0, *one)), read_run(run(tmp_path, 1, *other)))
    assert [(c.kind, c.case) for c in found.changes] == [("regressed", "a"), ("improved", "b")]


def test_the_page_compares_with_the_last_whole_run_before(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run(runs, 0, DIFFERS, backend_version="torch 1.0")
    run(runs, 1, AGREES, backend_version="torch 2.0")
    head = sample.header(run_id="part", started_at="2026-01-02T12:00:00+00:00")
    sample.write(runs, head, [DIFFERS], deselected=3)
    run(runs, 2, DIFFERS, backend_version="torch 3.0")
    shown = load_matrix(runs, tmp_path / "index", [], date.max)
    (found,) = shown.run_diffs
    assert (found.before.header.run_id, found.after.header.run_id) == ("r1", "r2")
    html = render(shown)
    assert "1 regressed; previous: torch 2.0, run r1" in html
    assert 'href="#changes"' in html


def test_backends_without_a_change_take_no_room(tmp_path: Path) -> None:
    for number in range(30):
        changed = CHANGES - 1 if number == 0 else 0
        for day, wrong in ((1, 0), (2, changed)):
            backend = f"b{number:02}"
            records = [(sample.failed if n < wrong else sample.case)(case=f"lstm/{n}", backend=backend)
                       for n in range(changed or 1)]  # fmt: skip
            head = sample.header(
                run_id=f"{backend}-{day}", backend=backend, started_at=f"2026-01-0{day}T00:00:00Z"
            )
            sample.write(tmp_path / "runs", head, records)
    html = render(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max))
    section = html[html.index('id="changes"') : html.index('id="history"')]
    assert "more change" not in section
    assert section.count("<tr><th scope=") == CHANGES - 1 + 1, "each, and the head"


def test_a_first_run_is_compared_with_nothing(tmp_path: Path) -> None:
    run(tmp_path / "runs", 0, AGREES)
    shown = load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max)
    assert not shown.run_diffs
    assert 'id="changes"' not in render(shown)

"""Times at a glance: each at its place, none for what has none, and only as many as there is room for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sample_runs as sample

from records.schema import Measurement
from records.timing import timings
from reports.page import render
from reports.page import throughput as module
from reports.page.throughput import speed_table
from tests.reports.test_page import of, text_of


def row(backend: str, workload: str, ms: float, **changes: object) -> Measurement:
    seconds = [ms / 1e3] * 3
    return sample.measurement(backend=backend, workload=workload, seconds=seconds, limit_seconds=[ms / 2e3] * 4,
                              **changes)  # fmt: skip


def test_a_time_stands_at_its_workload_and_backend() -> None:
    found = speed_table(
        timings([row("b", "v", 2.0), row("a", "v", 3.0), row("b", "w", 4.0, device="cuda")])
    )
    assert found.backends == [("a", "cpu"), ("b", "cpu"), ("b", "cuda")]
    seen = [[t and round(t.seconds.value * 1e3) for t in row.times] for row in found.rows]
    assert seen == [[3, 2, None], [None, None, 4]]
    assert [t.first.backend for t in found.rows[0].group] == ["b", "a"], "the fastest first"
    assert found.omitted == 0


def test_modes_dtypes_and_processors_are_rows_of_their_own() -> None:
    rows = [row("a", "v", 1.0), row("a", "v", 2.0, mode="training"), row("a", "v", 3.0, threads=7),
            row("a", "v", 4.0, dtype="float16")]  # fmt: skip
    found = speed_table(timings(rows))
    assert len(found.rows) == 4
    assert all(len(row.times) == 1 for row in found.rows)


def test_what_there_is_no_room_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 3 * (module.HEAD + module.MARKUP))
    monkeypatch.setattr(module, "MOST", 5)
    found = speed_table(timings(row("a", f"w{k}", 1.0) for k in range(9)))
    assert [row.detailed for row in found.rows] == [True] * 3 + [False] * 2
    assert (found.omitted, found.alone) == (4, 2)


def test_why_there_is_no_speed_is_told_where_there_is_room_for_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM", 0)
    wrong = sample.measurement(workload="deepbench/y", outcome="differs", reason="it is wrong")
    text = text_of(render(of(tmp_path, row("pytorch", "deepbench/x", 7.25), wrong)))
    assert "no speed: it is wrong" in text
    assert "Details of 2 rows omitted" in text


def test_a_time_on_the_page_leads_to_what_lies_behind(tmp_path: Path) -> None:
    wrong = sample.measurement(workload="deepbench/y", outcome="differs", reason="it is wrong")
    html = render(of(tmp_path, row("pytorch", "deepbench/x", 7.25), wrong))
    section = html[html.index('id="throughput"') : html.index('id="cases"')]
    (anchor,) = re.findall(r'<a href="#(t\d+)">7.25</a><br><span class="at">50 %</span>', section)
    behind = section[section.index(f'id="{anchor}"') :]
    assert "7.25" in text_of(behind)
    table = text_of(section[: section.index("<details")])
    assert "differs" in table
    assert "no speed" in table

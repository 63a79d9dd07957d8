"""Margins over versions: the last whole run of each, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from reports.history.index import Index
from reports.history.versions import ROOM, VersionMargins, fit_to_page, margins_by_version
from reports.load import load_matrix
from reports.page import render
from tests.reports.test_page import text_of


def add(folder: Path, number: int, version: str, *margins: float | None, dtype: str = "float32",
        missed: int = 0, deselected: int = 0, **changes: Any) -> None:  # fmt: skip
    """A run of these margins on day ``number``; None is a case that failed."""
    at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat()
    backend = changes.get("backend", "pytorch")
    records = [sample.case(case=f"lstm/{n}/{dtype}", margin=m, backend=backend, dtype=dtype,
                           outcome="errored" if m is None else "agrees")
               for n, m in enumerate(margins)]  # fmt: skip
    records.append(
        sample.case(
            case="gru-before/1", backend=backend, dtype=dtype, outcome="unsupported", margin=None
        )
    )
    head = sample.header(
        **{"run_id": f"r{number:03}"} | changes, started_at=at, backend_version=version
    )
    sample.write(folder, head, records, deselected=deselected, selected=len(records) + missed)


def found(folder: Path) -> list[VersionMargins]:
    with Index(folder / "index") as index:
        index.refresh(folder / "runs")
        return margins_by_version(index)


def test_each_version_is_its_last_run_with_every_case(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    add(runs, 1, "torch 2.12", 0.1, 0.2)
    add(runs, 2, "torch 2.12", 0.3, 0.5)
    add(runs, 3, "torch 2.13", 0.4, 2.0)
    add(runs, 4, "torch 2.13", 9.0, deselected=1)
    add(runs, 5, "jax 1", 0.6, backend="jax_scan")
    add(runs, 6, "torch 2.13", 0.7, dtype="float64")
    add(runs, 7, "torch 2.12", 9.0, deselected=1)
    add(runs, 8, "torch 2.12", 9.0, missed=3)
    add(runs, 9, "torch 2.14", 0.8, missed=3)
    add(runs, 10, "torch 2.14", 0.9, deselected=1)
    seen = [
        (s.backend, s.dtype, s.version, s.run_id, sorted(s.margins), s.complete)
        for s in found(tmp_path)
    ]
    assert seen == [
        ("jax_scan", "float32", "jax 1", "r005", [0.6], True),
        ("pytorch", "float64", "torch 2.13", "r006", [0.7], True),
        ("pytorch", "float32", "torch 2.14", "r010", [0.9], False),
        ("pytorch", "float32", "torch 2.12", "r002", [0.3, 0.5], True),
    ]  # fmt: skip
    html = render(load_matrix(runs, tmp_path / "index", [], date.max))
    section = html[html.index('id="versions"') : html.index('id="not-run"')]
    assert section.count("some cases") == 1, "it says of which version not every case is known"


def test_cases_that_failed_are_counted_and_never_hidden(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, "torch 1", 0.3, None, None)
    add(tmp_path / "runs", 2, "torch 2", None, None)
    worst, bad = found(tmp_path)
    assert (worst.version, len(worst.margins), worst.failed, worst.median, worst.percentile_95) == (
        "torch 2",
        0,
        2,
        None,
        None,
    )
    assert (bad.version, len(bad.margins), bad.failed) == ("torch 1", 1, 2)
    html = render(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max))
    section = html[html.index('id="versions"') : html.index('id="not-run"')]
    assert section.count("✗ 2") == 2


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"]
)
def test_a_run_of_any_year_has_a_day(tmp_path: Path, moment: str) -> None:
    sample.write(tmp_path / "runs", sample.header(started_at=moment), [sample.case()])
    (spread,) = found(tmp_path)
    assert spread.day == moment[:10]


def test_what_a_spread_says(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, "torch 2", *(k / 100 for k in range(99)), 1.5)
    (spread,) = found(tmp_path)
    assert spread.median == pytest.approx(0.495)
    assert spread.percentile_95 == 0.94
    assert spread.beyond == 1


def test_only_the_last_versions_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    for k in range(3 * ROOM // 4):
        for backend in ("a", "b"):
            add(tmp_path / "runs", k, f"torch 2.{k}", 0.5, backend=backend, run_id=f"{backend}{k}")
    of = found(tmp_path)
    assert len(of) == 3 * ROOM // 2
    shown = fit_to_page(of)
    assert [key[0] for key, _ in shown] == ["a", "b"]
    for _, versions in shown:
        assert [s.version for s in versions][:2] == [
            f"torch 2.{k}" for k in (len(of) // 2 - 1, len(of) // 2 - 2)
        ]
        assert len(versions) == ROOM // 2
    html = render(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max))
    assert f"{ROOM // 2} more rows omitted" in html
    assert fit_to_page([]) == []


def test_the_page_has_them_below_each_other(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, "torch 2.12", 0.1, 0.25)
    add(tmp_path / "runs", 2, "torch 2.13", 0.125, 3.5)
    html = render(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max))
    section = html[html.index('id="versions"') : html.index('id="not-run"')]
    text = text_of(section)
    assert text.index("torch 2.13") < text.index("torch 2.12"), "the latest first"
    assert "2026-01-03" in text
    assert "3.50" in text
    assert section.count("<svg") == 2

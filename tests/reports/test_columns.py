"""The columns of the matrix: which runs they combine, and how failures without a finite margin are shown."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from conformance.cases import FUZZ
from records.exit_codes import ExitCode
from records.reading import read_run
from records.runs import RunWriter, read_folder
from records.schema import INDIVIDUAL, CaseRecord
from reports.column import Column
from reports.exit_code import exit_code_of
from reports.exports import bencher, benchmark_action, junit, openmetrics, summary, tables
from reports.history.index import Index
from reports.load import load_matrix
from reports.matrix import build_matrix
from reports.page import render, write_page
from tests.reports.test_page import model, of, printed, text_of


def add(folder: Path, day: int, *records: CaseRecord, deselected: int = 0, missed: int = 0, **head: Any) -> None:  # fmt: skip
    """A run on a day of 2026; ``deselected`` cases were left out, ``missed`` were not reached."""
    at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
    header = sample.header(**{"run_id": f"r{day:02}"} | head, started_at=at)
    selected = len(records) + missed
    sample.write(folder, header, records, deselected=deselected, selected=selected)


def cases(names: str, **changes: Any) -> Iterator[CaseRecord]:
    for name in names:
        yield sample.case(case=f"lstm/{name}/float32", **changes)


def shown(column: Column) -> dict[str, str]:
    return {record.case.split("/")[1]: record.outcome for record in column.cases}


# Which runs a column combines.


def test_repeating_a_card_hides_no_case_of_the_run_before(tmp_path: Path) -> None:
    """Neither run is full: the first one was restricted by --case as well."""
    failed = sample.failed(case="lstm/a/float32")
    add(tmp_path, 0, failed, sample.failed(case="lstm/b/float32"), *cases("cd"), deselected=494)
    add(tmp_path, 1, *cases("a"), deselected=497)
    matrix = load_matrix(tmp_path, tmp_path / "index", [], date.max)
    (column,) = matrix.columns
    assert shown(column) == {"a": "agrees", "b": "differs", "c": "agrees", "d": "agrees"}
    assert column.run.header.run_id == "r00"
    assert exit_code_of(matrix) is ExitCode.CONFORMANCE_FAILURE
    origin = "3 cases from run r00, 1 case from run r01"
    page = text_of(render(matrix))
    assert "agrees in 3 of 4 supported cases; 1 differ" in page
    assert f"Combines runs: {origin}" in page
    assert f"pytorch @ cpu combines runs: {origin}" in printed(matrix)
    assert "3/4" in printed(matrix)
    assert origin in (summary.text(matrix) or "")
    for export in (junit.text, tables.cases):
        text = export(matrix) or ""
        assert all(f"lstm/{name}/float32" in text for name in "abcd"), "an export lost a case"


def test_runs_of_one_dtype_each_stand_together(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("a"), deselected=1)
    add(tmp_path, 1, sample.case(case="lstm/a/float64", dtype="float64"), deselected=1)
    assert [row.dtype for row in model(tmp_path).rows] == ["float64", "float32"]


def test_a_column_starts_at_the_latest_run_with_every_case(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("xab"), deselected=1)
    add(tmp_path, 1, *cases("ab"))
    add(tmp_path, 2, *cases("b", outcome="errored"), deselected=1)
    add(tmp_path, 3, *cases("a", outcome="inconclusive"), missed=1)
    (column,) = model(tmp_path).columns
    assert shown(column) == {"a": "inconclusive", "b": "errored"}, "x is of an older suite"
    assert [run.header.run_id for run in column.runs] == ["r02", "r03"], "r01 is wholly replaced"
    assert column.unreached == 1, "a run that stopped is no full run, and says so"
    add(tmp_path, 4, *cases("ab"))
    (column,) = model(tmp_path).columns
    assert shown(column) == {"a": "agrees", "b": "agrees"}
    assert column.origin == ""


def test_versions_are_never_mixed(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("a"), deselected=1, backend_version="torch 1")
    add(tmp_path, 1, *cases("b"), deselected=1, backend_version="torch 2")
    add(tmp_path, 2, *cases("c"), deselected=1, backend_version="torch 2")
    (column,) = model(tmp_path).columns
    assert (column.label, list(shown(column))) == ("pytorch @ torch 2 @ cpu", ["b", "c"])
    add(tmp_path, 3, *cases("abc"), backend_version="torch 2")
    add(tmp_path, 4, *cases("a"), deselected=1, backend_version="torch 3")
    (column,) = model(tmp_path).columns
    assert column.label == "pytorch @ torch 2 @ cpu", "a partial run of a new version hides nothing"
    assert list(shown(column)) == ["a", "b", "c"]


def test_an_interrupted_run_is_marked_while_its_records_are_shown(tmp_path: Path) -> None:
    head = sample.header(run_id="cut", started_at="2025-12-01T00:00:00+00:00")
    with RunWriter(tmp_path, head) as writer:
        for record in cases("abc"):
            writer.write(record)
    add(tmp_path, 1, *cases("a"), deselected=2)
    matrix = load_matrix(tmp_path, tmp_path / "index", [], date.max)
    assert len(matrix.columns[0].cases) == 3
    assert not matrix.columns[0].complete
    assert exit_code_of(matrix) is ExitCode.HARNESS_ERROR, "it never counts as a pass"
    assert "The run was interrupted." in text_of(render(matrix))
    add(tmp_path, 2, *cases("bc"), deselected=1)
    assert exit_code_of(model(tmp_path)) is ExitCode.CLEAN


def test_a_run_of_ones_own_network_is_no_full_run(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("ab"))
    add(tmp_path, 1, sample.case(case="own/mine-1234/float32"))
    assert len(model(tmp_path).columns[0].cases) == 3


def test_the_report_says_what_changed_between_the_runs(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("ab"), source="a")
    add(tmp_path, 1, *cases("a"), deselected=1, source="a")
    assert model(tmp_path).columns[0].origin == "1 case from run r01, 1 case from run r00"
    add(tmp_path, 2, *cases("a"), deselected=1, source="b")
    assert model(tmp_path).columns[0].origin.endswith("; the code changed between them")
    add(tmp_path, 3, *cases("a"), deselected=1, source="b", fingerprint="c" * 12)
    assert "; the code and the environment changed" in model(tmp_path).columns[0].origin
    for day, name in enumerate("cdefg", start=4):
        add(tmp_path, day, *cases(name), deselected=1)
    assert ", 3 cases from 3 other runs;" in model(tmp_path).columns[0].origin


def test_an_entry_of_known_toml_is_stale_by_the_full_run(tmp_path: Path) -> None:
    def write(day: int, *records: CaseRecord, deselected: int, stale: str) -> None:
        head = sample.header(run_id=f"s{day}", started_at=f"2026-01-0{day}T00:00:00Z")
        sample.write(tmp_path, head, records, deselected=deselected, stale_known=[stale])

    write(1, *cases("a"), deselected=1, stale="first")
    write(2, *cases("b"), deselected=1, stale="second")
    assert model(tmp_path).columns[0].stale == ["first", "second"]
    write(3, *cases("ab"), deselected=0, stale="whole")
    write(4, *cases("a"), deselected=1, stale="partial")
    assert model(tmp_path).columns[0].stale == ["whole"]


def test_the_index_finds_every_run_that_a_column_needs(tmp_path: Path) -> None:
    """For runs drawn at random: full, partial, stopped, of two backends and two versions."""
    for seed in range(12):
        folder, drawn = tmp_path / str(seed), random.Random(seed)
        for day in range(12):
            backend = drawn.choice(["pytorch", "jax_scan"])
            full = drawn.random() < 0.2
            names = "abcd" if full else drawn.sample("abcd", drawn.randint(1, 3))
            add(folder, day, *cases("".join(names), backend=backend, margin=day / 100),
                deselected=0 if full else 4 - len(names), missed=drawn.random() < 0.1,
                backend=backend, backend_version=drawn.choice(["1", "1", "2"]))  # fmt: skip
        with Index(folder / "index") as index:
            index.refresh(folder)
            files = index.latest()
        few = sorted((read_run(folder / file) for file in files), key=lambda run: run.started)
        assert build_matrix(few) == build_matrix(*read_folder(folder)), f"seed {seed}"


def test_the_margins_of_a_version_are_not_those_of_a_repeated_case(tmp_path: Path) -> None:
    add(tmp_path, 0, *cases("abc"), deselected=5)
    add(tmp_path, 1, *cases("a"), deselected=7)
    (found,) = load_matrix(tmp_path, tmp_path / "index", [], date.max).version_margins
    assert (found.run_id, len(found.margins)) == ("r00", 3)


# The largest margin.

INFINITE = {"case": "lstm/b/float32", "outcome": "differs", "margin": None}


def test_an_infinite_margin_is_the_largest(tmp_path: Path) -> None:
    """As with lengths ignored: the padding is not exact, the bound is 0, and the record has null."""
    worse = sample.failed(case="lstm/c/float32", margin=7.0)
    matrix = of(tmp_path, *cases("a", margin=0.29), worse, sample.case(**INFINITE))
    (group,) = matrix.rows[0].groups
    assert (group.margin, group.worst) == (math.inf, "∞")
    text = printed(matrix)
    assert "✗ 1/3  ∞" in text
    assert "pytorch @ cpu      ✗ ∞" in text
    assert "margin ∞, the worst of 2" in text
    page = render(matrix)
    assert "largest margin ∞" in page
    assert page.index("lstm/b/float32") < page.index("lstm/c/float32"), "the worst case first"
    assert "margin ∞" in (summary.text(matrix) or "")
    assert "+Inf" in (openmetrics.text(matrix) or "")
    for export in (bencher.text, benchmark_action.smaller):
        assert "0.29" not in (export(matrix) or ""), "JSON has no infinity, and 0.29 would pass"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([sample.case(case="lstm/e", outcome="errored", margin=None)], "errored"),
        ([sample.case(case="lstm/e", outcome="errored", margin=None), sample.case(margin=0.29)],
         "errored"),
        ([sample.case(case="lstm/e", outcome="errored", margin=None), sample.failed(margin=8.0)],
         "8.00"),
        ([sample.case(case="lstm/u", outcome="unsupported", margin=None), sample.case(margin=0.29)],
         "0.290"),
        ([sample.case(**INFINITE, known="a bug")], "∞"),
        ([sample.case(case="lstm/u", outcome="unsupported", margin=None)], "–"),
    ],
)  # fmt: skip
def test_no_failure_looks_like_a_pass(
    records: list[CaseRecord], expected: str, tmp_path: Path
) -> None:
    matrix = of(tmp_path, *records)
    assert matrix.columns[0].total.worst == expected
    last = printed(matrix).split("Largest margin")[1]
    assert expected in last
    assert ("✗" in last) == matrix.columns[0].total.fails
    if expected == "errored":
        assert "0.29" not in printed(matrix), "the margin of another case"
        assert "rnnspec_margin_ratio{" not in (openmetrics.text(matrix) or "")
        for export in (bencher.text, benchmark_action.smaller):
            assert not json.loads(export(matrix) or "{}")


# Cases that only one backend can have.


def test_finds_and_own_networks_do_not_count_as_not_run(tmp_path: Path) -> None:
    assert FUZZ in INDIVIDUAL
    own = [sample.case(case=case) for case in ("fuzz/lstm/1", "own/mine-1234/float32")]
    add(tmp_path, 0, *own, *cases("ab"))
    add(tmp_path, 1, *cases("a", backend="jax_scan"), backend="jax_scan")
    matrix = model(tmp_path)
    jax = {row.cell: row.groups[0] for row in matrix.rows}
    assert jax["fuzz"].is_empty
    assert jax["own"].is_empty
    assert jax["lstm"].counts["missing"] == 1, "a case of the suite still counts"
    text = printed(matrix)
    assert text.count("not run") == 1 + 1, "once in the table, and in the legend"
    page = text_of(render(matrix))
    assert "agrees in 1 of 1 supported case; 1 not run" in page


# The page.


def test_the_page_lists_failures_first_and_folds_what_was_not_run(tmp_path: Path) -> None:
    fails = sample.failed(case="zzz/1/float64", dtype="float64")
    add(tmp_path, 0, *cases("ab"), sample.case(case="aaa/1/float32"), fails)
    add(tmp_path, 1, *cases("a", backend="jax_scan"), backend="jax_scan")
    html = render(model(tmp_path))
    section = html[html.index('id="cases"') : html.index('id="known"')]
    text = text_of(section)
    places = [text.index(word) for word in ("Failures", "zzz float64", "lstm float32", "2 entries of the table")]  # fmt: skip
    assert places == sorted(places)
    assert text.index("zzz float64") < text.index("aaa float32"), "the failures are first"
    folded = section[section.index("2 entries of the table") :]
    assert folded.count('<p id="g') == 2
    assert folded.count("not run</span>") == 0, "one badge for all of them"
    anchors = set(html.split('<a href="#g')[1:])
    for anchor in anchors:
        assert section.count(f'id="g{anchor.split(chr(34))[0]}"') == 1, "an entry leads nowhere"


def test_eight_columns_fit_on_a_screen(tmp_path: Path, browser: Any) -> None:
    names = ["docs/examples/lost_forget_bias.py:LostForgetBias", "mine.py:Mine", "mine/lstm.py:IFSwapped",
             "mine/lstm.py:Mine", "mine/lstm.py:Swapped", "mine/lstm.py:WrongBack", "mine/swap.py:Reverse",
             "pytorch"]  # fmt: skip
    for day, name in enumerate(names):
        add(tmp_path, day, *cases("ab", backend=name), sample.case(case="gradients/vanilla-tanh/1", backend=name,
            outcome="unsupported", margin=None), backend=name, backend_version="torch 2.13.0+cpu")  # fmt: skip
    page = write_page(model(tmp_path), tmp_path / "site")
    context = browser.new_context(viewport={"width": 1300, "height": 1600}, offline=True)
    tab = context.new_page()
    tab.goto(page.as_uri())
    heading = tab.locator(".matrix thead th").last.bounding_box()
    context.close()
    assert heading["x"] + heading["width"] <= 1300
    assert heading["y"] + heading["height"] <= 1600, "the table begins on the first screen"

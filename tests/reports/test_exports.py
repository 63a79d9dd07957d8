"""Exports: each is read by its consumer's own parser or schema, says what the runs say, and trusts no text."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import jsonschema
import junitparser
import pytest
import sample_runs as sample
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_benchmark.logger import Logger
from pytest_benchmark.storage.file import FileStorage

from records.runs import read_folder
from records.text import one_line
from reports import exports
from reports.exports.names import timing_name
from reports.exports.summary import fitting
from reports.history.detection import judge_points
from reports.history.index import Point, Series
from reports.history.triage import TriageEntry, apply_triage
from reports.matrix import Matrix, build_matrix
from reports.outcomes import status
from rnnspec.report import report as command

SCHEMAS = Path(__file__).with_name("schemas")
HOSTILE = (
    "=cmd()|<script>alert(1)</script>\"'`]]>&\x00\x1b[31m\ud800\u202e\n# EOF\n| x |``` ../../x"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    sample.write_samples(folder, per_backend=64)
    return folder


@pytest.fixture(scope="module")
def shown(runs: Path) -> Matrix:
    return build_matrix(*read_folder(runs))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("hostile")
    text = HOSTILE.replace("\ud800", "")  # no run file can hold it
    bad = {"case": text, "dtype": text, "reason": text, "arithmetic": text, "fingerprint": text,
           "ran": text, "card": text, "repeat": text, "backend": text, "device": text}  # fmt: skip
    sample.write(folder, sample.header(backend=text, backend_version=text, device=text), [
        sample.failed(**bad), sample.failed(**bad | {"case": "b" * 10**6, "known": text}),
        sample.case(**bad | {"case": "c", "outcome": "errored", "margin": None}),
        sample.measurement(workload=text, backend=text, device=text, dtype=text, mode=text, repeat=text),
    ])  # fmt: skip
    return build_matrix(*read_folder(folder))


@pytest.fixture(params=["shown", "hostile"])
def either(request: pytest.FixtureRequest) -> Matrix:
    return request.getfixturevalue(request.param)


@pytest.fixture
def written(either: Matrix, tmp_path: Path) -> Path:
    exports.write(either, exports.FORMS, tmp_path)
    return tmp_path


def load(path: Path) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{path.name} has {name}, which is no JSON")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def _statuses(of: Matrix) -> Counter[str]:
    return Counter(status(record) for column in of.columns for record in column.run.cases)


def test_junit_counts_as_the_matrix_does(either: Matrix, written: Path) -> None:
    found: Counter[str] = Counter()
    for suite in junitparser.JUnitXml.fromfile(str(written / "junit.xml")):
        if suite.name.endswith(("throughput", "fuzzing", "unreadable files")):
            continue
        kinds: Counter[str] = Counter()
        for case in suite:
            (kind,) = [type(r).__name__.lower() for r in case.result] or ["agrees"]
            kinds[kind] += 1
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
            kinds.total(), kinds["failure"], kinds["error"], kinds["skipped"]
        ), "a suite's own counts are those of its cases"  # fmt: skip
        found += kinds
    expected = _statuses(either)
    assert found["agrees"] == expected["agrees"], "nothing else passes"
    assert found["failure"] == expected["differs"]
    stopped = sum(bool(column.why_incomplete) for column in either.columns)
    assert found["error"] == expected["errored"] + stopped
    assert found["skipped"] == sum(expected[n] for n in ("unsupported", "known", "inconclusive"))


def test_junit_says_that_a_run_was_interrupted(tmp_path: Path) -> None:
    path = sample.write(tmp_path, sample.header(), [sample.case()], selected=3)
    assert path.exists()
    text = exports.junit.text(build_matrix(*read_folder(tmp_path))) or ""
    assert "2 cases were selected and not reached" in text
    assert 'errors="1"' in text


def test_metrics_of_junit_are_properties_not_time(shown: Matrix) -> None:
    top = ET.fromstring(exports.junit.text(shown) or "")
    timed = [c for s in top if s.get("name", "").endswith("throughput") for c in s]
    assert timed
    assert not any(case.get("time") for case in timed)
    names = {p.get("name") for case in timed for p in case.iter("property")}
    assert {"milliseconds", "% of limit", "repeat"} <= names


def test_ctrf_is_as_its_schema_says(either: Matrix, written: Path) -> None:
    report = load(written / "ctrf.json")
    schema = json.loads((SCHEMAS / "ctrf.schema.json").read_text("utf-8"))
    jsonschema.validate(report, schema)
    summary, expected = report["results"]["summary"], _statuses(either)
    assert summary["passed"] == expected["agrees"]
    short = sum(bool(column.why_incomplete) for column in either.columns)
    assert summary["failed"] == expected["differs"] + expected["errored"] + short
    assert summary["skipped"] == expected["unsupported"]
    assert summary["other"] == expected["known"] + expected["inconclusive"]
    assert summary["tests"] == expected.total() + short


def test_openmetrics_is_read_by_prometheus(either: Matrix, written: Path) -> None:
    text = (written / "metrics.txt").read_text("utf-8")
    assert text.endswith("# EOF\n")
    families = {f.name: f for f in text_string_to_metric_families(text)}
    cases: Counter[str] = Counter()
    for one in families["rnnspec_cases"].samples:
        cases[one.labels["status"]] += int(one.value)
    expected = _statuses(either)
    assert {name: n for name, n in cases.items() if n} == dict(expected)
    medians = [s.value for s in families["rnnspec_call_seconds"].samples
               if s.labels["statistic"] == "median"]  # fmt: skip
    assert sorted(medians) == sorted(t.seconds.value for t in either.timings if not t.refused)


def test_pytest_benchmark_reads_its_own(either: Matrix, written: Path, tmp_path: Path) -> None:
    machine = tmp_path / "saved" / "machine"
    machine.mkdir(parents=True)
    (machine / "0001_rnnspec.json").write_bytes((written / "pytest-benchmark.json").read_bytes())
    storage = FileStorage(str(tmp_path / "saved"), Logger(0))
    ((_, report),) = storage.load("0001")
    rows = [t for t in either.timings if not t.refused]
    assert [b["name"] for b in report["benchmarks"]] == [timing_name(t) for t in rows]
    for b, t in zip(report["benchmarks"], rows, strict=True):
        assert b["stats"]["min"] == t.fastest_seconds
        (run,) = (
            r
            for r in either.timed
            if (r.header.backend, r.header.device) == (t.first.backend, t.first.device)
        )
        assert b["extra_info"]["machine"] == one_line(run.header.environment.machine)
        assert b["stats"]["rounds"] == sum(len(m.seconds) for m in t.measurements)


@pytest.mark.parametrize("direction", ["smaller", "bigger"])
def test_benchmark_action_has_entries_of_its_form(written: Path, direction: str) -> None:
    entries = load(written / f"benchmark-{direction}-is-better.json")
    assert entries, "an empty list is refused"
    for entry in entries:
        assert set(entry) <= {"name", "unit", "value", "range", "extra"}
        assert all(isinstance(v, str) for k, v in entry.items() if k != "value")
        assert isinstance(entry["value"], float | int)
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names), "a name is a series"


def test_bencher_metrics_keep_to_its_limits(either: Matrix, written: Path) -> None:
    found = load(written / "bencher.json")
    for name, measures in found.items():
        assert 0 < len(name) <= 1024
        for measure, metric in measures.items():
            assert 0 < len(measure) <= 64
            assert set(metric) <= {"value", "lower_value", "upper_value"}
            assert metric.get("lower_value", metric["value"]) <= metric["value"]
            assert metric["value"] <= metric.get("upper_value", metric["value"])
    t = next(t for t in either.timings if not t.refused)
    assert found[timing_name(t)]["latency"]["value"] == t.seconds.value * 1e9, "nanoseconds"


def test_badges_have_what_shields_asks_for(written: Path) -> None:
    badge = load(written / "badge-agreement.json")
    assert set(badge) == {"schemaVersion", "label", "message", "color"}
    assert badge["schemaVersion"] == 1
    assert badge["label"]
    assert badge["message"]


@pytest.mark.parametrize(
    ("records", "colour"),
    [
        ([sample.case()], "brightgreen"),
        ([sample.case(), sample.failed(case="b", known="it is")], "brightgreen"),
        ([sample.case(), sample.failed(case="b")], "red"),
        ([sample.case(), sample.case(case="b", outcome="errored")], "red"),
        ([sample.case(), sample.case(case="b", outcome="inconclusive")], "yellow"),
        ([sample.case(outcome="unsupported")], "yellow"),
    ],
)
def test_a_badge_is_green_only_where_all_is_well(
    tmp_path: Path, records: list[Any], colour: str
) -> None:
    sample.write(tmp_path, sample.header(), records)
    text = exports.badges.agreement(build_matrix(*read_folder(tmp_path))) or ""
    assert json.loads(text)["color"] == colour


def test_tables_have_a_line_for_each(either: Matrix, written: Path) -> None:
    with (written / "cases.csv").open(newline="", encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert Counter(row["status"] for row in cases) == _statuses(either)
    with (written / "throughput.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(either.timings)
    for row in [*cases, *rows]:
        assert None not in row, f"as many cells as the head has: {row}"
        for cell in row.values():
            assert not cell.startswith(("=", "@")), f"a spreadsheet would run {cell!r}"


def test_the_summary_fits_a_comment_and_says_what_it_leaves_out(written: Path) -> None:
    text = (written / "summary.md").read_text("utf-8")
    assert len(text) < 65_536
    lines = [f"- {n}" for n in range(10_000)]
    cut = list(fitting(lines, 1000))
    assert cut[-1].endswith(f"{10_000 - len(cut) + 1:,} more lines omitted.")
    assert list(fitting(lines[:3])) == lines[:3]


def test_hostile_text_stays_text(hostile: Matrix, tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    exports.write(hostile, exports.FORMS, tmp_path)
    assert set(tmp_path.parent.iterdir()) == before, "nothing is written elsewhere"
    assert {p.name for p in tmp_path.iterdir()} <= {file.name for file in exports.FILES}
    for path in tmp_path.iterdir():
        text = path.read_text("utf-8")
        assert not set(text) & {"\x00", "\x1b", "\u202e"}, f"{path.name} has steering characters"
        assert len(text) < 200_000, f"{path.name}: a million characters are cut"


def test_hostile_text_is_code_in_markdown(hostile: Matrix) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(exports.summary.text(hostile) or "")
    inside = [child for token in tokens for child in token.children or []]
    assert not [t for t in (*tokens, *inside) if t.type.startswith("html")], (
        "HTML would be shown as such"
    )
    assert "alert(1)" in "".join(t.content for t in inside if t.type == "code_inline")
    heads = sum(token.type == "th_open" for token in tokens)
    tables = [token.type for token in tokens if token.type in ("table_open", "tr_open", "td_open")]
    assert heads
    assert tables.count("td_open") > tables.count("tr_open"), "its cells stay cells"


def test_nothing_gives_no_file_and_takes_the_old_ones_away(shown: Matrix, tmp_path: Path) -> None:
    assert len(exports.write(shown, exports.FORMS, tmp_path)) == len(list(tmp_path.iterdir())) > 9
    assert exports.write(build_matrix([]), exports.FORMS, tmp_path) == []
    assert not list(tmp_path.iterdir()), "no file says what is no longer so"


SERIES = Series(
    "share of limit", HOSTILE.replace("\ud800", ""), "0" * 12, "pytorch", "cpu", "float32"
)
POINTS = [
    Point(
        k * 86_400_000_000,
        f"run{k}",
        "torch 2.13.0",
        None,
        "a",
        "a machine",
        0.8 if k < 20 else 0.6,
        None,
        None,
        "agrees",
    )
    for k in range(30)
]


def _followed(shown: Matrix, *entries: TriageEntry) -> Matrix:
    found = [
        judge_points(SERIES, POINTS),
        judge_points(SERIES._replace(name="steady"), POINTS[:20]),
    ]
    return replace(
        shown, trends=tuple(found), triage=apply_triage(found, entries, date(2026, 1, 1))
    )


def test_a_change_for_the_worse_is_in_the_feed_once(shown: Matrix) -> None:
    text = exports.feed.text(_followed(shown)) or ""
    read = feedparser.parse(text)
    assert not read.bozo, read.get("bozo_exception")
    (entry,) = read.entries
    assert "-25.0%" in entry.title
    assert "run20" in entry.content[0].value
    assert entry.updated.startswith("1970-01-21"), "when it began"
    assert text == exports.feed.text(_followed(shown)), "the same entry, whenever it is written"


def test_what_was_acknowledged_is_not_in_the_feed_and_is_so_called(shown: Matrix) -> None:
    known = _followed(shown, TriageEntry("*pytorch*", "run20", "we know", "", date.max))
    assert not feedparser.parse(exports.feed.text(known) or "").entries
    assert "- worse, acknowledged: " in (exports.summary.text(known) or "")
    assert "- worse: " in (exports.summary.text(_followed(shown)) or "")


@pytest.mark.parametrize("form", exports.FORMS)
def test_one_form_writes_its_files_alone(runs: Path, tmp_path: Path, form: str) -> None:
    command.main(
        [
            "--runs",
            str(runs),
            "--site",
            str(tmp_path),
            "--index",
            str(tmp_path / "index"),
            "--format",
            form,
        ]
    )
    names = {p.name for p in (tmp_path / "exports").iterdir()}
    assert names == {f.name for f in exports.FILES if f.form == form} - {"badge-mutants.json"}


def test_a_form_that_is_none_is_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--runs", str(runs), "--site", str(tmp_path), "--format", "xls"])
    assert "junit" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_same_runs_give_the_same_files(shown: Matrix, tmp_path: Path) -> None:
    both = []
    for name in ("a", "b"):
        exports.write(shown, exports.FORMS, tmp_path / name)
        both.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert both[0] == both[1]
    assert StringIO(both[0]["cases.csv"].decode()).readline().startswith("backend,")


def of(folder: Path, *records: Any, **changes: Any) -> Matrix:
    sample.write(folder, sample.header(), records, **changes)
    return build_matrix(*read_folder(folder))


def test_a_run_that_stopped_early_is_a_failure_everywhere(tmp_path: Path) -> None:
    shown = of(tmp_path, sample.case(), selected=5)
    report = json.loads(exports.ctrf.text(shown) or "")["results"]
    assert report["summary"]["failed"] == 1
    assert report["tests"][-1]["message"] == "4 cases were selected and not reached"
    assert report["summary"]["stop"] > report["summary"]["start"]
    assert json.loads(exports.badges.agreement(shown) or "")["color"] == "yellow"


def test_an_alarm_of_fuzzing_is_told(tmp_path: Path) -> None:
    found = sample.failed(case="fuzz/1")
    shown = of(tmp_path, sample.case(), sample.fuzzed(found=[found]))
    assert json.loads(exports.badges.agreement(shown) or "")["color"] == "red"
    assert "fuzz/1" in (exports.summary.text(shown) or "")
    suites = {s.name: s for s in junitparser.JUnitXml.fromstring(exports.junit.text(shown) or "")}
    assert suites["pytorch @ cpu, fuzzing"].failures == 2, "the alarm, and the find"


def test_files_set_aside_are_told_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "rot.jsonl.gz").write_bytes(b"bit rot")
    shown = build_matrix(*read_folder(tmp_path))
    assert "**Unreadable file:** `rot.jsonl.gz`" in (exports.summary.text(shown) or "")
    assert "rot.jsonl.gz" in (exports.junit.text(shown) or "")


def test_a_long_text_hides_no_other(tmp_path: Path) -> None:
    shown = of(tmp_path, sample.failed(case="a", repeat="`" * 70_000), sample.failed(case="b"))
    text = exports.summary.text(shown) or ""
    assert "`a`" in text
    assert "`b`" in text
    assert "more line" not in text


def test_long_names_with_one_beginning_stay_two_series(tmp_path: Path) -> None:
    for k in "12":
        name = "x" * 2_000 + k
        sample.write(tmp_path, sample.header(backend=name, run_id=k), [sample.case(backend=name)])
    found = json.loads(exports.bencher.text(build_matrix(*read_folder(tmp_path))) or "")
    assert len(found) == 2
    assert all(len(name) <= 1024 for name in found)


def test_the_name_of_a_series_has_no_version_of_the_framework(tmp_path: Path) -> None:
    names = set()
    for k, version in enumerate(("torch 2.12", "torch 2.13")):
        folder = tmp_path / str(k)
        sample.write(folder, sample.header(backend_version=version), [sample.case()])
        names |= set(json.loads(exports.bencher.text(build_matrix(*read_folder(folder))) or ""))
    assert len(names) == 1, "else nothing is ever compared with the version before"

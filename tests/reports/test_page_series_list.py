"""Series on the page: what became worse first, as many as there is room for, and the command's answer to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from records.exit_codes import ExitCode
from reports.history.detection import judge_points
from reports.history.index import Point, Series
from reports.history.trend import Trend
from reports.history.triage import TriageEntry, apply_triage
from reports.matrix import Matrix, build_matrix
from reports.page import render
from reports.page.figures import SPARK_HEIGHT, SPARK_RUNS, SPARK_WIDTH, spark
from reports.page.series_list import POINTS, ROOM, group_by_label, listed_series
from reports.terminal import text
from rnnspec.report import report as command

HOSTILE = "<script>alert(1)</script>\x1b\u202e{{ 7*7 }}"


def points(*values: float | None, machine: str = "a") -> list[Point]:
    return [Point(k, f"run{k}", "torch 2.13.0", None, machine, "m", v, None, None, "agrees")
            for k, v in enumerate(values)]  # fmt: skip


def of(name: str, values: list[float]) -> Trend:
    return judge_points(
        Series("share of limit", name, "0", "pytorch", "cpu", "float32"), points(*values)
    )


WORSE, BETTER, STEADY = ([0.8] * 10 + [level] * 10 for level in (0.6, 0.9, 0.8))


def shown(trends: list[Trend], *entries: TriageEntry) -> Matrix:
    return replace(
        build_matrix([]),
        trends=tuple(trends),
        triage=apply_triage(trends, entries, date(2026, 1, 1)),
    )


def test_what_became_worse_stands_first() -> None:
    trends = [of("a", STEADY), of("b", BETTER), of("c", WORSE), of("d", [0.8]), of("e", WORSE)]
    entry = TriageEntry("*limit e *", "run10", "it is known", "", date.max)
    found = listed_series(shown(trends, entry))
    assert [(t.series.name, said.word) for t, said in found] == [
        ("c", "worse"), ("e", "worse, acknowledged"), ("b", "better"), ("a", "steady"),
        ("d", "too few runs"),
    ]  # fmt: skip


def test_of_which_the_same_is_said_stands_together_and_what_is_steady_is_folded() -> None:
    trends = [of("a", STEADY), of("b", BETTER), of("c", WORSE), of("d", STEADY), of("e", WORSE)]
    found = listed_series(shown(trends))
    told = group_by_label(found)
    assert [(said.word, said.folded, [t.series.name for _, t, _ in group]) for said, group in told] == [
        ("worse", False, ["c", "e"]), ("better", False, ["b"]), ("steady", True, ["a", "d"]),
    ]  # fmt: skip
    assert [place for _, group in told for place, *_ in group] == [0, 1, 2, 3, 4]
    html = render(shown(trends))
    section = html[html.index('id="history"') : html.index('id="environment"')]
    assert section.count("<details") == 1
    assert section.index("steady</span>") > section.index("better</span>")


def test_the_page_tells_what_became_worse_and_since_when() -> None:
    html = render(shown([of(HOSTILE, WORSE)], TriageEntry("nothing*", "run1", "", "", date.max)))
    assert "<script>alert" not in html
    assert "-25.0%" in html
    assert "run10, torch 2.13.0" in html
    assert "Entry of triage.toml matches nothing: nothing*" in html


def test_ten_thousand_series_leave_room_for_the_rest() -> None:
    trends = [of(f"{k:05d}", STEADY) for k in range(2)]
    many = [t._replace(series=t.series._replace(name=f"{k}/{t.series.name}"))
            for k in range(5000) for t in trends]  # fmt: skip
    html = render(shown([*many, of("worst", WORSE)]))
    bare = render(shown([]))
    assert len(html) - len(bare) < 1.2 * ROOM
    assert "worst" in html
    assert "more series omitted" in html


@pytest.mark.parametrize("own", [True, False], ids=["runs of their own", "runs of all"])
def test_long_series_leave_room_as_well(own: bool) -> None:
    def long(number: int) -> Trend:
        seen = tuple(
            Point(k, f"{number if own else 0:04}-{k:03}", "torch 2.13.0+cpu", None, "a" * 12, "m", 0.8 + k / 7e5, 0.7 + k / 7e5,
                  0.9 + k / 7e5, "agrees")
            for k in range(POINTS)
        )  # fmt: skip
        return of(f"{number:05d}", STEADY)._replace(points=seen)

    html = render(shown([long(number) for number in range(300)]))
    assert len(html) - len(render(shown([]))) < 1.1 * ROOM
    assert "more series omitted" in html


def test_a_line_breaks_where_the_environment_changed_or_there_is_no_value() -> None:
    drawn = spark([*points(1.0, 2.0, None, 1.0), *points(1.0, 2.0, machine="b")])
    assert [letter for letter in drawn if letter in "ML"] == ["M", "L", "M", "M", "L"]
    assert drawn.startswith(f"M0 {SPARK_HEIGHT / 2:g}L{SPARK_WIDTH / 5:g} 0"), "from 0 up"
    assert spark(points(*[1.0] * 500)).count("L") == SPARK_RUNS - 1
    assert spark(points(0.0)) == f"M0 {SPARK_HEIGHT}"
    assert not spark([])


def _runs(folder: Path, margins: list[float], **changes: Any) -> None:
    for k, margin in enumerate(margins):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=k)
        head = sample.header(run_id=f"r{k}", started_at=at.isoformat(), **changes)
        sample.write(folder, head, [sample.case(margin=margin)])


@pytest.mark.parametrize(
    ("margins", "triage", "code"),
    [
        ([0.3] * 20, "", ExitCode.CLEAN),
        ([0.3] * 10 + [0.5] * 3, "", ExitCode.PERFORMANCE_REGRESSION),
        ([0.3] * 10 + [0.5] * 2, "", ExitCode.CLEAN),
        ([0.3] * 10 + [0.1] * 3, "", ExitCode.CLEAN),
        ([0.3] * 10 + [0.5] * 3, "r10", ExitCode.CLEAN),
        ([0.3] * 20, "r99", ExitCode.CONFORMANCE_FAILURE),
    ],
    ids=["steady", "worse", "not yet", "better", "acknowledged", "an entry that matches nothing"],
)
def test_the_command_answers_for_changes_that_last(
    tmp_path: Path, margins: list[float], triage: str, code: ExitCode
) -> None:
    _runs(tmp_path / "runs", margins)
    entries = tmp_path / "triage.toml"
    entries.write_text("")
    if triage:
        entries.write_text(f'[[triage]]\nseries = "margin*"\nsince = "{triage}"\nreason = "b"\nlink = "l"\n'
                           "expires = 2999-01-01\n")  # fmt: skip
    given = [
        "--runs",
        str(tmp_path / "runs"),
        "--site",
        str(tmp_path / "site"),
        "--triage",
        str(entries),
    ]
    assert command.main(given) is code
    assert (tmp_path / "runs.sqlite").exists(), "the index is beside the runs"
    assert command.main(given) is code, "and the second time, from the index"


def test_the_terminal_says_what_became_worse() -> None:
    entry = TriageEntry("*limit b *", "run10", "it is known", "", date.max)
    stale = TriageEntry("nothing*", "run1", "", "", date.max)
    told = text(
        shown([of("a", WORSE), of("b", WORSE), of("c", STEADY)], entry, stale), to_terminal=False
    )
    assert "✗ worse: share of limit a pytorch cpu float32 -25.0%, since run run10" in told
    assert "≠ worse, acknowledged: share of limit b pytorch cpu float32 -25.0%: it is known" in told
    assert "entry of triage.toml matches nothing: nothing*" in told


def test_a_triage_file_that_is_not_there_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--runs", str(tmp_path / "runs"), "--triage", str(tmp_path / "typo.toml")])
    assert stopped.value.code == ExitCode.HARNESS_ERROR


def test_a_bad_triage_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "triage.toml").write_text("[[triage]]\nseries = 3\n")
    with pytest.raises(SystemExit) as stopped:
        command.main(["--runs", str(tmp_path / "runs"), "--triage", str(tmp_path / "triage.toml")])
    assert stopped.value.code == ExitCode.HARNESS_ERROR
    assert "triage.toml" in capsys.readouterr().err

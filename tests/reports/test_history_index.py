"""The index: what it says is what the run files say, whatever was added, changed, broken or killed."""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample
from damaged_runs import all_damaged

from records.reading import read_run
from records.runs import RunWriter, read_folder
from records.schema import Record
from reports.history import index as history
from reports.history.index import BadIndex, Index, Series
from reports.load import load_matrix
from reports.matrix import build_matrix
from reports.page import render
from tests.records.test_runs import MALFORMED

MARGIN = Series("margin", "lstm/a/float32", sample.case().case_version, "pytorch", "cpu", "float32")


def add(folder: Path, number: int, *records: Record, **changes: Any) -> Path:
    """A run that started so many hours after the first."""
    started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    head = sample.header(run_id=f"r{number:05d}", started_at=started.isoformat(), **changes)
    return sample.write(folder, head, records)


def case(margin: float | None = 0.5, **changes: Any) -> Record:
    return sample.case(case="lstm/a/float32", margin=margin, **changes)


def refreshed(folder: Path, index: Path) -> Index:
    found = Index(index)
    found.refresh(folder)
    return found


def test_a_series_has_one_value_a_run_in_time(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        add(tmp_path / "runs", number, case(number / 10))
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        assert index.all_series() == [MARGIN]
        points = index.points(MARGIN)
        assert [p.value for p in points] == [0.1, 0.2, 0.3]
        assert [p.run_id for p in points] == ["r00001", "r00002", "r00003"]
        assert [p.value for p in index.points(MARGIN, last=2)] == [0.2, 0.3]


def test_runs_of_several_machines_are_of_one_series_and_say_which(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case(), fingerprint="a" * 12)
    add(tmp_path / "runs", 2, case(), fingerprint="b" * 12)
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        assert [p.fingerprint for p in index.points(MARGIN)] == ["a" * 12, "b" * 12]


def test_another_version_of_the_case_is_another_series(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case())
    add(tmp_path / "runs", 2, case(case_version="0" * 12))
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        assert len(index.all_series()) == 2


def test_a_case_without_a_margin_says_why(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case(None, outcome="errored"))
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        (point,) = index.points(MARGIN)
        assert (point.value, point.outcome) == (None, "errored")


def test_a_row_is_the_median_of_its_processes_and_their_range(tmp_path: Path) -> None:
    rows = [sample.measurement(workload="w", mode="forward", threads=1, process=k, seconds=[s] * 3,
                               limit_seconds=[0.5] * 4) for k, s in enumerate((1.0, 2.0, 4.0))]  # fmt: skip
    add(tmp_path / "runs", 1, *rows)
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        found = {s.figure: index.points(s)[0] for s in index.all_series()}
        assert set(found) == {"seconds", "share of limit"}
        assert (found["seconds"].low, found["seconds"].value, found["seconds"].high) == (1, 2, 4)
        share = found["share of limit"]
        assert (share.low, share.value, share.high) == (0.125, 0.25, 0.5)
        assert {s.name for s in index.all_series()} == {"w forward, 1 processor"}


def test_a_row_that_differs_has_no_speed(tmp_path: Path) -> None:
    rows = [sample.measurement(workload="w", process=0),
            sample.measurement(workload="w", process=1, outcome="differs", seconds=[], limit_seconds=[])]  # fmt: skip
    add(tmp_path / "runs", 1, *rows)
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        (only,) = index.all_series()
        assert (only.figure, index.points(only)[0].value) == ("seconds", None)
        assert index.points(only)[0].outcome == "differs"


def test_what_is_new_is_taken_in_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    first = add(tmp_path / "runs", 1, case())
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        add(tmp_path / "runs", 2, case())
        index.refresh(tmp_path / "runs")
        assert len(index.points(MARGIN)) == 2
        first.unlink()
        index.refresh(tmp_path / "runs")
        assert [p.run_id for p in index.points(MARGIN)] == ["r00002"]


def test_what_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "runs", 1, case())
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        monkeypatch.setattr(history, "read_run", lambda path: pytest.fail(f"{path} is read again"))
        index.refresh(tmp_path / "runs")


def test_a_run_that_grows_is_read_again_and_counts_once(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "runs", sample.header()) as writer:
        writer.write(case(0.1))
        with refreshed(tmp_path / "runs", tmp_path / "index") as index:
            assert len(index.all_series()) == 1
            writer.write(sample.case(case="lstm/b/float32"))
            index.refresh(tmp_path / "runs")
            assert len(index.all_series()) == 2
            writer.close(sample.footer([case(0.1), sample.case()]))
            index.refresh(tmp_path / "runs")
            assert len(index.points(MARGIN)) == 1, (
                "finished, it has another name, and is the same run"
            )
            assert index.runs() == 1


def test_a_bad_file_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case())
    (tmp_path / "runs" / "rot.jsonl.gz").write_bytes(b"bit rot")
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        ((file, why),) = index.bad()
        assert file == "rot.jsonl.gz"
        assert "cannot be read" in why
        assert len(index.points(MARGIN)) == 1


def test_an_index_of_another_layout_is_made_anew(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case())
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        index._tables.execute("PRAGMA user_version = 99")
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        assert len(index.points(MARGIN)) == 1


def test_many_files_are_read_by_several_processes_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        add(tmp_path / "runs", number, case(number / 20))
    with refreshed(tmp_path / "runs", tmp_path / "one") as index:
        alone = index.points(MARGIN)
    monkeypatch.setattr(history, "FEW", 4)
    with refreshed(tmp_path / "runs", tmp_path / "several") as index:
        assert index.points(MARGIN) == alone


def _refresh_for_ever(folder: Path, index: Path) -> None:
    while True:
        refreshed(folder, index).__exit__()


def _write_for_ever(folder: Path, first: int, told: Path) -> None:
    """Write run after run, and log each record once it is written."""
    with told.open("a", buffering=1) as to:
        for number in range(first, first + 10_000):
            started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            head = sample.header(run_id=f"r{number:06d}", started_at=started.isoformat())
            records = [case(), sample.case(case=f"lstm/{number}/float32")]
            with RunWriter(folder, head) as writer:
                for record in records:
                    writer.write(record)
                    to.write(f"{head.run_id} {record.case}\n")
                writer.close(sample.footer(records))


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.every)])
def test_two_writers_and_a_kill_lose_nothing_that_was_told(tmp_path: Path, times: int) -> None:
    runs, index, told = tmp_path / "runs", tmp_path / "index", tmp_path / "told"
    runs.mkdir()
    drawn = random.Random(0)
    context = multiprocessing.get_context("fork")
    for attempt in range(times):
        both = [context.Process(target=_write_for_ever, args=(runs, 10_000 * (2 * attempt + k), told))
                for k in range(2)]  # fmt: skip
        both += [context.Process(target=_refresh_for_ever, args=(runs, index)) for _ in range(2)]
        for process in both:
            process.start()
        time.sleep(0.1 + drawn.random() / 4)
        for process in both:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
    with refreshed(runs, index) as found:
        for file, why in found.bad():
            assert file.endswith(".jsonl"), f"{file} has its footer, and cannot be read: {why}"
        asked = "SELECT run_id, name FROM point JOIN run ON run.id = run JOIN series ON series.id = series"
        kept = {f"{run_id} {name}" for run_id, name in found._tables.execute(asked)}
        told_of = told.read_text().splitlines()
        assert len(told_of) > 5 * times, "they had time to write"
        lost = set(told_of) - kept
        assert not lost, f"{len(lost)} records were logged and are missing, such as {min(lost)}"


def _refresh_some_times(folder: Path, index: Path) -> None:
    for _ in range(20):
        refreshed(folder, index).__exit__()


def test_several_may_refresh_at_once(tmp_path: Path) -> None:
    runs, index, told = tmp_path / "runs", tmp_path / "index", tmp_path / "told"
    runs.mkdir()
    context = multiprocessing.get_context("fork")
    writer = context.Process(target=_write_for_ever, args=(runs, 0, told))
    readers = [context.Process(target=_refresh_some_times, args=(runs, index)) for _ in range(3)]
    for process in (writer, *readers):
        process.start()
    for process in readers:
        process.join()
    writer.kill()
    writer.join()
    assert [process.exitcode for process in readers] == [0, 0, 0], "none is told that it is locked"


def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "runs", 1, case(0.1))
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        new = (sample.case(case="lstm/b/float32"), sample.case(case="lstm/c/float32"))
        add(tmp_path / "runs", 2, *new, case(0.2))
        whole = Index._id
        asked = iter([True, False])
        monkeypatch.setattr(Index, "_id", lambda self, s: whole(self, s) if next(asked) else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.refresh(tmp_path / "runs")
        monkeypatch.undo()
        assert index.runs() == 1, "half a run is none"
        index.refresh(tmp_path / "runs")
        assert [p.value for p in index.points(MARGIN)] == [0.1, 0.2]
        assert [len(index.points(series)) for series in index.all_series()] == [2, 1, 1]


def test_the_files_that_a_matrix_needs_are_told(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number in range(4):
        add(runs, number, case(), backend="pytorch")
        add(runs, 10 + number, sample.measurement(), backend="pytorch")
        add(runs, 20 + number, case(backend="jax_scan"), backend="jax_scan")
    part = sample.write(runs, sample.header(run_id="part", started_at="2026-02-01T00:00:00+00:00"), [case()],
                        deselected=7)  # fmt: skip
    with refreshed(runs, tmp_path / "index") as index:
        wanted = {read_run(runs / file).header.run_id for file in index.latest()}
        assert wanted == {"r00003", "r00013", "r00023", "part"}, (
            "the last whole one of each, and the last"
        )
        few = build_matrix(
            sorted((read_run(runs / f) for f in index.latest()), key=lambda r: r.started)
        )
    assert few == build_matrix(*read_folder(runs)), "they are enough"
    assert part.exists()


def test_every_kind_of_bad_file_is_named_and_hides_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    add(runs, 1, case())
    for k, (content, _) in enumerate(MALFORMED.values()):
        (runs / f"bad-{k}.jsonl.gz").write_bytes(gzip.compress(content))
    with refreshed(runs, tmp_path / "index") as index:
        assert len(index.bad()) == len(MALFORMED) > 20
        assert [p.value for p in index.points(MARGIN)] == [0.5]
    shown = load_matrix(runs, tmp_path / "index", [], date.max)
    html = render(shown)
    for k in range(len(MALFORMED)):
        assert f"bad-{k}.jsonl.gz" in html, "each is named on the page"


def test_every_damage_at_every_place_is_named_and_hides_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    add(runs, 1, case())
    damaged = {f"{name}.jsonl.gz": content for name, content in all_damaged().items()}
    for name, content in damaged.items():
        (runs / name).write_bytes(content)
    with refreshed(runs, tmp_path / "index") as index:
        assert {file for file, _ in index.bad()} == damaged.keys()
        assert [p.value for p in index.points(MARGIN)] == [0.5]
    assert len(damaged) >= 20 * 10


def test_a_name_that_is_no_text_and_a_link_to_nothing_hide_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    add(runs, 1, case())
    (good,) = runs.iterdir()
    Path(os.fsdecode(os.fsencode(runs) + b"/b\xff.jsonl.gz")).write_bytes(good.read_bytes())
    (runs / "c.jsonl.gz").symlink_to("nowhere")
    (runs / "d.jsonl.gz").symlink_to("d.jsonl.gz")
    expected = {"b\\udcff.jsonl.gz": "the file name is not UTF-8; rename the file",
                "c.jsonl.gz": "broken link", "d.jsonl.gz": "broken link"}  # fmt: skip
    for again in range(2):
        with refreshed(runs, tmp_path / "index") as index:
            assert dict(index.bad()) == expected, f"{again} times read before"
            assert index.runs() == 1
    html = render(load_matrix(runs, tmp_path / "index", [], date.max))
    found, bad = read_folder(runs)
    assert {error.path.name: error.why for error in bad} == expected
    assert len(found) == 1
    for name in expected:
        assert name in html


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    runs = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    add(runs, 1, case())
    with refreshed(runs, tmp_path / "index") as index:
        assert (index.runs(), index.bad()) == (1, [])


def test_a_name_that_looks_like_an_escaped_one_is_another(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    add(runs, 1, case())
    (good,) = runs.iterdir()
    Path(os.fsdecode(os.fsencode(runs) + b"/b\xff.jsonl.gz")).write_bytes(b"rot")
    (runs / "b\\udcff.jsonl").write_bytes(gzip.decompress(good.read_bytes()))
    good.rename(runs / "b\\udcff.jsonl.gz")
    with refreshed(runs, tmp_path / "index") as index:
        assert index.runs() == 1, "the unfinished copy of a finished run is not another"


def test_every_machine_keeps_its_last_values(tmp_path: Path) -> None:
    for number in range(12):
        on = sample.environment(cpu=f"cpu {number % 3}")
        add(tmp_path / "runs", number, case(number / 20), environment=on)
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        points = index.points(MARGIN, last=2)
        assert [p.run_id for p in points] == [f"r{n:05d}" for n in range(6, 12)]
        assert {p.machine for p in points} == {f"16 × cpu {n}" for n in range(3)}


def test_two_runs_of_one_second_are_in_order(tmp_path: Path) -> None:
    for run_id, moment in (("a", ".900000"), ("b", ".100000")):
        head = sample.header(run_id=run_id, started_at=f"2026-01-01T00:00:00{moment}+00:00")
        sample.write(tmp_path / "runs", head, [case()])
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        assert [p.run_id for p in index.points(MARGIN)] == ["b", "a"]
        assert index.latest() == ["20260101T000000Z-a.jsonl.gz"]


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs")) as theirs:
        theirs.execute("CREATE TABLE run (kept INTEGER)")
        theirs.execute("INSERT INTO run VALUES (42)")
        theirs.commit()
        with pytest.raises(BadIndex, match="a database of something else"):
            Index(tmp_path / "theirs")
        assert theirs.execute("SELECT kept FROM run").fetchall() == [(42,)]


def test_an_index_that_other_code_has_made_anew_is_not_written(tmp_path: Path) -> None:
    add(tmp_path / "runs", 1, case())
    with Index(tmp_path / "index") as index:
        with contextlib.closing(sqlite3.connect(tmp_path / "index")) as other:
            other.execute("PRAGMA user_version = 99")
        with pytest.raises(BadIndex, match="another version"):
            index.refresh(tmp_path / "runs")


def test_what_is_no_longer_measured_is_no_longer_judged(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    gone = sample.case(case="lstm/gone")
    for number in range(12):
        worse = sample.case(case="lstm/gone", margin=0.3 if number < 6 else 0.6)
        add(runs, number, case(0.3), worse)
    assert load_matrix(runs, tmp_path / "index", [], date.max).triage.regressions
    add(runs, 12, case(0.3))
    shown = load_matrix(runs, tmp_path / "index", [], date.max)
    assert not shown.triage.regressions, f"{gone.case} is no case any more"
    assert [t.series.name for t in shown.trends] == ["lstm/a/float32"]
    add(runs, 13, case(0.9, case_version="0" * 12))
    shown = load_matrix(runs, tmp_path / "index", [], date.max)
    assert [t.verdict for t in shown.trends] == ["too few"], (
        "another case of the same name begins anew"
    )


def test_a_workload_that_is_another_one_by_now_is_no_longer_judged(tmp_path: Path) -> None:
    for number in range(3):
        add(tmp_path / "runs", number, sample.measurement(workload_version="a" * 12))
    add(tmp_path / "runs", 3, sample.measurement(workload_version="b" * 12))
    shown = load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max)
    assert {t.series.version for t in shown.trends} == {"b" * 12}


def test_a_file_that_was_damaged_since_is_named(tmp_path: Path) -> None:
    path = add(tmp_path / "runs", 1, case())
    load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max)
    state = path.stat()
    path.write_bytes(b"x" * state.st_size)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    shown = load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max)
    assert [bad.path.name for bad in shown.bad] == [path.name]


def test_the_copy_of_a_rotten_file_is_shown(tmp_path: Path) -> None:
    path = add(tmp_path / "runs", 1, case(0.5))
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.write_bytes(b"bit rot")
    with refreshed(tmp_path / "runs", tmp_path / "index") as index:
        for _ in range(2):
            assert [file for file, _ in index.bad()] == [path.name]
            assert [point.value for point in index.points(MARGIN)] == [0.5]
            index.refresh(tmp_path / "runs")

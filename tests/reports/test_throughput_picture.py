"""The README's picture and table of throughput: what they show, and what they refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
import sample_runs as sample

from reports import throughput_picture as pictures

README = f"before\n\n{pictures.BEGIN}\nold\n{pictures.END}\n\nafter\n"


def _run(folder: Path, name: str, seconds: float, processes: int = 3, **changes: Any) -> None:
    """A run of one backend: one workload, one processor, samples around ``seconds``."""
    sample.write(folder, sample.header(backend=name, run_id=f"{len(name):06x}", **changes), [
        sample.measurement(backend=name, workload="deepbench/lstm-256-1-150", mode="forward", threads=1, limit_seconds=[],
                    process=number, seconds=[seconds * (1 + number / 100 + k / 1000) for k in range(5)])
        for number in range(processes)
    ])  # fmt: skip


def _main(tmp_path: Path) -> int:
    return pictures.main(["--runs", str(tmp_path / "runs"), "--picture", str(tmp_path / "p.svg"),
                          "--page", str(tmp_path / "README.md")])  # fmt: skip


def test_every_backend_is_in_the_table_and_in_the_picture(tmp_path: Path) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    _run(tmp_path / "runs", "package.module:Mine", 0.020, backend_version="mine 1.0")
    (tmp_path / "README.md").write_text(README)
    assert _main(tmp_path) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n\n<!-- throughput"), "what is around the table stays"
    assert text.endswith(f"{pictures.END}\n\nafter\n"), "what is around the table stays"
    assert "old" not in text
    assert "| backend | lstm-256-1-150 forward |" in text
    rows = dict(re.findall(r"\| `(\w+)` \| (.*) \|", text))
    assert set(rows) == {"pytorch", "Mine"}
    value, low, high = map(float, re.findall(r"[\d.]+", rows["pytorch"]))
    assert low <= value <= high
    assert value == pytest.approx(10.1, abs=0.1), "milliseconds, the median of three processes"
    assert "mine 1.0" in text, "the versions are shown"
    assert "3 processes" in text
    ET.parse(tmp_path / "p.svg")
    drawn = (tmp_path / "p.svg").read_text()
    for word in ("pytorch", "Mine", "deepbench/lstm-256-1-150, forward", "one processor"):
        assert f">{word}<" in drawn, f"the picture names {word}"


def test_devices_and_dtypes_are_told_apart(tmp_path: Path) -> None:
    records = [sample.measurement(workload="w", mode="forward", threads=1, process=n, limit_seconds=[], dtype=dtype,
                                  seconds=[seconds] * 5)
               for dtype, seconds in (("float32", 0.01), ("float16", 0.02)) for n in range(3)]  # fmt: skip
    on_all = [msgspec.structs.replace(r, threads=2, seconds=[0.04] * 5) for r in records[:3]]
    records += on_all
    sample.write(tmp_path / "runs", sample.header(), records)
    on_gpu = [msgspec.structs.replace(r, device="cuda", seconds=[0.03] * 5) for r in records[:3]]
    sample.write(tmp_path / "runs", sample.header(run_id="gpu", device="cuda"), on_gpu)
    (tmp_path / "README.md").write_text(README)
    assert _main(tmp_path) == 0
    rows = dict(re.findall(r"\| `([\w ]+)` \| ([\d.]+) ", (tmp_path / "README.md").read_text()))
    assert rows == {"pytorch": "10.0", "pytorch cuda": "30.0", "pytorch float16": "20.0"}


def test_backends_of_one_name_stay_two(tmp_path: Path) -> None:
    for place, seconds in (("mine/a.py:Mine", 0.01), ("yours/other.py:Mine", 0.02)):
        _run(tmp_path / "runs", place, seconds)
    (tmp_path / "README.md").write_text(README)
    assert _main(tmp_path) == 0
    rows = re.findall(r"\| `Mine` \| ([\d.]+) ", (tmp_path / "README.md").read_text())
    assert sorted(rows) == ["10.1", "20.2"]


def test_the_same_runs_give_the_same_picture(tmp_path: Path) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    (tmp_path / "README.md").write_text(README)
    drawn = set()
    for _ in range(2):
        assert _main(tmp_path) == 0
        drawn.add((tmp_path / "p.svg").read_text())
    assert len(drawn) == 1


def test_rows_without_an_interval_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010, processes=2)
    (tmp_path / "README.md").write_text(README)
    with pytest.raises(SystemExit):
        _main(tmp_path)
    assert "no row with an interval" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == README, "nothing was written"


def test_runs_of_two_machines_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    _run(tmp_path / "runs", "jax_scan", 0.010, environment=sample.environment(cpu="another"))
    (tmp_path / "README.md").write_text(README)
    with pytest.raises(SystemExit):
        _main(tmp_path)
    assert "2 machines" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == README, "nothing was written"


def test_a_readme_without_its_place_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(SystemExit):
        _main(tmp_path)
    assert pictures.BEGIN in capsys.readouterr().err
    assert not (tmp_path / "p.svg").exists(), "nothing was written"


def test_a_place_that_cannot_be_written_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    (tmp_path / "README.md").write_text(README)
    with pytest.raises(SystemExit):
        pictures.main(["--runs", str(tmp_path / "runs"), "--picture", str(tmp_path / "no" / "p.svg"),
                       "--page", str(tmp_path / "README.md")])  # fmt: skip
    assert "No such file" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == README


def test_what_a_run_says_of_itself_is_no_markup(tmp_path: Path) -> None:
    hostile = f"<script>x</script>\n| a {pictures.END} $\\frac$"
    _run(tmp_path / "runs", "pytorch", 0.010, environment=sample.environment(cpu=hostile),
         backend_version=f"torch {hostile}")  # fmt: skip
    (tmp_path / "README.md").write_text(README)
    assert _main(tmp_path) == 0
    text = (tmp_path / "README.md").read_text()
    assert "<script>" not in text
    assert text.count(pictures.END) == 1
    assert _main(tmp_path) == 0, "and it can be written again"


def test_processes_are_told_as_a_range(tmp_path: Path) -> None:
    _run(tmp_path / "runs", "pytorch", 0.010)
    _run(tmp_path / "runs", "jax_scan", 0.010, processes=5)
    (tmp_path / "README.md").write_text(README)
    assert _main(tmp_path) == 0
    assert "3 to 5 processes per row" in (tmp_path / "README.md").read_text()

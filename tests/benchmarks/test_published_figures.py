"""The table of times on a GPU and of published times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from benchmarks.studies import published_figures as orientation
from benchmarks.studies.published_figures import BEGIN, END, PUBLISHED
from benchmarks.timing.workloads import MODES, TIMED, WORKLOADS
from records.exit_codes import ExitCode
from records.schema import Gpu

GPU = Gpu(clock_mhz=1980, most_clock_mhz=1980, held_by=["power"], degrees=50, watts=600)
ROW: dict[str, Any] = {"workload": "deepbench/lstm-512-16-25", "device": "cuda", "threads": 16, "steps": 25,
                       "gpu": GPU, "device_seconds": [0.0005]}  # fmt: skip


def written(folder: Path, *records: Any) -> str:
    """The page that is made of these."""
    runs, page = folder / "runs", folder / "gpu.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    sample.write(runs, sample.header(device="cuda"), [sample.measurement(**r) for r in records])
    assert orientation.main(["--runs", str(runs), "--page", str(page)]) == ExitCode.CLEAN
    return page.read_text("utf-8")


def test_a_row_stands_before_what_others_published_of_it(tmp_path: Path) -> None:
    page = written(tmp_path, ROW)
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    lines = [line for line in page.splitlines() if "lstm-512-16-25" in line]
    mine, theirs = lines
    cells = [cell.strip() for cell in mine.strip("|").split("|")]
    assert cells[:5] == ["`deepbench/lstm-512-16-25`", "float32", "forward", "`pytorch`", "11.9"]
    assert cells[6] == "476", "µs a step: 11.9 ms over 25"
    assert cells[9] == "steps: arithmetic"
    assert cells[10] == "1980, held by power"
    assert "V100" in theirs
    assert "1.1" in theirs


def test_another_dtype_or_mode_has_other_figures(tmp_path: Path) -> None:
    page = written(tmp_path, ROW | {"dtype": "float16"})
    assert "0.44" in page
    assert "1.1 " not in page
    assert "V100" not in page.partition("0.44")[2], "of no other"


def test_of_training_there_is_no_figure_of_deepbench(tmp_path: Path) -> None:
    assert "V100" not in written(tmp_path, ROW | {"mode": "training"})


def test_a_row_without_a_speed_says_so(tmp_path: Path) -> None:
    bad = ROW | {"outcome": "differs", "reason": "y is off", "seconds": [], "limit_seconds": [],
                 "device_seconds": []}  # fmt: skip
    assert "no speed: differs" in written(tmp_path, bad)


def test_runs_without_a_gpu_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write(tmp_path / "runs", sample.header(), [sample.measurement()])
    with pytest.raises(SystemExit) as end:
        orientation.main(["--runs", str(tmp_path / "runs"), "--page", str(tmp_path / "gpu.md")])
    assert end.value.code == ExitCode.HARNESS_ERROR
    assert "nothing was timed on cuda" in capsys.readouterr().err


def test_a_page_without_a_place_for_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write(tmp_path / "runs", sample.header(device="cuda"), [sample.measurement(**ROW)])
    page = tmp_path / "gpu.md"
    page.write_text("no place\n", "utf-8")
    with pytest.raises(SystemExit):
        orientation.main(["--runs", str(tmp_path / "runs"), "--page", str(page)])
    assert page.read_text("utf-8") == "no place\n"
    assert "benchmarks.studies.published_figures" in capsys.readouterr().err


def test_what_is_published_is_of_our_workloads() -> None:
    for p in PUBLISHED:
        assert p.workload in WORKLOADS
        assert p.mode in MODES
        assert p.dtype in TIMED
        assert p.milliseconds > 0

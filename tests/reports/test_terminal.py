"""How wide tables are where there is a terminal, and where there is none."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import sample_runs as sample

from records.runs import read_folder
from reports.matrix import build_matrix
from reports.terminal import WIDTH, standard_output, text


def test_the_matrix_in_a_log_is_as_wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sample.write_samples(tmp_path, per_backend=64)
    shown = build_matrix(*read_folder(tmp_path))
    printed = {}
    for columns in ("60", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        printed[columns] = [text(shown, to_terminal=to) for to in (False, True)]
    assert printed["60"][0] == printed["300"][0], "a log is not as wide as some terminal"
    assert printed["60"][1] != printed["300"][1]
    lines = printed["300"][0].splitlines()
    assert max(len(line) for line in lines if "python -m" not in line) <= WIDTH


def test_a_log_is_wide_and_a_terminal_as_wide_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", StringIO())
    assert standard_output().width == WIDTH, "nobody reads a table that wraps in a log"
    monkeypatch.setenv("COLUMNS", "80")
    assert standard_output().width == 80

"""How wide tables are where there is a terminal, and where there is none."""

from __future__ import annotations

from io import StringIO

import pytest

from reports.terminal import WIDTH, standard_output


def test_a_log_is_wide_and_a_terminal_as_wide_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", StringIO())
    assert standard_output().width == WIDTH, "nobody reads a table that wraps in a log"
    monkeypatch.setenv("COLUMNS", "80")
    assert standard_output().width == 80

"""How wide tables are where there is a terminal, and where there is none."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import sample_runs as sample
from rich.console import Console

from records.runs import read_folder
from reports.matrix import build_matrix
from reports.terminal import WIDTH, print_matrix, standard_output, text


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


def test_no_word_of_a_heading_is_broken(tmp_path: Path) -> None:
    names = ["docs/examples/lost_forget_bias.py:LostForgetBias", "mine/lstm.py:WrongBack",
             *(f"mine/lstm.py:Number{n}" for n in range(8))]  # fmt: skip
    for name in names:
        head = sample.header(run_id=name.rpartition(":")[2], backend=name)
        records = [sample.case(backend=name), sample.case(case="gradients/vanilla-relu/1", backend=name)]  # fmt: skip
        sample.write(tmp_path, head, records)
    shown = build_matrix(*read_folder(tmp_path))
    for width in (80, 160):
        out = StringIO()
        print_matrix(shown, Console(file=out, width=width))
        printed = out.getvalue()
        table = printed[: printed.index("Largest margin")]
        words = set(table.split())
        expected = {"lost_forget_", "bias.py:", "LostForgetBias", "WrongBack", "Number7",
                    "gradients/vanilla-relu"}  # fmt: skip
        assert expected <= words, f"broken at width {width}: {expected - words}"
        assert table.count("Agreement with the specification") == 1


def test_all_dtypes_are_named_or_counted(tmp_path: Path) -> None:
    """``all`` alone says nothing: a run of one dtype has all of its dtypes."""
    for number, dtypes in enumerate((["float32"], ["float64", "float32"], sample.DTYPES)):
        folder = tmp_path / str(number)
        records = [sample.case(case=f"lstm/{dtype}", dtype=dtype) for dtype in dtypes]
        sample.write(folder, sample.header(), records)
        printed = text(build_matrix(*read_folder(folder)), to_terminal=False)
        (row,) = [line for line in printed.splitlines() if line.startswith("lstm")]
        expected = ", ".join(dtypes) if len(dtypes) < 3 else f"all {len(dtypes)}"
        assert f"lstm  {expected} " in row


def test_the_list_of_failures_tells_errored_cases_from_those_that_differ(tmp_path: Path) -> None:
    records = [sample.failed(case="lstm/1/float32", margin=2.0),
               sample.failed(case="lstm/2/float32", margin=3.0),
               sample.failed(case="lstm/3/float32", outcome="errored", margin=None, reason="TypeError: x")]  # fmt: skip
    sample.write(tmp_path, sample.header(), records)
    shown = text(build_matrix(*read_folder(tmp_path)), to_terminal=False)
    assert "differs  margin 3.00, the worst of 2: y is 6.4" in shown, shown
    assert "errored  margin –: TypeError: x" in shown, shown

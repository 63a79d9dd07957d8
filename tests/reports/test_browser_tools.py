"""The tools that look at the page from outside: screenshots, and Lighthouse."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample
from rich.console import Console

from records.exit_codes import ExitCode
from reports.browser import lighthouse, screenshots
from reports.page import write_page
from tests.reports.test_page import of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_page(of(tmp_path / "runs", sample.case()), tmp_path / "site").parent


@pytest.mark.processes
@pytest.mark.usefixtures("browser")
def test_the_page_is_shown_light_and_dark(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reports.browser.screenshots", "--site", str(site), "--docs", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.CLEAN, done.stderr
    light, dark = ((tmp_path / f"page-{scheme}.png").read_bytes() for scheme in ("light", "dark"))
    for image in (light, dark):
        assert struct.unpack(">II", image[16:24]) == tuple(screenshots.SIZE.values())
    assert light != dark


@pytest.mark.parametrize("command", [screenshots, lighthouse], ids=lambda module: module.__name__)
def test_without_a_page_there_is_nothing_to_look_at(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--site", str(tmp_path)])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert "has no index.html; run `rnnspec report` first" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "missing"), [(screenshots, "chromium"), (lighthouse, "npx")],
                         ids=["screenshots", "lighthouse"])  # fmt: skip
def test_what_is_missing_is_named(
    command: Any, missing: str, site: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if command is screenshots:
        pytest.importorskip("playwright", reason="playwright is not installed")
    monkeypatch.setenv("PATH", str(site))
    with pytest.raises(SystemExit) as ended:
        command.main(["--site", str(site)])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert f"no {missing} on the PATH; install" in capsys.readouterr().err


def test_lighthouse_that_fails_is_no_result(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("npx", "chromium"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 7\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        lighthouse.main(["--site", str(site)])
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert "Lighthouse ended with exit code 7" in capsys.readouterr().err


def test_lighthouse_is_given_the_page_and_told_in_a_table(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        lighthouse.serve(site / "index.html") as address,
        urllib.request.urlopen(address) as answer,
    ):
        assert gzip.decompress(answer.read()) == (site / "index.html").read_bytes()
        assert answer.headers["Content-Encoding"] == "gzip"
    audits = {
        name: {"title": name, "displayValue": "1 s", "score": 1} for name in lighthouse.FIGURES
    }
    del audits["dom-size"]["displayValue"]
    audits |= {"bad": {"title": "It is bad", "score": 0}, "none": {"title": "n", "score": None}}
    report = {"lighthouseVersion": "12", "categories": {"p": {"title": "Performance", "score": 0.956}, "s": {"title": "SEO", "score": None}},
              "audits": audits}  # fmt: skip
    console = Console(record=True, width=100)
    console.print(lighthouse.table(report))
    text = console.export_text()
    assert "Performance" in text
    assert "96" in text
    assert "failed: It is bad" in text
    assert text.count("1 s") == len(lighthouse.FIGURES) - 1
    assert text.count("–") == 2, "what it could not tell"

"""The page's script: it enlarges a series, shows another run next to it, and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from reports.load import load_matrix
from reports.page import POINTS, write_page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def run(folder: Path, number: int, *records: Any, **changes: Any) -> Path:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return sample.write(
        folder,
        sample.header(run_id=f"r{number:03d}", started_at=at.isoformat(), **changes),
        records,
    )


def timed(k: int) -> list[Any]:
    """A row in three processes, one a little slower than the other."""
    return [sample.measurement(process=n, seconds=[0.01 + n / 1e3 + k / 1e6] * 3, limit_seconds=[0.005] * 4)
            for n in range(3)]  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interactive")
    for k in range(30):
        margin = 0.3 if k < 20 else 0.5
        run(folder / "runs", k, sample.case(case="lstm/a", margin=margin),
            sample.case(case=f"lstm/{HOSTILE}", margin=0.2), sample.failed(case="lstm/d"),
            *timed(k), fingerprint="a" * 12 if k < 10 else "b" * 12, backend_version=f"torch 2.{k // 10} {HOSTILE}")  # fmt: skip
    return write_page(load_matrix(folder / "runs", folder / "index", [], date.max), folder / "site")


@pytest.fixture
def tab(browser: Any, page: Path) -> Iterator[Any]:
    """The page; any log message or further request fails the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 800}, offline=True)
    opened, heard = context.new_page(), []
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("dialog", lambda dialog: heard.append(dialog.message))
    opened.on("request", lambda asked: heard.append(asked.url))
    opened.goto(page.as_uri())
    yield opened
    context.close()
    assert [text for text in heard if text.split("#")[0] not in (page.as_uri(), "data:,")] == []


def test_a_series_opens_in_large_and_closes(tab: Any) -> None:
    tab.get_by_role("button", name="Open margin lstm/a pytorch cpu float32").click()
    dialog = tab.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "margin lstm/a pytorch cpu float32"
    assert dialog.locator("circle").count() == 30, "a point for every run"
    assert dialog.locator("path.epoch").count() == 1, "where the environment changed"
    assert dialog.locator("tbody tr").count() == 30, "the values as a table"
    first = dialog.locator("tbody tr").first.inner_text().split("\t")
    assert first[1:4] == ["0.5", "–", "r029"], "the last run first"
    tab.keyboard.press("Escape")
    assert tab.get_by_role("dialog").count() == 0


def test_a_figure_of_several_processes_has_a_line_that_spans_them(tab: Any) -> None:
    tab.locator("section[aria-labelledby=history] summary", has_text="steady").click()
    tab.get_by_role("button", name="Open share of limit").first.click()
    dialog = tab.get_by_role("dialog")
    assert dialog.locator("path.spread").count() == 30
    cells = dialog.locator("tbody tr").first.inner_text().split("\t")
    least, most = map(float, cells[2].split(" to "))
    assert least < float(cells[1]) < most


def test_a_part_of_a_series_is_seen_by_dragging_and_by_the_keyboard(tab: Any) -> None:
    tab.get_by_role("button", name="Open margin lstm/a").first.click()
    chart = tab.locator("svg.chart")
    box = chart.bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 50)
    tab.mouse.up()
    dragged = tab.locator("svg.chart circle").count()
    assert 5 <= dragged <= 12, "about a quarter of thirty runs"
    tab.get_by_role("button", name="All 30 runs").click()
    assert tab.locator("svg.chart circle").count() == 30
    tab.locator("svg.chart").focus()
    tab.keyboard.press("+")
    near = tab.locator("svg.chart circle").count()
    assert near < 30
    first = tab.locator("svg.chart circle title").first.text_content()
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("svg.chart circle").count() == near, "as many, further left"
    before = tab.locator("svg.chart circle title").first.text_content()
    assert before.split(", ")[1] < first.split(", ")[1], "an earlier run stands first"
    tab.keyboard.press("ArrowRight")
    assert tab.locator("svg.chart circle title").first.text_content() == first, "and back again"
    tab.keyboard.press("-")
    tab.keyboard.press("-")
    assert tab.locator("svg.chart circle").count() == 30


def test_another_run_is_compared_case_by_case(tab: Any, tmp_path: Path) -> None:
    other = run(tmp_path, 99, sample.failed(case="lstm/a"), sample.case(case="lstm/d"),
                sample.case(case=f"lstm/{HOSTILE}", outcome="errored"), sample.case(case="lstm/new"),
                backend_version="torch 3.0")  # fmt: skip
    tab.locator("input[type=file]").set_input_files(other)
    dialog = tab.get_by_role("dialog")
    dialog.wait_for()
    assert "torch 3.0 in the file" in dialog.inner_text()
    assert (
        "3 of its 4 cases are on this page; 3 of them differ from the file." in dialog.inner_text()
    )
    rows = dialog.locator("tbody tr").all_inner_texts()
    assert "lstm/a\tworse in the file\tagrees\tdiffers" in rows
    assert "lstm/d\tbetter in the file\tdiffers\tagrees" in rows
    assert f"lstm/{HOSTILE}\tworse in the file\tagrees\terrored" in rows, "text stays text"
    assert tab.locator("img").count() == 0


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b"{}", "This file has no conformance cases"),
        ("b.jsonl.gz", b"no gzip", "This file has no conformance cases"),
        ("c.jsonl", b"\xff\xfe", "This file has no conformance cases"),
        ("d.jsonl", b"null\n", "This file has no conformance cases"),
    ],
)
def test_a_file_that_is_none_is_refused(
    tab: Any, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    tab.locator("input[type=file]").set_input_files(tmp_path / name)
    tab.get_by_role("dialog").wait_for()
    assert told in tab.get_by_role("dialog").inner_text()


def test_a_run_of_another_backend_is_told(tab: Any, tmp_path: Path) -> None:
    other = run(tmp_path, 1, sample.case(backend="mine"), backend="mine")
    tab.locator("input[type=file]").set_input_files(other)
    tab.get_by_role("dialog").wait_for()
    assert "this page shows no run of it" in tab.get_by_role("dialog").inner_text()


def test_without_javascript_nothing_asks_for_it(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page.as_uri())
    assert opened.locator("button, input").count() == 0
    assert opened.locator("section[aria-labelledby=history] tbody tr").count() == 4
    context.close()


def test_no_other_script_may_run(browser: Any, page: Path) -> None:
    context = browser.new_context()
    opened, heard = context.new_page(), []
    opened.on("console", lambda message: heard.append(message.text))
    opened.goto(page.as_uri())
    opened.evaluate("""() => {
        const made = document.createElement('script');
        made.textContent = 'window.ran = true';
        document.body.append(made);
    }""")
    assert opened.evaluate("window.ran") is None, "the policy has the hash of ours alone"
    assert "Content Security Policy" in heard[0]
    context.close()


def test_a_long_series_is_cut_and_the_last_runs_are_kept(tmp_path: Path) -> None:
    for k in range(POINTS + 5):
        run(tmp_path / "runs", k, sample.case(case="lstm/a", margin=0.3))
    html = write_page(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max), tmp_path)
    text = html.read_text("utf-8")
    assert '"r064"' in text
    assert '"r004"' not in text

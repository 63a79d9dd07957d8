"""``python -m benchmarks.studies.report_scale``: measure the time of reports on years of runs.

The study makes a history of many runs with many series. On it, it times rebuilding the index, appending a run, reading
a series, judging all series, and writing the page.
"""

from __future__ import annotations

import gzip
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.progress import track
from rich.table import Table

from commands.command_line import command, option, start
from records.exit_codes import ExitCode
from records.schema import (
    SCHEMA_VERSION,
    CaseRecord,
    Environment,
    Footer,
    Header,
    Line,
    TensorResult,
    encode,
)
from reports.browser.chromium import NoBrowser, open_browser
from reports.history.index import Index
from reports.load import load_matrix
from reports.page import write_page

START = datetime(2026, 1, 1, tzinfo=UTC)
TENSOR = TensorResult(margin=0.3, max_error=2.0, rms_error=0.9, rms_limit=1.2, mean_error=0.01,
                      bound_to_signal=1e-6)  # fmt: skip
CASE = CaseRecord(
    case="", case_version="0" * 12, backend="pytorch", device="cpu", dtype="float32", outcome="agrees",
    reason="", known=None, arithmetic="float32", fingerprint="float32", ran="torch.nn.LSTM", margin=0.3,
    tensors={"y": TENSOR, "h_n": TENSOR, "c_n": TENSOR}, worst=None, card="", seconds={"first_call": 0.1},
    repeat="rnnspec check --backend pytorch --case CASE",
)  # fmt: skip
HEADER = Header(
    schema_version=SCHEMA_VERSION, run_id="", started_at="", suite_version="0.1.0", suite_commit=None,
    backend="pytorch", backend_version="torch 2.13.0", device="cpu", command="", fingerprint="0" * 12,
    environment=Environment(cpu="", cores=2, memory_bytes=2**34, gpu=None, driver=None, os="", python="",
                            packages={}, threads={}, flags={}),
    settings={}, framework_defaults={},
)  # fmt: skip


@command("python -m benchmarks.studies.report_scale")
@option("--run-files")
@option("--series")
def main(run_files: int, series: int) -> ExitCode:
    """Measure how long the index of runs and the page take with many runs."""
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, place = Path(scratch) / "runs", Path(scratch) / "index.sqlite"
        folder.mkdir()
        for number in track(range(run_files), "runs", console=progress):
            _write_run(folder, number, series)
        table = Table("what", "seconds", title=f"{run_files:,} runs, {series:,} series",
                      box=None, title_justify="left", pad_edge=False)  # fmt: skip
        with Index(place) as index:
            table.add_row("index rebuilt", f"{_seconds(lambda: index.refresh(folder)):.1f}")
            _write_run(folder, run_files, series)
            table.add_row("one run appended", f"{_seconds(lambda: index.refresh(folder)):.4f}")
            one = index.all_series()[0]
            table.add_row("a series read", f"{_seconds(lambda: index.points(one)):.4f}")

        def page() -> None:
            write_page(load_matrix(folder, place, [], date.max), Path(scratch))

        table.add_row("all series judged, page written", f"{_seconds(page):.1f}")
        size = (Path(scratch) / "index.html").stat().st_size
        table.add_row("MiB of the index", f"{place.stat().st_size / 2**20:.0f}")
        table.add_row("MB of the page", f"{size / 1e6:.2f}")
        for what, seconds in _time_in_browser(Path(scratch) / "index.html"):
            table.add_row(what, seconds)
    Console().print(table)
    return ExitCode.CLEAN


def _write_run(folder: Path, number: int, series: int) -> None:
    """Write a run file with one value of every series."""
    drawn = random.Random(number)
    started = START + timedelta(hours=number)
    head = replace(HEADER, run_id=f"{number:08d}", started_at=started.isoformat())
    cases = [replace(CASE, case=f"lstm/{k}/float32", margin=round(drawn.uniform(0.1, 0.4), 4))
             for k in range(series)]  # fmt: skip
    foot = Footer(ended_at=started.isoformat(), counts={"agrees": series}, measurements=0, selected=series,
                  deselected=0, stale_known=[], exit_code=0)  # fmt: skip
    lines: list[Line] = [head, *cases, foot]
    text = b"".join(encode(line) + b"\n" for line in lines)
    name = f"{started:%Y%m%dT%H%M%SZ}-{head.run_id}.jsonl.gz"
    (folder / name).write_bytes(gzip.compress(text, 1, mtime=0))


PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
OPENED = """() => {
    const button = document.querySelector("button.open"), began = performance.now();
    button.click();
    document.querySelector("dialog").getBoundingClientRect();
    return performance.now() - began;
}"""
"""Opens a series, and returns the milliseconds until its dialog is laid out."""


def _time_in_browser(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the times in which Chromium shows the page, and one series enlarged."""
    try:
        with open_browser() as running:
            opened = running.new_page()
            opened.goto(page.as_uri())
            opened.wait_for_function(f"{PAINTED} !== undefined")
            yield "first paint", f"{opened.evaluate(PAINTED) / 1e3:.3f}"
            yield "a series opened", f"{opened.evaluate(OPENED) / 1e3:.3f}"
    except NoBrowser as why:
        yield "in a browser", f"not measured: {why}"


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    start(main)

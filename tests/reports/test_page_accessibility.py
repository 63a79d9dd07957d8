"""The page before axe-core, with every section that it can have and all details open."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sample_runs as sample

from reports.history.run_diff import KINDS
from reports.history.triage import TriageEntry
from reports.load import load_matrix
from reports.page import write_page
from reports.page.series_list import LABELS


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    runs = folder / "runs"
    sample.write_samples(runs, per_backend=64)
    for k in range(24):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=k)
        margins = {
            "lstm/a": 0.3 if k < 12 else 0.5,
            "lstm/b": 0.3 if k < 12 else 0.4,
            "lstm/c": 0.3,
        }
        head = sample.header(backend="followed", run_id=f"r{k}", started_at=at.isoformat())
        records = [sample.case(backend="followed", case=c, margin=m) for c, m in margins.items()]
        if k == 23:
            records.append(sample.failed(backend="followed", case="lstm/d"))
        sample.write(runs, head, records)
    swept = [sample.measurement(backend="followed", workload=f"scaling/lstm-{n}-16-20-1", mode="forward",
                                seconds=[n / 1e4] * 3)
             for n in (32, 64, 128, 256)]  # fmt: skip
    sample.write(runs, sample.header(backend="followed", run_id="swept"), swept)
    sample.write(runs, sample.header(backend="specification", run_id="mutants"), [sample.mutant()])
    (runs / "broken.jsonl.gz").write_bytes(b"bit rot")
    entries = [TriageEntry("margin lstm/b *", "r12", "it is known", "", date.max),
               TriageEntry("nothing", "r1", "", "", date.max)]  # fmt: skip
    return write_page(load_matrix(runs, folder / "index", entries, date.max), folder / "site")


PLAIN = {"agree", "backend", "case", "cases", "caught by", "checks", "edit", "figure", "file", "from", "group", "including",
         "in this run", "framework's default", "largest", "largest margin", "latest", "median", "name", "now", "outcome", "previous", "rnnspec",
         "run", "runs", "seconds", "verdict", "since", "size", "time", "to", "version", "ms"}  # fmt: skip
"""Heads of columns that every reader knows."""


def test_every_word_is_explained(everything: Path) -> None:
    html = everything.read_text("utf-8")
    words = html[html.index('id="words"') :]
    terms = re.sub("<[^>]*>", "", " ".join(re.findall(r"<dt>(.*?)</dt>", words, re.DOTALL)))
    explained = f" {unescape(terms)} ".lower()
    heads = re.findall(r'<th scope="col"[^>]*>([^<]+)', html)
    found = (
        {head.strip().lower() for head in heads}
        | {said.word for said in LABELS.values()}
        | {*KINDS}
    )
    unknown = found - PLAIN - {"followed", "z", *(backend for backend, *_ in sample.BACKENDS)}
    missing = {word for word in unknown
               if not any(form in explained for form in (word, word.removesuffix("s"), word.removesuffix(" ms")))}  # fmt: skip
    assert not missing, f"no entry in reports/page/glossary.py for {missing}"


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_axe_finds_nothing_serious(browser: Any, everything: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    opened = context.new_page()
    opened.goto(everything.as_uri())
    for section in (
        "matrix",
        "cases",
        "changes",
        "history",
        "throughput",
        "scaling",
        "versions",
        "mutants",
        "fuzzing",
        "environment",
    ):
        assert opened.locator(f"#{section}").count() == 1, f"it has {section}"
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.Axe().run(opened).response["violations"]
    context.close()
    told = [f"{v['impact']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found]
    assert not told, "\n".join(told)

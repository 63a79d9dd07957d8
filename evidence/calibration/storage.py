"""Where the calibration is kept: its figures as JSON, its tables between two lines of a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

from evidence.calibration.margins import Figures
from evidence.calibration.tables import page_tables

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def read_record(folder: Path) -> Figures:
    """What is on record in ``folder``; nothing where there is no record yet."""
    path = folder / "calibration.json"
    if path.exists():
        found: Figures = json.loads(path.read_text("utf-8"))
        return found
    return {"implementations": {}, "wrong": [], "samples": []}


def write_record(record: Figures, folder: Path) -> None:
    """The record and its page, into ``folder``."""
    before, after = split_page(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = as_json(record)
    (folder / "calibration.json").write_text(text, "utf-8")
    tables = page_tables(json.loads(text))
    page = f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"
    (folder / "calibration.md").write_text(page, "utf-8")


def as_json(record: Figures) -> str:
    """Four digits of every number, and a row a line."""
    exact = json.dumps(record, allow_nan=False)
    short = json.loads(exact, parse_float=lambda digits: float(f"{float(digits):.4g}"))
    text = json.dumps(short, indent=1, ensure_ascii=False)
    innermost = re.compile(r"\[[^][{}]*\]|\{[^{}]*\}")
    return innermost.sub(lambda found: " ".join(found[0].split()), text) + "\n"


def split_page(folder: Path) -> tuple[str, str]:
    """What the page has before and after its tables; a title where there is no page yet.

    Raises ``ValueError`` where the two lines between which the tables stand are not there once.
    """
    page = folder / "calibration.md"
    if not page.exists():
        return "# Calibration\n\n", "\n"
    text = page.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{page}: expected one line {BEGIN} and one line {END} after it, to write "
                         "the tables between them; add them, or remove the page")  # fmt: skip
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]

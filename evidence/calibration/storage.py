"""Store the calibration: its figures as JSON, and its tables between two marker lines of a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

from evidence.calibration.margins import Figures
from evidence.calibration.tables import page_tables

DOCS = Path(__file__).parents[2] / "docs" / "results"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def read_record(folder: Path) -> Figures:
    """Read the record in a folder.

    Args:
        folder: the folder of calibration.json.

    Returns:
        The record; an empty one if there is no file.

    """
    path = folder / "calibration.json"
    if path.exists():
        found: Figures = json.loads(path.read_text("utf-8"))
        return found
    return {"implementations": {}, "wrong": [], "samples": []}


def write_record(record: Figures, folder: Path) -> None:
    """Write the record and its page.

    Args:
        record: the record.
        folder: the folder of calibration.json and calibration.md.

    """
    before, after = split_page(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = as_json(record)
    (folder / "calibration.json").write_text(text, "utf-8")
    tables = page_tables(json.loads(text))
    page = f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"
    (folder / "calibration.md").write_text(page, "utf-8")


def as_json(record: Figures) -> str:
    """Format a record with four digits per number and a row per line.

    Args:
        record: the record.

    Returns:
        The text.

    """
    exact = json.dumps(record, allow_nan=False)
    short = json.loads(exact, parse_float=lambda digits: float(f"{float(digits):.4g}"))
    text = json.dumps(short, indent=1, ensure_ascii=False)
    innermost = re.compile(r"\[[^][{}]*\]|\{[^{}]*\}")
    return innermost.sub(lambda found: " ".join(found[0].split()), text) + "\n"


def split_page(folder: Path) -> tuple[str, str]:
    """Return the text before and after the tables of calibration.md.

    Args:
        folder: the folder of the page.

    Returns:
        Both texts; a title and an empty end if there is no page.

    Raises:
        ValueError: the page does not have each marker line once, in order.

    """
    page = folder / "calibration.md"
    if not page.exists():
        return "# Calibration\n\n", "\n"
    text = page.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{page}: expected one line {BEGIN} and one line {END} after it, to write "
                         "the tables between them; add them, or remove the page")  # fmt: skip
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]

"""Chromium, for what only a browser can tell of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from records.command_line import Refused

ARGUMENTS = ("--no-sandbox", "--headless", "--disable-background-networking", "--disable-gpu")


def page_of(site: Path) -> Path:
    """Return the page of a site.

    Args:
        site: the folder of the page.

    Returns:
        The path of index.html.

    Raises:
        Refused: there is none.

    """
    page = site / "index.html"
    if not page.is_file():
        raise Refused(f"--site: {site} has no index.html; expected what `rnnspec report` writes")
    return page.resolve()


class NoBrowser(Exception):
    """There is none; the text says what is missing."""


def find_chromium() -> str:
    """Where it is. Raises ``NoBrowser``."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise NoBrowser("no chromium on the PATH; install it, for example as Debian's chromium")
    return found


@contextmanager
def open_browser() -> Iterator[Any]:
    """It, driven by playwright. Raises ``NoBrowser``."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # few who read reports have it
    except ImportError as why:
        raise NoBrowser(
            "playwright is not installed: pip install playwright -c constraints.txt"
        ) from why
    at = find_chromium()
    with sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=at, args=[*ARGUMENTS])
        try:
            yield running
        finally:
            running.close()

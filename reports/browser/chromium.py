"""Find and start Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands.command_line import Refused

ARGUMENTS = ("--no-sandbox", "--headless", "--disable-background-networking", "--disable-gpu")


def require_page(site: Path) -> Path:
    """Return the page of a site.

    Args:
        site: folder that holds index.html.

    Returns:
        Absolute path of index.html.

    Raises:
        Refused: if the folder has no index.html.

    """
    page = site / "index.html"
    if not page.is_file():
        raise Refused(f"--site: {site} has no index.html; run `rnnspec report` first")
    return page.resolve()


class NoBrowser(Exception):
    """Error for a missing browser; the message says what to install."""


def find_chromium() -> str:
    """Find Chromium on the PATH.

    Returns:
        Path of the executable.

    Raises:
        NoBrowser: if it is not installed.

    """
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise NoBrowser(
            "no chromium on the PATH; install it, for example with Debian's package chromium"
        )
    return found


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start Chromium, controlled by playwright.

    Yields:
        The playwright browser.

    Raises:
        NoBrowser: if playwright or Chromium is not installed.

    """
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # optional: most readers of reports lack it
    except ImportError as why:
        raise NoBrowser(
            "playwright is not installed: pip install playwright -c constraints.txt"
        ) from why
    executable = find_chromium()
    with sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=executable, args=[*ARGUMENTS])
        try:
            yield running
        finally:
            running.close()

"""What several files of tests need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    arguments = ["--no-sandbox", "--headless", "--disable-background-networking", "--disable-gpu"]
    with playwright.sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()

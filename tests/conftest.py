"""Settings and fixtures that several folders of tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reports.browser.chromium import NoBrowser
from reports.browser.chromium import open_browser as driven

# Helpers are imported by their bare names, as the commands load them: `--backend fakes:Right`.
sys.path.insert(0, str(Path(__file__).with_name("support")))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; tests that need it skip where there is none."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(driven())
        except NoBrowser as why:
            pytest.skip(str(why))
        yield running

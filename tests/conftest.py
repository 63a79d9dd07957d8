"""What several files of tests need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from reports.browser.chromium import NoBrowser
from reports.browser.chromium import browser as driven


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, where there is one."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(driven())
        except NoBrowser as why:
            pytest.skip(str(why))
        yield running

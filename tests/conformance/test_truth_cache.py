"""The cache of computed truths, and the environment variable that sets its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("given", "expected"), [
    ({}, ".cache"), ({"RNNSPEC_CACHE": ""}, ".cache"), ({"RNNSPEC_CACHE": "/elsewhere"}, "/elsewhere"),
])  # fmt: skip
def test_the_cache_is_where_the_environment_says(given: dict[str, str], expected: str) -> None:
    rest = {name: value for name, value in os.environ.items() if name != "RNNSPEC_CACHE"}
    program = "from conformance.cache import CACHE; print(CACHE)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True,
                          cwd=Path(__file__).parents[2], env=rest | given)  # fmt: skip
    assert Path(done.stdout.strip()) == Path(expected)

"""The folder for cached results: ``.cache`` in the working directory, or RNNSPEC_CACHE."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("RNNSPEC_CACHE") or ".cache")

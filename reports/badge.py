"""The mutation score as a badge: what shields.io draws from an endpoint of this form."""

from __future__ import annotations

import json
import os
from pathlib import Path

from reports.mutation import scores
from reports.reading import Run


def badge(run: Run) -> dict[str, object]:
    """Caught of those that can be told apart; red where one is not."""
    *_, whole = scores(run.mutants)
    return {
        "schemaVersion": 1,
        "label": "wrong RNNs caught",
        "message": f"{whole.caught} of {len(whole.telling)}",
        "color": "red" if whole.wrong else "brightgreen",
    }


def write_badge(run: Run, folder: Path) -> Path:
    """Write ``mutants.json`` into ``folder``: whole, or not at all. Raises ``OSError``."""
    place = folder / "mutants.json"
    part = folder / f".mutants.json.{os.getpid()}"
    part.write_text(json.dumps(badge(run)), encoding="utf-8")
    part.replace(place)
    return place

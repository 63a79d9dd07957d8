"""Text from elsewhere, made harmless to show: names, error texts and cards are untrusted."""

from __future__ import annotations

import os
import re
from pathlib import Path

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Characters that steer a terminal or a page instead of showing: controls, text direction."""


def clip(text: str, limit: int = 2_000) -> str:
    r"""``text`` as it can be shown, in at most ``limit`` characters and a note of what is left out.

    Steering characters become their escapes, such as ``\x1b``.
    """
    shown = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text[:limit])
    omitted = len(text) - limit
    return f"{shown} … [{omitted:,} characters omitted]" if omitted > 0 else shown


def one_line(text: str, limit: int = 200) -> str:
    """``text`` clipped and on one line."""
    return " ".join(clip(text, limit).split())


def number(value: float | None) -> str:
    """``value`` in three digits, for tables; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


def count(n: int, one: str, many: str = "") -> str:
    """A number and its noun: ``1 case``, ``1,024 cases``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def replace_between(text: str, begin: str, end: str, new: str) -> str:
    """``text`` with ``new`` between two of its lines. Raises ``ValueError`` where they are not."""
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"expected a line {begin} and a line {end}")
    return f"{before}{begin}\n{new}\n{end}{after}"


def write_atomically(path: Path, content: str) -> None:
    """Write a file whole, or not at all. Raises ``OSError``."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(content, encoding="utf-8")
    part.replace(path)

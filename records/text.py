"""Make untrusted text safe to show: names, error messages and cards come from backends and files."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Characters that control a terminal or the text direction instead of being shown."""


def clip(text: str, limit: int = 2_000) -> str:
    r"""Escape control characters and limit the length of a text.

    Args:
        text: untrusted text.
        limit: number of characters to keep.

    Returns:
        The text, with control characters as escapes such as ``\x1b`` and a note of how many characters were
        omitted.

    """
    shown = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text[:limit])
    omitted = len(text) - limit
    return f"{shown} … [{omitted:,} characters omitted]" if omitted > 0 else shown


def one_line(text: str, limit: int = 200) -> str:
    """Clip a text and put it on one line.

    Args:
        text: untrusted text.
        limit: number of characters to keep.

    Returns:
        The text with every run of white space replaced by a space.

    """
    return " ".join(clip(text, limit).split())


def number(value: float | None) -> str:
    """Format a number with three significant digits for a table.

    Args:
        value: the number; None for a missing one.

    Returns:
        The number as text; a dash for None, ∞ for infinity.

    """
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


def count(n: int, one: str, many: str = "") -> str:
    """Format a number with its noun, such as ``1 case`` or ``1,024 cases``.

    Args:
        n: the number.
        one: the noun in the singular.
        many: the plural, where it is not ``one`` with an s.

    Returns:
        The number and the noun.

    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def replace_between(text: str, begin: str, end: str, new: str) -> str:
    """Replace the text between two marker lines.

    Args:
        text: the whole text.
        begin: marker line before the part to replace.
        end: marker line after that part.
        new: the replacement.

    Returns:
        The text with the replacement; the markers stay.

    Raises:
        ValueError: if a marker is missing.

    """
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"expected a line {begin} and a line {end}")
    return f"{before}{begin}\n{new}\n{end}{after}"


def write_atomically(path: Path, content: str) -> None:
    """Write a file completely or not at all.

    Args:
        path: the file.
        content: its new content.

    Raises:
        OSError: if the file cannot be written.

    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(content, encoding="utf-8")
    part.replace(path)

"""Suggestions for names that were mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.8
"""The least similarity of a suggestion: ``pytroch`` and ``pytorch`` have 0.86, ``inputs`` and ``minutes`` 0.77."""
LEAST_START = 3
"""The least number of letters of an abbreviation."""


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant.

    Args:
        given: the text that is no such name.
        names: the names that exist.

    Returns:
        The only name that starts with the text, or the most similar one, whatever its case; None if none is similar.

    """
    known = {name.lstrip("-").lower(): name for name in names}
    word = given.lstrip("-").lower()
    completed = [name for name in known if name.startswith(word)]
    if len(completed) == 1 and len(word) >= LEAST_START:
        return known[completed[0]]
    similar = get_close_matches(word, known, 1, CUTOFF)
    return known[similar[0]] if similar else None


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Return the question that an error asks about a mistyped name.

    Args:
        given: the text that is no such name.
        names: the names that exist.

    Returns:
        ``"did you mean NAME? "``, or an empty text if no name is similar.

    """
    found = nearest(given, names)
    return f"did you mean {found}? " if found else ""

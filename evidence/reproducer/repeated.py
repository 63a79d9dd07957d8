"""``python -m evidence.reproducer.repeated [FOLDER]``: count the template lines that repeat a line of ours.

A line counts if, without the spaces around it, it also stands in an adapter or in the specification. Empty
lines, and lines of brackets alone, count neither as lines nor as repeated.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = re.compile(r"\w")


def counted(root: Path) -> dict[str, tuple[int, int]]:
    """Count the lines of every template of a checkout.

    Args:
        root: The top folder of the checkout.

    Returns:
        By template, how many of its lines repeat one of ours, and how many it has.
    """
    ours = {
        line
        for package in ("backends", "reference")
        for path in (root / package).rglob("*.py")
        for line in _lines(path)
    }
    found = {}
    for path in sorted(root.glob("*/reproducer/templates/**/*.j2")):
        lines = list(_lines(path))
        found[str(path.relative_to(root))] = sum(line in ours for line in lines), len(lines)
    return found


def _lines(path: Path) -> Iterator[str]:
    lines = map(str.strip, path.read_text("utf-8").splitlines())
    return (line for line in lines if TEXT.search(line))


def main(arguments: list[str]) -> None:
    """Print the count of every template of a checkout, and of all together.

    Args:
        arguments: The top folder of the checkout; none for this one.
    """
    found = counted(Path(arguments[0]) if arguments else ROOT)
    for name, (repeated, lines) in found.items():
        print(f"{repeated:4} of {lines:4}  {name}")
    repeated, lines = (sum(column) for column in zip(*found.values(), strict=True))
    print(f"{repeated:4} of {lines:4}  in all, {repeated / lines:.0%}")


if __name__ == "__main__":
    main(sys.argv[1:])

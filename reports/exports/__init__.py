"""Export results in the formats of other tools: one module per format, and a table of all files.

Each export function returns the whole text of its file, or None if there is nothing to export: an empty
file would be read as a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from records.text import write_atomically
from reports.exports import (
    badges,
    bencher,
    benchmark_action,
    ctrf,
    feed,
    junit,
    openmetrics,
    pytest_benchmark,
    summary,
    tables,
)
from reports.matrix import Matrix


class File(NamedTuple):
    """One exported file."""

    form: str
    name: str
    text: Callable[[Matrix], str | None]


FILES = (
    File("junit", "junit.xml", junit.text),
    File("markdown", "summary.md", summary.text),
    File("benchmark-action", "benchmark-smaller-is-better.json", benchmark_action.smaller),
    File("benchmark-action", "benchmark-bigger-is-better.json", benchmark_action.bigger),
    File("bencher", "bencher.json", bencher.text),
    File("pytest-benchmark", "pytest-benchmark.json", pytest_benchmark.text),
    File("badges", "badge-agreement.json", badges.agreement),
    File("badges", "badge-mutants.json", badges.mutants),
    File("openmetrics", "metrics.txt", openmetrics.text),
    File("ctrf", "ctrf.json", ctrf.text),
    File("atom", "regressions.xml", feed.text),
    File("csv", "cases.csv", tables.cases),
    File("csv", "throughput.csv", tables.throughput),
)
"""Every exported file."""
FORMS = tuple(dict.fromkeys(file.form for file in FILES))
"""Names of the formats."""


def write(matrix: Matrix, forms: Iterable[str], folder: Path) -> list[Path]:
    """Write the exported files of some formats, each completely or not at all.

    A file with nothing to export is deleted, so that no older version of it stays.

    Args:
        matrix: the matrix.
        forms: names of the formats, of ``FORMS``.
        folder: folder of the exports; created if missing.

    Returns:
        The files written.

    Raises:
        OSError: if a file cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    requested, written = set(forms), []
    for file in FILES:
        if file.form not in requested:
            continue
        path, text = folder / file.name, file.text(matrix)
        if text is None:
            path.unlink(missing_ok=True)
            continue
        write_atomically(path, text)
        written.append(path)
    return written

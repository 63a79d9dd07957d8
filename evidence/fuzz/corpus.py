"""Keep the corpus: the failures that fuzzing has found, one a line, which every later run checks first.

jax_scan fuzz/gru-before/1-layer/forward/…/float64/seed-17
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from backends import BACKENDS
from conformance.cases.fuzzed import FuzzedCase, parse_fuzz_id
from conformance.open_backend import IN_CHECKOUT

CORPUS = Path(__file__).with_name("corpus.txt")
"""The finds on the backends of the list, of all runs of this checkout."""
OWN_CORPUS = "fuzz-corpus.txt"
"""The file of the finds on a user's own backends, in the folder of results."""


class BadCorpus(Exception):
    """A corpus that cannot be used; the text says where and what was expected."""


def read_corpus(path: Path) -> dict[str, list[FuzzedCase]]:
    """Read the corpus.

    Args:
        path: the file.

    Returns:
        The cases by backend; none if there is no file.

    Raises:
        BadCorpus: the file cannot be read, or a line is wrong; the text names the line.

    """
    found: dict[str, list[FuzzedCase]] = {}
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise BadCorpus(f"{path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        backend, _, case_id = line.strip().rpartition(" ")
        try:
            found.setdefault(backend, []).append(parse_fuzz_id(case_id))
        except ValueError as error:
            raise BadCorpus(f"{path}, line {number}: {error}") from error
        if not backend:
            raise BadCorpus(f"{path}, line {number}: {line!r} given, expected a backend and a case")
    return found


def corpus_of(backend: str, out: Path) -> Path:
    """Return the file of a backend's finds, if the user names none.

    The suite's own file holds the finds on the backends of the list. Outside a checkout, a copy of it in the folder
    of results does. Finds on a user's own backend are kept in the folder of results, never in the suite's file.

    Args:
        backend: the name of the backend.
        out: the folder of results.

    Returns:
        The file, which may not exist yet.

    """
    if backend not in BACKENDS:
        return out / OWN_CORPUS
    if IN_CHECKOUT:
        return CORPUS
    copied = out / CORPUS.name
    if not copied.exists():
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CORPUS, copied)
    return copied


def add_to_corpus(path: Path, backend: str, ids: Iterable[str]) -> int:
    """Add the cases that the corpus does not have yet, in one write.

    Args:
        path: the file.
        backend: the name of the backend.
        ids: the ids of the cases.

    Returns:
        The number of cases added.

    """
    text = path.read_text("utf-8") if path.exists() else ""
    had = text.splitlines()
    lines = (f"{backend} {case_id}" for case_id in dict.fromkeys(ids))
    if fresh := [line for line in lines if line not in had]:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text("".join(f"{line}\n" for line in [*had, *fresh]), "utf-8")
        part.replace(path)
    return len(fresh)

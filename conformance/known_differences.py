"""Read known.toml, the list of differences that are a framework's fault, each with its proof.

    [[known]]
    backend = "jax_scan"                        # a name in the list of backends
    cases = "gru-*/3-layer/*"                   # a pattern of case ids, as in a shell
    reason = "what is wrong, in a sentence"
    evidence = "script.py"                     # a standalone script, or a link
    shows = "*not finite*"                      # a pattern of the record's reason; default: any
    only = "CPUs with AVX-512"                  # where the difference shows, if not everywhere

A difference that an entry covers does not fail the run. An entry that no difference matches fails it, unless
the entry has ``only``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from backends import BACKENDS
from records.schema import CaseRecord

KNOWN_FILE = Path(__file__).parent / "known" / "known.toml"
"""The suite's own entries; the scripts that prove them are beside it."""


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of known.toml."""

    backend: str
    cases: str
    reason: str
    evidence: str
    shows: str = "*"
    only: str = ""

    def __str__(self) -> str:
        return f"{self.backend}: {self.cases}: {self.reason}"

    def covers(self, backend: str, case: str) -> bool:
        """Return True if the entry is about this case on this backend.

        Args:
            backend: the name of the backend.
            case: the id of the case.

        Returns:
            True if backend and case match.

        """
        return self.backend == backend and fnmatchcase(case, self.cases)

    def explains(self, backend: str, case: str, difference: str) -> bool:
        """Return True if the entry explains a difference of this case on this backend.

        Args:
            backend: the name of the backend.
            case: the id of the case.
            difference: the reason in the record.

        Returns:
            True if backend, case and reason match.

        """
        return self.covers(backend, case) and fnmatchcase(difference, self.shows)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    known: list[KnownDifference] = []


class BadKnownFile(Exception):
    """A known.toml that cannot be used; the text says where and what was expected."""


def read_known(path: Path) -> list[KnownDifference]:
    """Read the entries of a known.toml.

    Args:
        path: the file.

    Returns:
        The entries, in the order of the file.

    Raises:
        BadKnownFile: the file cannot be read, or an entry is wrong.

    """
    try:
        entries = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).known
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadKnownFile(f"{path}: {error}") from error
    for entry in entries:
        if entry.backend not in BACKENDS and ":" not in entry.backend:
            raise BadKnownFile(f"{path}: backend {entry.backend!r} given, expected one of "
                               f"{', '.join(BACKENDS)}, or package.module:Class")  # fmt: skip
        for name in ("backend", "cases", "reason", "evidence", "shows"):
            if not getattr(entry, name).strip():
                raise BadKnownFile(
                    f"{path}: entry for {entry.backend!r}: {name} is empty, expected a text"
                )
        if (
            not entry.evidence.startswith("https://")
            and not (path.parent / entry.evidence).is_file()
        ):
            raise BadKnownFile(
                f"{path}: entry for {entry.backend!r}: evidence {entry.evidence!r} given, expected an "
                "https:// link, or a file relative to this one"
            )
    return entries


def known_reason(entries: Iterable[KnownDifference], record: CaseRecord) -> str | None:
    """Return the reason of the first entry that explains a record's difference.

    Args:
        entries: the entries of known.toml.
        record: the record of a check.

    Returns:
        The reason; None if the record does not differ or no entry explains it.

    """
    if record.outcome != "differs":
        return None
    return explain(entries, record.backend, record.case, record.reason)


def explain(
    entries: Iterable[KnownDifference], backend: str, case: str, difference: str
) -> str | None:
    """Return the reason of the first entry that explains a difference.

    Args:
        entries: the entries of known.toml.
        backend: the name of the backend.
        case: the id of the case.
        difference: the reason in the record.

    Returns:
        The reason; None if no entry explains it.

    """
    return next((e.reason for e in entries if e.explains(backend, case, difference)), None)


def find_stale(
    entries: Sequence[KnownDifference], records: Sequence[CaseRecord], *, narrowed: bool
) -> list[KnownDifference]:
    """Return the entries that no difference among the records matches.

    Args:
        entries: the entries of known.toml.
        records: the records of a run.
        narrowed: True if the run selected only some cases; then an entry counts only if the run checked one of
            its cases.

    Returns:
        The stale entries, without those that show in some places only.

    """
    backends = {r.backend for r in records}
    found = []
    for entry in entries:
        covered = [r for r in records if entry.covers(r.backend, r.case)]
        expected = bool(covered) if narrowed else entry.backend in backends
        matches = (
            r for r in covered if r.outcome == "differs" and fnmatchcase(r.reason, entry.shows)
        )
        if expected and not entry.only and not any(matches):
            found.append(entry)
    return found

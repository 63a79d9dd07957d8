"""Read one run file, and refuse it with the line number and the reason if any of it violates the schema."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from records.schema import (
    INDIVIDUAL,
    SCHEMA_VERSION,
    CaseRecord,
    Footer,
    FuzzRecord,
    Header,
    Line,
    Measurement,
    MutantRecord,
    Record,
    decode,
)

MAX_BYTES = 256 * 2**20
"""Largest run file that is read, in decompressed bytes; 3,000 records take about 5 MiB."""


NAME_NOT_UTF8 = "the file name is not UTF-8; rename the file"
"""Reason for refusing a file whose name is not valid text."""

UNIQUE_FIELDS: dict[type, str] = {CaseRecord: "case", MutantRecord: "mutant", FuzzRecord: "round"}
"""Record types that must be unique in a run, with the field that identifies each."""


class BadRunFile(Exception):
    """Error for a run file that cannot be trusted.

    Args:
        path: the file.
        why: the reason, as one sentence.

    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True)
class Run:
    """The content of one run file."""

    path: Path
    header: Header
    records: tuple[Record, ...]
    footer: Footer | None
    why_incomplete: str
    """Why the run is incomplete; empty if it is complete."""

    @property
    def complete(self) -> bool:
        """True if the file ends with a footer, so that the run was not interrupted."""
        return self.footer is not None

    @property
    def is_full(self) -> bool:
        """True if the run is complete and no option left cases out."""
        return self.footer is not None and self.footer.deselected == 0

    @property
    def has_every_case(self) -> bool:
        """True if the run is full and reached every selected case. Only such a run supersedes the runs before it.

        A run of a user's own network has no case of the suite, so it supersedes nothing.
        """
        own = self.cases and all(record.case.startswith(INDIVIDUAL) for record in self.cases)
        return self.is_full and not self.unreached and not own

    @property
    def version(self) -> str:
        """The framework and its version."""
        return self.header.backend_version

    @property
    def unreached(self) -> int:
        """Number of cases that were selected but not reached before the run stopped."""
        return self.footer.selected - len(self.records) if self.footer else 0

    @property
    def started(self) -> datetime:
        """Start time in UTC."""
        return parse_utc(self.header.started_at)

    @property
    def cases(self) -> tuple[CaseRecord, ...]:
        """The case records."""
        return tuple(record for record in self.records if isinstance(record, CaseRecord))

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The records of timed workloads."""
        return tuple(record for record in self.records if isinstance(record, Measurement))

    @property
    def mutants(self) -> tuple[MutantRecord, ...]:
        """The records of mutants."""
        return tuple(record for record in self.records if isinstance(record, MutantRecord))

    @property
    def rounds(self) -> tuple[FuzzRecord, ...]:
        """The records of fuzzing rounds."""
        return tuple(record for record in self.records if isinstance(record, FuzzRecord))


def parse_utc(text: str) -> datetime:
    """Parse an ISO 8601 time; a time without an offset is taken as UTC.

    Args:
        text: the time.

    Returns:
        The time in UTC.

    Raises:
        ValueError: if ``text`` is not an ISO 8601 time.

    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def read_run(path: Path) -> Run:
    """Read a run file.

    A ``.jsonl`` file without a footer is an interrupted run: it is returned with ``why_incomplete`` set.

    Args:
        path: a ``.jsonl`` or ``.jsonl.gz`` file.

    Returns:
        The run.

    Raises:
        BadRunFile: if the file is missing, unreadable, damaged or violates the schema.

    """
    if (shown := printable_name(path.name)) != path.name:
        raise BadRunFile(path.with_name(shown), NAME_NOT_UTF8)
    finished = path.suffix == ".gz"
    lines = _read(path).split(b"\n")
    tail = lines.pop()
    note = "no footer: the run was interrupted or is still in progress"
    if tail and not finished and not _is_json(tail):
        note = f"interrupted: line {len(lines) + 1} is cut off after {len(tail):,} bytes"
    elif tail:
        lines.append(tail)
    header = _header(path, lines)
    found = [_line(path, number, line) for number, line in enumerate(lines[1:], start=2)]
    footer = found.pop() if found and isinstance(found[-1], Footer) else None
    records = _records(path, header, found)
    if isinstance(footer, Footer):
        _check_counts(path, footer, records)
        return Run(path, header, records, footer, "")
    if finished:
        raise BadRunFile(path, f"no footer after line {len(lines)}; a .gz must be a finished run")
    return Run(path, header, records, None, note)


def printable_name(name: str) -> str:
    """Escape the bytes of a file name that are not valid text.

    Args:
        name: the file name, with surrogate escapes for undecodable bytes.

    Returns:
        The name as printable text.

    """
    return name.encode(errors="backslashreplace").decode()


def _read(path: Path) -> bytes:
    """Return the decompressed content of a file, which may hold at most ``MAX_BYTES``."""
    if not path.is_file():
        missing = "broken link" if path.is_symlink() else "no such file"
        raise BadRunFile(path, "expected a regular file" if path.exists() else missing)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRunFile(path, f"cannot be read: {error}") from error
    if len(text) > MAX_BYTES:
        raise BadRunFile(path, f"larger than {MAX_BYTES:,} bytes, the limit for run files")
    if not text:
        raise BadRunFile(path, "the file is empty; expected a header on line 1")
    return text


def _is_json(text: bytes) -> bool:
    """Return whether a line is complete: no proper prefix of a JSON object is valid JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class _Version(msgspec.Struct):
    """The one field of a header that every schema version has."""

    schema_version: int


def _header(path: Path, lines: Sequence[bytes]) -> Header:
    """Decode the header on line 1 and check its schema version."""
    if not lines:
        raise BadRunFile(path, "line 1: the header is cut off")
    try:
        version = msgspec.json.decode(lines[0], type=_Version).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = SCHEMA_VERSION  # not a header; _line reports the reason
    if version != SCHEMA_VERSION:
        raise BadRunFile(
            path,
            f"line 1: schema_version {version}, expected {SCHEMA_VERSION}: another version of rnnspec wrote it",
        )
    header = _line(path, 1, lines[0])
    if not isinstance(header, Header):
        raise BadRunFile(path, f"line 1: expected a header, found a {_kind(header)}")
    try:
        parse_utc(header.started_at)
    except (ValueError, OverflowError) as error:
        raise BadRunFile(path, f"line 1: started_at: {error}") from error
    return header


def _line(path: Path, number: int, text: bytes) -> Line:
    """Decode one line."""
    if not text.strip():
        raise BadRunFile(path, f"line {number}: empty; expected a record")
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        raise BadRunFile(path, f"line {number}: violates the schema: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRunFile(path, f"line {number}: not JSON: {error}") from error


def _kind(line: Line) -> str:
    """Return the ``kind`` tag of a line."""
    return str(line.__struct_config__.tag)


def _records(path: Path, header: Header, lines: Sequence[Line]) -> tuple[Record, ...]:
    """Check that every line is a record of the header's backend and device, and that no case repeats."""
    records: list[Record] = []
    seen: dict[tuple[str, object], int] = {}
    for number, line in enumerate(lines, start=2):
        if isinstance(line, Header | Footer):
            header_again = isinstance(line, Header)
            problem = "a second header" if header_again else "a footer that is not the last line"
            raise BadRunFile(path, f"line {number}: {problem}")
        if not isinstance(line, MutantRecord):
            ran, expected = (line.backend, line.device), (header.backend, header.device)
            if ran != expected:
                raise BadRunFile(
                    path, f"line {number}: ran on {ran}, but the header says {expected}"
                )
        if isinstance(line, Measurement) and (why := _inconsistent_counts(line)):
            raise BadRunFile(path, f"line {number}: {why}")
        kind = UNIQUE_FIELDS.get(type(line), "")
        if kind:
            first = seen.setdefault((kind, getattr(line, kind)), number)
            if first != number:
                raise BadRunFile(path, f"line {number}: repeats the {kind} of line {first}")
        records.append(line)
    return tuple(records)


def _inconsistent_counts(m: Measurement) -> str:
    """Return why the sample counts of a measurement are inconsistent; empty if they are consistent."""
    count = len(m.seconds)
    if m.limit_seconds and len(m.limit_seconds) != count + 1:
        return (f"{len(m.limit_seconds)} limit_seconds, expected none or one more than seconds: "
                f"{count + 1}")  # fmt: skip
    if m.processor_seconds and len(m.processor_seconds) != count:
        return f"{len(m.processor_seconds)} processor_seconds, expected none or as many as seconds: {count}"
    return ""


def _check_counts(path: Path, footer: Footer, records: Sequence[Record]) -> None:
    """Check the counts in the footer against the records."""
    cases = Counter(record.outcome for record in records if type(record) is CaseRecord)
    kinds = Counter(map(type, records))
    for kind, declared, counted in (
        ("outcomes", {outcome: n for outcome, n in footer.counts.items() if n}, dict(cases)),
        ("measurements", footer.measurements, kinds[Measurement]),
        ("mutants", footer.mutants, kinds[MutantRecord]),
        ("rounds", footer.rounds, kinds[FuzzRecord]),
    ):
        if declared != counted:
            raise BadRunFile(
                path, f"the footer says {kind} {declared}, but the file holds {counted}"
            )
    if footer.selected < cases.total():
        raise BadRunFile(
            path, f"the footer says {footer.selected} selected, but the file holds {cases.total()}"
        )

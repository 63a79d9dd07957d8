"""Reading one run file: all of it is as the schema says, or it is refused with the line and why."""

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
"""The largest run file that is read, decompressed; 3,000 records take about 5 MiB."""


NAME_NOT_UTF8 = "its name is not UTF-8; rename it"

ONCE: dict[type, str] = {CaseRecord: "case", MutantRecord: "mutant", FuzzRecord: "round"}
"""What a run has one record of, by the field that names it."""


class BadRunFile(Exception):
    """A run file that cannot be trusted: ``path``, and ``why`` in a sentence."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True)
class Run:
    """What one run file holds."""

    path: Path
    header: Header
    records: tuple[Record, ...]
    footer: Footer | None
    why_incomplete: str
    """Why the run is not complete; empty where it is."""

    @property
    def complete(self) -> bool:
        """Whether the run ended by itself."""
        return self.footer is not None

    @property
    def is_full(self) -> bool:
        """Whether it left nothing out: a repeated single case must not hide the run before."""
        return self.footer is not None and self.footer.deselected == 0

    @property
    def unreached(self) -> int:
        """What was selected and not reached before the run stopped."""
        return self.footer.selected - len(self.records) if self.footer else 0

    @property
    def started(self) -> datetime:
        """When the run started, in UTC."""
        return parse_utc(self.header.started_at)

    @property
    def cases(self) -> tuple[CaseRecord, ...]:
        """The records of cases."""
        return tuple(record for record in self.records if isinstance(record, CaseRecord))

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The records of workloads."""
        return tuple(record for record in self.records if isinstance(record, Measurement))

    @property
    def mutants(self) -> tuple[MutantRecord, ...]:
        """The records of mutants."""
        return tuple(record for record in self.records if isinstance(record, MutantRecord))

    @property
    def rounds(self) -> tuple[FuzzRecord, ...]:
        """The records of rounds of fuzzing."""
        return tuple(record for record in self.records if isinstance(record, FuzzRecord))


def parse_utc(text: str) -> datetime:
    """The ISO 8601 time ``text``; without an offset it is UTC. Raises ``ValueError``."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def read_run(path: Path) -> Run:
    """The run in ``path``. A ``.jsonl`` without its end is interrupted, and ``note`` says so.

    Raises ``BadRunFile`` for anything else that is not a run file from start to end.
    """
    if (shown := printable_name(path.name)) != path.name:
        raise BadRunFile(path.with_name(shown), NAME_NOT_UTF8)
    finished = path.suffix == ".gz"
    lines = _read(path).split(b"\n")
    tail = lines.pop()
    note = "no footer: the run was interrupted or is still going"
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
    """The name of a file, whose bytes need not be text."""
    return name.encode(errors="backslashreplace").decode()


def _read(path: Path) -> bytes:
    """The content of ``path``, decompressed, and no more of it than ``MAX_BYTES``."""
    if not path.is_file():
        there = "a link to no file" if path.is_symlink() else "there is no such file"
        raise BadRunFile(path, "expected a file" if path.exists() else there)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRunFile(path, f"cannot be read: {error}") from error
    if len(text) > MAX_BYTES:
        raise BadRunFile(path, f"more than {MAX_BYTES:,} bytes, the most that is read")
    if not text:
        raise BadRunFile(path, "the file is empty; expected a header on line 1")
    return text


def _is_json(text: bytes) -> bool:
    """Whether ``text`` is whole; no part of a JSON object that lacks its end is JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class _Version(msgspec.Struct):
    schema_version: int


def _header(path: Path, lines: Sequence[bytes]) -> Header:
    """The header on line 1, if it is of a version that this code knows."""
    if not lines:
        raise BadRunFile(path, "line 1: the header is cut off")
    try:
        version = msgspec.json.decode(lines[0], type=_Version).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = SCHEMA_VERSION  # not a header: _line says what is wrong with it
    if version != SCHEMA_VERSION:
        raise BadRunFile(
            path, f"line 1: schema_version {version}, expected {SCHEMA_VERSION}: another rnnspec"
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
    if not text.strip():
        raise BadRunFile(path, f"line {number}: empty; expected a record")
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        raise BadRunFile(path, f"line {number}: not as the schema says: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRunFile(path, f"line {number}: not JSON: {error}") from error


def _kind(line: Line) -> str:
    return str(line.__struct_config__.tag)


def _records(path: Path, header: Header, lines: Sequence[Line]) -> tuple[Record, ...]:
    """``lines``, if they are records of the header's backend and device, each case once."""
    records: list[Record] = []
    seen: dict[tuple[str, object], int] = {}
    for number, line in enumerate(lines, start=2):
        if isinstance(line, Header | Footer):
            header_again = isinstance(line, Header)
            what = "a second header" if header_again else "a footer that is not the last line"
            raise BadRunFile(path, f"line {number}: {what}")
        if not isinstance(line, MutantRecord):
            ran, said = (line.backend, line.device), (header.backend, header.device)
            if ran != said:
                raise BadRunFile(path, f"line {number}: ran on {ran}, but the header says {said}")
        if isinstance(line, Measurement) and (why := _wrong(line)):
            raise BadRunFile(path, f"line {number}: {why}")
        what = ONCE.get(type(line), "")
        if what:
            first = seen.setdefault((what, getattr(line, what)), number)
            if first != number:
                raise BadRunFile(path, f"line {number}: the {what} of line {first} again")
        records.append(line)
    return tuple(records)


def _wrong(m: Measurement) -> str:
    """Why what was measured beside the samples does not fit; empty where all is well."""
    count = len(m.seconds)
    if m.limit_seconds and len(m.limit_seconds) != count + 1:
        return (f"{len(m.limit_seconds)} limit_seconds, expected none or one more than seconds: "
                f"{count + 1}")  # fmt: skip
    if m.processor_seconds and len(m.processor_seconds) != count:
        return f"{len(m.processor_seconds)} processor_seconds, expected none or as many as seconds: {count}"
    return ""


def _check_counts(path: Path, footer: Footer, records: Sequence[Record]) -> None:
    cases = Counter(record.outcome for record in records if type(record) is CaseRecord)
    kinds = Counter(map(type, records))
    for what, said, counted in (
        ("outcomes", {outcome: n for outcome, n in footer.counts.items() if n}, dict(cases)),
        ("measurements", footer.measurements, kinds[Measurement]),
        ("mutants", footer.mutants, kinds[MutantRecord]),
        ("rounds", footer.rounds, kinds[FuzzRecord]),
    ):
        if said != counted:
            raise BadRunFile(path, f"the footer says {what} {said}, but the file holds {counted}")
    if footer.selected < cases.total():
        raise BadRunFile(
            path, f"the footer says {footer.selected} selected, but the file holds {cases.total()}"
        )

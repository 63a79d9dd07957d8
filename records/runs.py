"""Run files: written line by line by one writer, immutable once finished.

A run in progress, or one that was cut off, is ``<utc>-<run id>.jsonl``: a header, then records.
``close`` adds the footer and turns it into ``.jsonl.gz``. ``records.reading`` reads them back.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from records.reading import BadRunFile, Run, parse_utc, read_run
from records.schema import Footer, Header, Line, Record, decode, encode

__all__ = ["BadRunFile", "Run", "RunWriter", "read_folder", "read_run"]


class RunWriter:
    """Writes one run into ``folder``.

    A line is in the file when ``write`` returns: killing the process loses none. Raises
    ``FileExistsError`` where the run is there already, and ``ValueError`` for a run id that does
    not suit a file name or a start that is not an ISO 8601 time.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", header.run_id):
            raise ValueError(
                f"run_id {header.run_id!r}: expected 1 to 100 letters, digits, '_', '.' or '-'"
            )
        name = f"{parse_utc(header.started_at):%Y%m%dT%H%M%SZ}-{header.run_id}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        if _finished(self.path).exists():
            raise FileExistsError(f"{_finished(self.path)} exists; a finished run is never changed")
        self._file: BinaryIO = self.path.open("xb")
        self._lock()
        self._line(header)

    @classmethod
    def resume(cls, path: Path) -> tuple[Self, Run]:
        """Go on with an interrupted run, without what is left of a line that was cut off.

        Raises ``BlockingIOError`` where another process is still writing it, and as ``read_run`` does.
        """
        writer = cls.__new__(cls)
        writer.path, writer._file = path, path.open("r+b")
        writer._lock()
        whole = sum(len(line) for line in writer._file if line.endswith(b"\n"))
        writer._file.truncate(writer._file.seek(whole))
        return writer, read_run(path)

    def write(self, record: Record) -> None:
        """Append one record; raises ``msgspec.ValidationError`` where a field has a wrong type."""
        self._line(record)

    def close(self, footer: Footer) -> Path:
        """Append the footer, compress the run, and return its new path.

        Raises ``BadRunFile`` where the run does not read back, for example because the footer's
        counts are not those of its records; the ``.jsonl`` then stays.
        """
        self._line(footer)
        os.fsync(self._file.fileno())
        self._file.close()
        read_run(self.path)
        finished = _finished(self.path)
        part = finished.with_name(finished.name + ".part")
        with part.open("wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                packed.write(self.path.read_bytes())
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(finished)
        self.path.unlink()
        self.path = finished
        return finished

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Let go of the file; without a footer the run stays as it is, interrupted."""
        self._file.close()

    def _lock(self) -> None:
        """One writer at a time; the system lets go of it when the process ends, in whatever way."""
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _line(self, line: Line) -> None:
        text = encode(line)
        decode(text)  # a wrong type is refused here, by name, before it spoils the file
        self._file.write(text + b"\n")
        self._file.flush()


def read_folder(folder: Path) -> tuple[list[Run], list[BadRunFile]]:
    """Every run in ``folder``, by start time, and every file there that could not be read.

    A ``.jsonl`` beside its finished ``.jsonl.gz`` is the same run, and is read once. A folder that
    does not exist holds no runs.
    """
    if folder.exists() and not folder.is_dir():
        return [], [BadRunFile(folder, "expected a folder of run files")]
    runs: list[Run] = []
    bad: list[BadRunFile] = []
    waiting = sorted(run_files(folder), reverse=True)
    while waiting:
        path = folder / waiting.pop()
        try:
            runs.append(read_run(current_path(path)))
        except BadRunFile as error:
            bad.append(error)
            if path.suffix == ".gz" and path.with_suffix("").exists():  # the copy that may read
                waiting.append(path.with_suffix("").name)
    return sorted(runs, key=lambda run: (run.started, run.header.run_id)), bad


def run_files(folder: Path) -> set[str]:
    """The names of the run files in a folder; of one that is finished, not the one it was made from."""
    if not folder.is_dir():
        return set()
    # Twice, in this order: one that gets its footer in between is found as finished, not never.
    going, finished = (
        {name for name in os.listdir(folder) if name.endswith(kind)}  # noqa: PTH208  # names alone
        for kind in (".jsonl", ".jsonl.gz")
    )
    return finished | {name for name in going if f"{name}.gz" not in finished}


def current_path(path: Path) -> Path:
    """Where a run is that was found at ``path``, and may have got its footer meanwhile."""
    return path if os.path.lexists(path) else _finished(path)


def _finished(path: Path) -> Path:
    return path.with_name(path.name + ".gz")

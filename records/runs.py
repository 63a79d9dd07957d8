"""Write run files line by line, and read a folder of them.

A run in progress, or an interrupted one, is ``<utc>-<run id>.jsonl``: a header, then records.
``close`` appends the footer and compresses the file to ``.jsonl.gz``, which never changes again.
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
    """Writer of one run file.

    Each line is in the file when ``write`` returns, so killing the process loses no record.

    Args:
        folder: folder of run files; created if missing.
        header: first line of the file; its run id and start time form the file name.

    Raises:
        FileExistsError: if the run file already exists.
        ValueError: if the run id is not a valid file name or the start is not an ISO 8601 time.

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
        """Reopen an interrupted run and drop a partly written last line.

        Args:
            path: the ``.jsonl`` file.

        Returns:
            The writer, and the run as read so far.

        Raises:
            BlockingIOError: if another process is still writing the file.
            BadRunFile: if the file cannot be read.

        """
        writer = cls.__new__(cls)
        writer.path, writer._file = path, path.open("r+b")
        writer._lock()
        whole = sum(len(line) for line in writer._file if line.endswith(b"\n"))
        writer._file.truncate(writer._file.seek(whole))
        return writer, read_run(path)

    def write(self, record: Record) -> None:
        """Append one record.

        Args:
            record: the record.

        Raises:
            msgspec.ValidationError: if a field has the wrong type.

        """
        self._line(record)

    def close(self, footer: Footer) -> Path:
        """Append the footer and compress the file.

        Args:
            footer: last line of the file.

        Returns:
            The path of the compressed file.

        Raises:
            BadRunFile: if the finished file does not read back, for example because the footer's counts do not
                match the records; the ``.jsonl`` file is then kept.

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
        """Close the file; without a footer the run stays interrupted."""
        self._file.close()

    def _lock(self) -> None:
        """Lock the file for one writer; the system releases the lock when the process ends."""
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _line(self, line: Line) -> None:
        """Append one line after checking that it decodes."""
        text = encode(line)
        decode(text)  # refuse a wrong type here, by name, before it damages the file
        self._file.write(text + b"\n")
        self._file.flush()


def read_folder(folder: Path) -> tuple[list[Run], list[BadRunFile]]:
    """Read every run file of a folder.

    A ``.jsonl`` file next to its finished ``.jsonl.gz`` is the same run and is read once.

    Args:
        folder: folder of run files; a missing folder holds no runs.

    Returns:
        The runs by start time, and an error for each file that cannot be read.

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
            if (
                path.suffix == ".gz" and path.with_suffix("").exists()
            ):  # the uncompressed copy may still be readable
                waiting.append(path.with_suffix("").name)
    return sorted(runs, key=lambda run: (run.started, run.header.run_id)), bad


def run_files(folder: Path) -> set[str]:
    """List the run files of a folder; a finished run is listed once, by its compressed file.

    Args:
        folder: folder of run files.

    Returns:
        File names; empty if the folder does not exist.

    """
    if not folder.is_dir():
        return set()
    # List running files first: a run that finishes in between is then found as finished.
    running, finished = (
        {name for name in os.listdir(folder) if name.endswith(kind)}  # noqa: PTH208  # only names are needed
        for kind in (".jsonl", ".jsonl.gz")
    )
    return finished | {name for name in running if f"{name}.gz" not in finished}


def current_path(path: Path) -> Path:
    """Return where a run file is now: finishing a run renames the file.

    Args:
        path: where the file was found.

    Returns:
        ``path`` if it still exists, else the path of the compressed file.

    """
    return path if os.path.lexists(path) else _finished(path)


def _finished(path: Path) -> Path:
    """Return the path that the file has once its run is finished."""
    return path.with_name(path.name + ".gz")

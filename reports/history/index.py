"""The index: every figure of every run in time, in SQLite, derived from the run files whenever asked.

A series is one figure of one case, or of one row that is timed:

    figure × case × its version × backend × device × dtype

and has one value a run. The run says on which machine it was seen, and in which environment, by its fingerprint:
values of different ones are not compared. Run files stay the truth: the index may be deleted.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from records.reading import NAME_NOT_UTF8, BadRunFile, Run, printable_name, read_run
from records.runs import run_files
from records.text import count
from records.timing import ratios, timings

CODE = b"".join(
    path.read_bytes()
    for folder in (Path(__file__).parent, Path(__file__).parents[2] / "records")
    for path in sorted(folder.glob("*.py"))
)
LAYOUT = zlib.crc32(CODE) & 0x7FFF_FFFF
"""Which code has read the runs of an index: one of other code is made anew."""
OURS = 0x524E_4E73
"""Says of a file of SQLite's that it is an index of ours."""

TABLES = f"""
PRAGMA application_id = {OURS};
PRAGMA user_version = {LAYOUT};
CREATE TABLE run (
    id INTEGER PRIMARY KEY, file TEXT UNIQUE, bytes INTEGER, changed INTEGER, why_bad TEXT,
    at INTEGER, run_id TEXT, backend TEXT, version TEXT, device TEXT, commit_id TEXT, fingerprint TEXT,
    machine TEXT, kinds TEXT, whole INTEGER, complete INTEGER
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY, figure TEXT, name TEXT, version TEXT, backend TEXT, device TEXT, dtype TEXT,
    UNIQUE (figure, name, version, backend, device, dtype)
);
CREATE TABLE point (
    series INTEGER, at INTEGER, run INTEGER, value REAL, low REAL, high REAL, outcome TEXT,
    PRIMARY KEY (series, at, run)
) WITHOUT ROWID;
"""


class Series(NamedTuple):
    """Which figure of what."""

    figure: str
    """margin, seconds or share of limit."""
    name: str
    """The case; or the workload, the mode and the number of processors."""
    version: str
    backend: str
    device: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.figure} {self.name} {self.backend} {self.device} {self.dtype}"


class Point(NamedTuple):
    """What one run says of a series."""

    at: int
    """When it started: microseconds since 1970, UTC."""
    run_id: str
    backend_version: str
    commit: str | None
    fingerprint: str
    machine: str
    value: float | None
    """None where the run has no figure; its outcome says why."""
    low: float | None
    high: float | None
    outcome: str


class VersionRun(NamedTuple):
    """A run, as the index knows it, of one version of a backend; whether it has every case."""

    id: int
    backend: str
    device: str
    version: str
    at: int
    run_id: str
    complete: bool


Key = tuple[str, str, str, str, str, str]
"""A series; a plain tuple is made in a tenth of the time, and there are millions."""
_KEYS: dict[Key, Key] = {}
"""Each once: what one process tells another of many runs is then a tenth as long."""
Value = tuple[Key, float | None, float | None, float | None, str]
"""A series with a value, the least and the greatest of the processes, and the outcome."""
State = tuple[int, int]
"""Bytes of a file, and when it was changed."""
Track = Callable[[Iterator["IndexedFile"], int], Iterator["IndexedFile"]]

FEW = 64
"""Files that one process reads alone."""
BATCH = 256
"""Files that are written at once."""


class BadIndex(Exception):
    """A file that is no index, or that other code has made anew meanwhile."""


class Index:
    """The index in one file. What is written is whole or not there, however the process ends.

    Raises ``BadIndex`` for a file of something else.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._tables = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._ids: dict[Key, int] = {}
        self._no_text: set[str] = set()
        """Files whose names cannot be kept."""
        if self._has_tables() and self._pragma("application_id") != OURS:
            raise BadIndex(f"{path}: a database of something else; expected an index, or no file")
        self._tables.execute("PRAGMA journal_mode = WAL")
        self._tables.execute("PRAGMA synchronous = NORMAL")
        with self._writing(anew=True):
            if self._pragma("user_version") != LAYOUT:
                self._make_anew()
        self._read_series()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._tables.close()

    def refresh(self, folder: Path, track: Track = lambda taken, _: taken) -> None:
        """Take in what is new in a folder of run files, and let go of what is no longer there.

        A file that cannot be read is kept by its name and why; an interrupted run is read again where it has
        grown. ``track`` is given what is read, of how many files, and may show how far it is.
        """
        finished = "why_bad IS NULL AND file LIKE '%.gz'"  # such a run is never changed
        settled = {
            file for (file,) in self._tables.execute(f"SELECT file FROM run WHERE {finished}")
        }
        asked = f"SELECT file, bytes, changed FROM run WHERE NOT ({finished})"
        known = {file: (size, changed) for file, size, changed in self._tables.execute(asked)}
        found = run_files(folder) | self._copies(folder)
        self._no_text = {file for file in found if printable_name(file) != file}
        found -= self._no_text
        states: dict[str, State] = {}
        for file in sorted(found - settled):
            state = _state(folder / file)
            if state and state != known.get(file):
                states[file] = state
        with self._writing():
            for file in (settled | known.keys()) - found:
                self._forget(file)
        taken = track(_all_taken([folder / file for file in states]), len(states))
        while batch := list(islice(taken, BATCH)):  # each is whole or not there
            with self._writing():
                rows = [row for one in batch for row in self._put(one, states[one.file])]
                rows.sort()  # as the table has them: neighbours are written together
                self._tables.executemany("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

        if self._copies(folder) - found:
            self.refresh(folder, track)

    def _copies(self, folder: Path) -> set[str]:
        """The files from which bad ones were made, and that may read."""
        asked = "SELECT file FROM run WHERE why_bad IS NOT NULL AND file LIKE '%.gz'"
        names = (file.removesuffix(".gz") for (file,) in self._tables.execute(asked))
        return {name for name in names if (folder / name).exists()}

    def all_series(self) -> list[Series]:
        """Every series, in order."""
        return [Series(*key) for key in sorted(self._ids)]

    def points(self, series: Series, last: int = 200) -> list[Point]:
        """The last values of a series on every machine, in time."""
        columns = (
            "point.at, run_id, version, commit_id, fingerprint, machine, value, low, high, outcome"
        )
        of = "FROM point JOIN run ON run.id = point.run WHERE series = ?"
        given = (self._ids.get(series), last)
        asked = f"SELECT {columns} {of} ORDER BY point.at DESC, run DESC LIMIT ?"
        found = [Point(*row) for row in self._tables.execute(asked, given)]
        if len({point.machine for point in found}) > 1:  # then it takes a look at all of its values
            numbered = (
                "row_number() OVER (PARTITION BY machine ORDER BY point.at DESC, run DESC) AS n"
            )
            asked = f"SELECT * FROM (SELECT {columns}, {numbered} {of}) WHERE n <= ?"
            found = [Point(*row[:-1]) for row in self._tables.execute(asked, given)]
        return sorted(found, key=lambda point: (point.at, point.run_id))

    def latest(self) -> list[str]:
        """The files of which a matrix shows something: of each backend, device and kind of record the last, and
        the last that left nothing out.
        """
        asked = "SELECT file, backend, device, kinds, whole FROM run WHERE why_bad IS NULL ORDER BY at, run_id"
        found: dict[tuple[str, ...], str] = {}
        for file, backend, device, kinds, whole in self._tables.execute(asked):
            for kind in kinds.split():
                found[backend, device, kind] = file
                if whole:
                    found[backend, device, kind, "whole"] = file
        return sorted(set(found.values()))

    def previous(self) -> list[str]:
        """The files of the last but one run of each backend and device that had cases, and left none out."""
        asked = """
            SELECT file FROM (
                SELECT file, row_number() OVER (PARTITION BY backend, device ORDER BY at DESC, run_id DESC) AS n
                FROM run WHERE whole AND kinds LIKE '%conformance%'
            ) WHERE n = 2 ORDER BY file
        """
        return [file for (file,) in self._tables.execute(asked)]

    def last_of_versions(self) -> list[VersionRun]:
        """Of each version of each backend and device the last run that has every case, or the last with any; by
        backend and device, the latest first.
        """
        asked = """
            SELECT id, backend, device, version, at, run_id, complete FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY backend, device, version ORDER BY complete DESC, at DESC, run_id DESC) AS n
                FROM run WHERE kinds LIKE '%conformance%'
            ) WHERE n = 1 ORDER BY backend, device, at DESC
        """
        return [VersionRun(*row) for row in self._tables.execute(asked)]

    def margins(self, run: int) -> dict[str, list[float | None]]:
        """Of a run's cases but the unsupported ones, by dtype; None for one that has no margin, since it failed."""
        asked = """
            SELECT series.dtype, value FROM run
            JOIN series USING (backend, device) JOIN point ON series.id = series AND point.at = run.at AND run = run.id
            WHERE run.id = ? AND figure = 'margin' AND outcome != 'unsupported'
        """
        found: dict[str, list[float | None]] = {}
        for dtype, margin in self._tables.execute(asked, (run,)):
            found.setdefault(dtype, []).append(margin)
        return found

    def bad(self) -> list[tuple[str, str]]:
        """The files that could not be read, and why."""
        asked = "SELECT file, why_bad FROM run WHERE why_bad IS NOT NULL ORDER BY file"
        unnamed = [(printable_name(file), NAME_NOT_UTF8) for file in sorted(self._no_text)]
        return self._tables.execute(asked).fetchall() + unnamed

    def runs(self) -> int:
        """How many were taken in."""
        (many,) = self._tables.execute("SELECT count(*) FROM run WHERE why_bad IS NULL").fetchone()
        return int(many)

    def _put(self, taken: IndexedFile, state: State) -> Iterator[tuple[Any, ...]]:
        """Put the run into its table; the rows of its points."""
        self._forget(taken.file)
        add = f"INSERT INTO run VALUES (NULL{', ?' * (3 + len(RunEntry._fields))})"
        run = self._tables.execute(add, (taken.file, *state, *taken.run)).lastrowid
        at = taken.run.at
        for series, *point in taken.points:
            yield (self._id(series), at, run, *point)

    def _id(self, series: Key) -> int:
        found = self._ids.get(series)
        if found is None:
            self._tables.execute(
                "INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?, ?, ?, ?)", series
            )
            self._read_series()  # another process may have put it there
            found = self._ids[series]
        return found

    def _read_series(self) -> None:
        (top,) = self._tables.execute("SELECT max(id) FROM series").fetchone()
        asked = "SELECT figure, name, version, backend, device, dtype, id FROM series WHERE id > ?"
        known = max(self._ids.values(), default=0)
        if top != known:
            self._ids |= {row[:6]: row[6] for row in self._tables.execute(asked, (known,))}

    def _check_layout(self) -> None:
        if self._pragma("user_version") != LAYOUT:
            raise BadIndex(
                f"{self._path}: made anew by another version of rnnspec meanwhile; run again"
            )

    def _pragma(self, name: str) -> int:
        (value,) = self._tables.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _has_tables(self) -> bool:
        return bool(self._tables.execute("SELECT * FROM sqlite_master LIMIT 1").fetchone())

    @contextmanager
    def _writing(self, *, anew: bool = False) -> Iterator[None]:
        """One writer at a time; all that it writes, or nothing."""
        self._tables.execute("BEGIN IMMEDIATE")
        try:
            if not anew:
                self._check_layout()
            yield
        except BaseException:
            self._tables.execute("ROLLBACK")
            self._ids.clear()  # some may have been of what was rolled back
            raise
        self._tables.execute("COMMIT")

    def _forget(self, file: str) -> None:
        which = self._tables.execute("SELECT id FROM run WHERE file = ?", (file,)).fetchall()
        for table, key in (("point", "run"), ("run", "id")):
            self._tables.executemany(f"DELETE FROM {table} WHERE {key} = ?", which)

    def _make_anew(self) -> None:
        drops = [f"DROP TABLE IF EXISTS {name}" for name in ("point", "series", "run")]
        for statement in (*drops, *TABLES.split(";")):
            self._tables.execute(statement)


class RunEntry(NamedTuple):
    """What the index keeps of a run; of a file that cannot be read, why."""

    why_bad: str | None
    at: int | None = None
    run_id: str | None = None
    backend: str | None = None
    version: str | None = None
    device: str | None = None
    commit: str | None = None
    fingerprint: str | None = None
    machine: str | None = None
    kinds: str | None = None
    """Of its records, one word each; a run without any has the word empty."""
    whole: bool | None = None
    complete: bool | None = None
    """Whether it is whole, and reached all that was selected."""


class IndexedFile(NamedTuple):
    """What the index keeps of a file."""

    file: str
    run: RunEntry
    points: list[Value]


def _all_taken(paths: Sequence[Path]) -> Iterator[IndexedFile]:
    """Each file, in order; many are read by as many processes as there are processors."""
    if len(paths) < FEW:
        yield from filter(None, map(_taken, paths))
        return
    with ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool:
        yield from filter(None, pool.map(_taken, paths, chunksize=FEW // 2))


def _taken(path: Path) -> IndexedFile | None:
    try:
        run = read_run(path)
        points = _points(path, run)
    except BadRunFile as bad:
        if not os.path.lexists(path):  # it has got its footer meanwhile
            return None
        return IndexedFile(path.name, RunEntry(bad.why), [])
    h = run.header
    kinds = sorted({str(record.__struct_config__.tag) for record in run.records}) or ["empty"]
    of_run = RunEntry(None, _microseconds(run.started), h.run_id, h.backend, h.backend_version, h.device,
                   h.suite_commit, h.fingerprint, h.environment.machine, " ".join(kinds), run.is_full,
                   run.is_full and not run.unreached)  # fmt: skip
    return IndexedFile(path.name, of_run, points)


def _points(path: Path, run: Run) -> list[Value]:
    found = list(values(run))
    keys = Counter(key for key, *_ in found)
    if len(keys) < len(found):
        raise BadRunFile(path, f"two rows of one name: {keys.most_common(1)[0][0][1]!r}")
    return found


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _state(path: Path) -> State | None:
    """By which a file is known to be as it was; None for one that has got its footer and another name since."""
    for look in (path.stat, path.lstat):  # a link may lead nowhere
        with suppress(OSError):
            found = look()
            return found.st_size, found.st_mtime_ns
    return None


def values(run: Run) -> Iterator[Value]:
    """All that a run says: a series, its value and between which two it lies, and the outcome.

    Of a row that is timed these are the medians of its processes: the median, the least and the greatest.
    """
    for r in run.cases:
        key = ("margin", r.case, r.case_version, r.backend, r.device, r.dtype)
        yield _KEYS.setdefault(key, key), r.margin, None, None, r.outcome
    for t in timings(run.measurements):
        m = t.first
        processors = f", {count(m.threads, 'processor')}" if m.threads is not None else ""
        name = f"{m.workload} {m.mode}{processors}"
        of = name, m.workload_version, m.backend, m.device, m.dtype
        if t.refused:
            yield ("seconds", *of), None, None, None, t.refused.outcome
            continue
        yield (
            ("seconds", *of),
            *_middle([median(o.seconds) for o in t.measurements]),
            m.outcome,
        )
        if all(o.limit_seconds for o in t.measurements):
            shares = [1 / median(ratios(o)) for o in t.measurements]
            yield ("share of limit", *of), *_middle(shares), m.outcome


def _middle(figures: Sequence[float]) -> tuple[float, float, float]:
    return median(figures), min(figures), max(figures)

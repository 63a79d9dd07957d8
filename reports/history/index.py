"""Index every value of every run over time in SQLite; the index is derived from the run files.

A series is one figure of one case or timed row, with one value per run:

    figure × case × case version × backend × device × dtype

Each run records its machine and its environment's fingerprint; values of different environments are never
compared. The run files are the source: the index can be deleted at any time.
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
from reports.column import choose_runs

CODE = b"".join(
    path.read_bytes()
    for folder in (Path(__file__).parent, Path(__file__).parents[2] / "records")
    for path in sorted(folder.glob("*.py"))
)
LAYOUT = zlib.crc32(CODE) & 0x7FFF_FFFF
"""Hash of the code that reads runs; an index made by other code is rebuilt."""
OURS = 0x524E_4E73
"""SQLite application id of an index."""

TABLES = f"""
PRAGMA application_id = {OURS};
PRAGMA user_version = {LAYOUT};
CREATE TABLE run (
    id INTEGER PRIMARY KEY, file TEXT UNIQUE, bytes INTEGER, changed INTEGER, why_bad TEXT,
    at INTEGER, run_id TEXT, backend TEXT, version TEXT, device TEXT, commit_id TEXT, fingerprint TEXT,
    machine TEXT, kinds TEXT, is_full INTEGER, complete INTEGER, cases INTEGER
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
    """One figure of one case or timed row on one backend, device and dtype."""

    figure: str
    """margin, seconds or share of limit."""
    name: str
    """The case; or the workload, mode and number of cores."""
    version: str
    backend: str
    device: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.figure} {self.name} {self.backend} {self.device} {self.dtype}"


class Point(NamedTuple):
    """The value of a series in one run."""

    at: int
    """Start of the run in microseconds since 1970, UTC."""
    run_id: str
    backend_version: str
    commit: str | None
    fingerprint: str
    machine: str
    value: float | None
    """The value; None if the run has none, and the outcome says why."""
    low: float | None
    high: float | None
    outcome: str


class VersionRun(NamedTuple):
    """A run of one version of a backend, and whether it has every case."""

    id: int
    backend: str
    device: str
    version: str
    at: int
    run_id: str
    complete: bool


class TestedRun(NamedTuple):
    """A run with cases, as far as the choice of a column's runs needs it."""

    file: str
    id: int
    version: str
    has_every_case: bool
    at: int


Key = tuple[str, str, str, str, str, str]
"""A series as a plain tuple, which is ten times faster to create than a Series; there are millions."""
_KEYS: dict[Key, Key] = {}
"""Each key once, so that processes exchange a tenth of the data."""
Value = tuple[Key, float | None, float | None, float | None, str]
"""A series with its value, the least and greatest value of the processes, and the outcome."""
State = tuple[int, int]
"""Size of a file in bytes, and its modification time."""
Track = Callable[[Iterator["IndexedFile"], int], Iterator["IndexedFile"]]
"""Wrapper of an iterator of files that shows progress; it is also given the number of files."""

FEW = 64
"""Number of files up to which a single process reads them."""
BATCH = 256
"""Number of files per transaction."""


class BadIndex(Exception):
    """Error for a file that is not an index, or that other code rebuilt in the meantime."""


class Index:
    """The index in one SQLite file. Every write is atomic, however the process ends.

    Args:
        path: the file; created if missing.

    Raises:
        BadIndex: if the file is a database of something else.

    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._tables = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._ids: dict[Key, int] = {}
        self._undecodable: set[str] = set()
        """Files whose names are not valid text."""
        if self._has_tables() and self._pragma("application_id") != OURS:
            raise BadIndex(
                f"{path}: the file is a database of something else; expected an index; give another path with --index"
            )
        self._tables.execute("PRAGMA journal_mode = WAL")
        self._tables.execute("PRAGMA synchronous = NORMAL")
        with self._writing(rebuild=True):
            if self._pragma("user_version") != LAYOUT:
                self._rebuild()
        self._read_series()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._tables.close()

    def refresh(self, folder: Path, track: Track = lambda indexed, _: indexed) -> None:
        """Read new run files, and drop the runs whose files are gone.

        A file that cannot be read is listed with the reason. An interrupted run is read again if its file grew.

        Args:
            folder: folder of run files.
            track: shows progress; it is given the iterator of files and their number.

        Raises:
            BadIndex: if other code rebuilt the index in the meantime.

        """
        finished = "why_bad IS NULL AND file LIKE '%.gz'"  # a finished run never changes
        settled = {
            file for (file,) in self._tables.execute(f"SELECT file FROM run WHERE {finished}")
        }
        query = f"SELECT file, bytes, changed FROM run WHERE NOT ({finished})"
        known = {file: (size, changed) for file, size, changed in self._tables.execute(query)}
        found = run_files(folder) | self._copies(folder)
        self._undecodable = {file for file in found if printable_name(file) != file}
        found -= self._undecodable
        states: dict[str, State] = {}
        for file in sorted(found - settled):
            state = _state(folder / file)
            if state and state != known.get(file):
                states[file] = state
        with self._writing():
            for file in (settled | known.keys()) - found:
                self._forget(file)
        indexed = track(_read_files([folder / file for file in states]), len(states))
        while batch := list(islice(indexed, BATCH)):  # one transaction per batch
            with self._writing():
                rows = [row for one in batch for row in self._put(one, states[one.file])]
                rows.sort()  # in the table's order, which writes neighbours together
                self._tables.executemany("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

        if self._copies(folder) - found:
            self.refresh(folder, track)

    def _copies(self, folder: Path) -> set[str]:
        """Return the uncompressed copies of unreadable files."""
        query = "SELECT file FROM run WHERE why_bad IS NOT NULL AND file LIKE '%.gz'"
        names = (file.removesuffix(".gz") for (file,) in self._tables.execute(query))
        return {name for name in names if (folder / name).exists()}

    def all_series(self) -> list[Series]:
        """List every series.

        Returns:
            The series, sorted.

        """
        return [Series(*key) for key in sorted(self._ids)]

    def points(self, series: Series, last: int = 200) -> list[Point]:
        """Return the last values of a series on each machine.

        Args:
            series: the series.
            last: most values per machine.

        Returns:
            The points, sorted by time.

        """
        columns = (
            "point.at, run_id, version, commit_id, fingerprint, machine, value, low, high, outcome"
        )
        of = "FROM point JOIN run ON run.id = point.run WHERE series = ?"
        given = (self._ids.get(series), last)
        query = f"SELECT {columns} {of} ORDER BY point.at DESC, run DESC LIMIT ?"
        found = [Point(*row) for row in self._tables.execute(query, given)]
        if (
            len({point.machine for point in found}) > 1
        ):  # then all values of the series must be read
            numbered = (
                "row_number() OVER (PARTITION BY machine ORDER BY point.at DESC, run DESC) AS n"
            )
            query = f"SELECT * FROM (SELECT {columns}, {numbered} {of}) WHERE n <= ?"
            found = [Point(*row[:-1]) for row in self._tables.execute(query, given)]
        return sorted(found, key=lambda point: (point.at, point.run_id))

    def latest(self) -> list[str]:
        """List the files that a matrix needs.

        Returns:
            The files of the last run and the last full run of each backend, device and kind of record, and of
            the runs with the latest record of a case.

        """
        query = """
            SELECT file, backend, device, kinds, is_full, id, version, complete, at
            FROM run WHERE why_bad IS NULL ORDER BY at, run_id
        """
        found: dict[tuple[str, ...], str] = {}
        tested: dict[tuple[str, str], list[TestedRun]] = {}
        for file, backend, device, kinds, is_full, *of_run in self._tables.execute(query):
            for kind in kinds.split():
                found[backend, device, kind] = file
                if is_full:
                    found[backend, device, kind, "full"] = file
            if "conformance" in kinds.split():
                tested.setdefault((backend, device), []).append(TestedRun(file, *of_run))
        combined = (file for key, runs in tested.items() for file in self._combined(*key, runs))
        return sorted({*found.values(), *combined})

    def _combined(self, backend: str, device: str, runs: list[TestedRun]) -> set[str]:
        """Return the files of the runs that a column combines."""
        chosen = choose_runs(runs)
        place = {run.id: n for n, run in enumerate(chosen)}
        query = """
            SELECT name, run FROM series CROSS JOIN point ON point.series = series.id
            WHERE figure = 'margin' AND backend = ? AND device = ? AND point.at >= ?
        """
        latest: dict[str, int] = {}
        for case, run in self._tables.execute(query, (backend, device, chosen[0].at)):
            if run in place:
                latest[case] = max(latest.get(case, 0), place[run])
        return {chosen[n].file for n in latest.values()}

    def previous(self) -> list[str]:
        """List the conformance runs with every case before the latest ones.

        Returns:
            The file of the last but one run with every case of each backend and device.

        """
        query = """
            SELECT file FROM (
                SELECT file, row_number() OVER (PARTITION BY backend, device ORDER BY at DESC, run_id DESC) AS n
                FROM run WHERE complete AND kinds LIKE '%conformance%'
            ) WHERE n = 2 ORDER BY file
        """
        return [file for (file,) in self._tables.execute(query)]

    def last_of_versions(self) -> list[VersionRun]:
        """List the run that represents each version of each backend and device.

        Returns:
            The last run with every case; without one, the last of those with most cases. The latest version comes first.

        """
        query = """
            SELECT id, backend, device, version, at, run_id, complete FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY backend, device, version
                    ORDER BY complete DESC, iif(complete, 0, cases) DESC, at DESC, run_id DESC) AS n
                FROM run WHERE kinds LIKE '%conformance%'
            ) WHERE n = 1 ORDER BY backend, device, at DESC
        """
        return [VersionRun(*row) for row in self._tables.execute(query)]

    def margins(self, run: int) -> dict[str, list[float | None]]:
        """Return the margins of a run's supported cases.

        Args:
            run: id of the run in the index.

        Returns:
            Margins by dtype; None for a case that has no margin because it failed.

        """
        query = """
            SELECT series.dtype, value FROM run
            JOIN series USING (backend, device) JOIN point ON series.id = series AND point.at = run.at AND run = run.id
            WHERE run.id = ? AND figure = 'margin' AND outcome != 'unsupported'
        """
        found: dict[str, list[float | None]] = {}
        for dtype, margin in self._tables.execute(query, (run,)):
            found.setdefault(dtype, []).append(margin)
        return found

    def bad(self) -> list[tuple[str, str]]:
        """List the files that could not be read.

        Returns:
            File names and reasons.

        """
        query = "SELECT file, why_bad FROM run WHERE why_bad IS NOT NULL ORDER BY file"
        unnamed = [(printable_name(file), NAME_NOT_UTF8) for file in sorted(self._undecodable)]
        return self._tables.execute(query).fetchall() + unnamed

    def runs(self) -> int:
        """Count the indexed runs.

        Returns:
            The number of runs.

        """
        (number,) = self._tables.execute(
            "SELECT count(*) FROM run WHERE why_bad IS NULL"
        ).fetchone()
        return int(number)

    def _put(self, indexed: IndexedFile, state: State) -> Iterator[tuple[Any, ...]]:
        """Insert a run, and yield the rows of its points."""
        self._forget(indexed.file)
        add = f"INSERT INTO run VALUES (NULL{', ?' * (3 + len(RunEntry._fields))})"
        run = self._tables.execute(add, (indexed.file, *state, *indexed.run)).lastrowid
        at = indexed.run.at
        for series, *point in indexed.points:
            yield (self._id(series), at, run, *point)

    def _id(self, series: Key) -> int:
        found = self._ids.get(series)
        if found is None:
            self._tables.execute(
                "INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?, ?, ?, ?)", series
            )
            self._read_series()  # another process may have inserted it
            found = self._ids[series]
        return found

    def _read_series(self) -> None:
        (top,) = self._tables.execute("SELECT max(id) FROM series").fetchone()
        query = "SELECT figure, name, version, backend, device, dtype, id FROM series WHERE id > ?"
        known = max(self._ids.values(), default=0)
        if top != known:
            self._ids |= {row[:6]: row[6] for row in self._tables.execute(query, (known,))}

    def _check_layout(self) -> None:
        if self._pragma("user_version") != LAYOUT:
            raise BadIndex(
                f"{self._path}: another version of rnnspec rebuilt the index in the meantime; run the command again"
            )

    def _pragma(self, name: str) -> int:
        (value,) = self._tables.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _has_tables(self) -> bool:
        return bool(self._tables.execute("SELECT * FROM sqlite_master LIMIT 1").fetchone())

    @contextmanager
    def _writing(self, *, rebuild: bool = False) -> Iterator[None]:
        """Run one write transaction; roll back if it fails."""
        self._tables.execute("BEGIN IMMEDIATE")
        try:
            if not rebuild:
                self._check_layout()
            yield
        except BaseException:
            self._tables.execute("ROLLBACK")
            self._ids.clear()  # some ids may have been rolled back
            raise
        self._tables.execute("COMMIT")

    def _forget(self, file: str) -> None:
        ids = self._tables.execute("SELECT id FROM run WHERE file = ?", (file,)).fetchall()
        for table, key in (("point", "run"), ("run", "id")):
            self._tables.executemany(f"DELETE FROM {table} WHERE {key} = ?", ids)

    def _rebuild(self) -> None:
        drops = [f"DROP TABLE IF EXISTS {name}" for name in ("point", "series", "run")]
        for statement in (*drops, *TABLES.split(";")):
            self._tables.execute(statement)


class RunEntry(NamedTuple):
    """The index's row for a run; for an unreadable file only the reason."""

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
    """Kinds of its records, separated by spaces; ``empty`` for a run without records."""
    is_full: bool | None = None
    complete: bool | None = None
    """True if the run is full and reached every selected case."""
    cases: int | None = None
    """Number of its cases."""


class IndexedFile(NamedTuple):
    """A file as the index stores it."""

    file: str
    run: RunEntry
    points: list[Value]


def _read_files(paths: Sequence[Path]) -> Iterator[IndexedFile]:
    """Read the files in order; many files are read by one process per core."""
    if len(paths) < FEW:
        yield from filter(None, map(_read_file, paths))
        return
    with ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool:
        yield from filter(None, pool.map(_read_file, paths, chunksize=FEW // 2))


def _read_file(path: Path) -> IndexedFile | None:
    try:
        run = read_run(path)
        points = _points(path, run)
    except BadRunFile as bad:
        if not os.path.lexists(path):  # the run finished in the meantime, which renamed its file
            return None
        return IndexedFile(path.name, RunEntry(bad.why), [])
    h = run.header
    kinds = sorted({str(record.__struct_config__.tag) for record in run.records}) or ["empty"]
    of_run = RunEntry(None, _microseconds(run.started), h.run_id, h.backend, h.backend_version, h.device,
                   h.suite_commit, h.fingerprint, h.environment.machine, " ".join(kinds), run.is_full,
                   run.has_every_case, len(run.cases))  # fmt: skip
    return IndexedFile(path.name, of_run, points)


def _points(path: Path, run: Run) -> list[Value]:
    found = list(values(run))
    keys = Counter(key for key, *_ in found)
    if len(keys) < len(found):
        raise BadRunFile(path, f"two rows have the name {keys.most_common(1)[0][0][1]!r}")
    return found


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _state(path: Path) -> State | None:
    """Return size and modification time, which identify a file's content; None if the file was just renamed."""
    for look in (path.stat, path.lstat):  # a link may be broken
        with suppress(OSError):
            found = look()
            return found.st_size, found.st_mtime_ns
    return None


def values(run: Run) -> Iterator[Value]:
    """Yield every value of a run: its series, the value with its range, and the outcome.

    The value of a timed row is the median over its processes of each process's median; the range is the least
    and the greatest of them.

    Args:
        run: the run.

    Yields:
        The values.

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
            *_median_and_range([median(o.seconds) for o in t.measurements]),
            m.outcome,
        )
        if all(o.limit_seconds for o in t.measurements):
            shares = [1 / median(ratios(o)) for o in t.measurements]
            yield ("share of limit", *of), *_median_and_range(shares), m.outcome


def _median_and_range(figures: Sequence[float]) -> tuple[float, float, float]:
    return median(figures), min(figures), max(figures)

"""Write the records of a session: a pytest plugin in the session's process, the only process that writes.

Workers send each record with its test's report. For a worker that crashed, the recorder makes a record
of the crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from xdist.workermanage import WorkerController

from conformance.cases import AnyCase, by_id
from conformance.check import make_record
from conformance.draw import digest, draw
from conformance.known_differences import KnownDifference, find_stale
from conformance.open_backend import OpenBackend, now
from conformance.session.isolation import Death
from conformance.session.resume import ResumedRun
from conformance.session.summary import print_summary
from records.exit_codes import ExitCode, exit_code
from records.runs import RunWriter, read_run
from records.schema import CaseRecord, Footer, Header, decode

RECORDER = "rnnspec-recorder"
"""The name under which the recorder is registered with pytest."""

PROPERTY = "record"
"""The name under which a test's report carries its record."""

SEPARATOR = "@"
"""The separator of case, backend and device in a test's id; quoting removes it from each of them."""


def make_test_id(case: AnyCase, backend: OpenBackend) -> str:
    """Make the id of the test of a case on a backend.

    Args:
        case: the case.
        backend: the open backend.

    Returns:
        The id, in ASCII.

    """
    return SEPARATOR.join((case.id, quote(backend.name), backend.device))


class Recorder:
    """The plugin that writes one run file for every backend and decides the session's exit code.

    Args:
        backends: the open backends.
        known: the entries of known.toml.
        totals: the number of cases of each backend if no option leaves any out.
        folder: the folder for run files.
        headers: the header of each backend's run.
        resumed: the runs to continue, by backend.
        death: finds out why a worker died, by its name.

    """

    def __init__(
        self,
        backends: list[OpenBackend],
        known: list[KnownDifference],
        totals: dict[str, int],
        folder: Path,
        headers: Mapping[str, Header],
        resumed: Mapping[str, ResumedRun],
        death: Callable[[str], Death],
    ) -> None:
        self.backends = {o.name: o for o in backends}
        self.known = known
        self.totals = totals
        self.folder = folder
        self.headers = headers
        self.death = death
        self.selected: set[str] = set()
        self.done = {name: len(old.run.cases) for name, old in resumed.items()}
        self.records: dict[str, dict[str, CaseRecord]] = {
            name: {r.case: r for r in resumed[name].run.cases} if name in resumed else {}
            for name in self.backends
        }
        self.writers = {name: old.writer for name, old in resumed.items()}
        self.stale: list[KnownDifference] = []
        self.faults = 0
        self.exit_code = ExitCode.HARNESS_ERROR

    def pytest_sessionstart(self) -> None:
        for name in self.backends.keys() - self.writers.keys():
            self.writers[name] = RunWriter(self.folder, self.headers[name])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.selected |= {item.nodeid for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.selected |= set(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the record of a test that ran, that failed to run, or that took its worker down."""
        sent = [text for name, text in report.user_properties if name == PROPERTY]
        if report.when == "call" and sent:
            found = decode(str(sent[0]).encode())
            assert isinstance(found, CaseRecord)
            self._write(found)
        elif report.failed and report.when not in ("setup", "call", "teardown"):
            found = self._crashed(report)  # this is how pytest-xdist reports a dead worker
            if found.case in self.records[found.backend]:
                self.faults += 1  # it died after its record was in
            else:
                self._write(found)
        elif report.failed:
            self.faults += 1  # a fault of the suite: every failure of a backend ends in a record

    def _crashed(self, report: pytest.TestReport) -> CaseRecord:
        inside = report.nodeid.partition("[")[2].removesuffix("]")
        case_id, backend, _ = inside.split(SEPARATOR)
        case = by_id(case_id)
        worker: WorkerController = report.node
        reason, words = self.death(worker.gateway.id)
        return make_record(case, self.backends[unquote(backend)], "errored", reason, digest(draw(case)), {},
                      card=words)  # fmt: skip

    def _write(self, found: CaseRecord) -> None:
        self.records[found.backend][found.case] = found
        self.writers[found.backend].write(found)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Finish the run files. The files of an interrupted session get no footer."""
        everything = [r for records in self.records.values() for r in records.values()]
        selected = len(self.selected) + sum(self.done.values())
        narrowed = selected < sum(self.totals.values())
        self.stale = find_stale(self.known, everything, narrowed=narrowed)
        if exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
            return
        codes = [self._finish(name) for name in self.backends]
        self.exit_code = min((c for c in codes if c), default=ExitCode.CLEAN)
        session.exitstatus = self.exit_code

    def _finish(self, name: str) -> ExitCode:
        records = list(self.records[name].values())
        counts = Counter(r.outcome for r in records)
        selected = self.done.get(name, 0)
        selected += sum(f"{SEPARATOR}{quote(name)}{SEPARATOR}" in test for test in self.selected)
        own_stale = [str(entry) for entry in self.stale if entry.backend == name]
        code = exit_code(
            counts,
            known=sum(r.known is not None for r in records),
            missing=selected - len(records),
            stale=len(own_stale),
            harness_errors=self.faults,
        )
        self.writers[name].close(
            Footer(
                ended_at=now(),
                counts=dict(counts),
                measurements=0,
                selected=selected,
                deselected=max(0, self.totals[name] - selected),
                stale_known=own_stale,
                exit_code=code,
            )
        )
        return code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what this session found, and the paths of its run files."""
        runs = [read_run(writer.path) for writer in self.writers.values()]
        print_summary(terminalreporter, runs, self.stale)

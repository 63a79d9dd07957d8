"""One process of the benchmarks: its options, and the run file for its measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from benchmarks.timing.alternation import Alternation, Pipes
from benchmarks.timing.options import SECONDS, workloads
from benchmarks.timing.test_rows import ThisProcess
from benchmarks.timing.workloads import MODES, TIMED, WORKLOADS
from commands.options import add_to_pytest
from conformance.open_backend import OpenBackend, now
from conformance.session.options import add_options, asks_for_help, open_backends, runs_folder
from records.environment import available_cores, environment
from records.exit_codes import exit_code
from records.runs import RunWriter, read_run
from records.schema import Footer, Measurement
from reports.matrix import build_matrix
from reports.terminal import text

WRITER: pytest.StashKey[RunWriter] = pytest.StashKey()
BACKEND: pytest.StashKey[OpenBackend] = pytest.StashKey()
MEASURED: pytest.StashKey[list[Measurement]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.getgroup("rnnspec").addoption
    add_options(add)
    add_to_pytest(add, "--workload", choices=tuple(WORKLOADS))
    add_to_pytest(add, "--dtype", choices=TIMED, default="float32")
    add_to_pytest(add, "--mode", choices=MODES)
    add_to_pytest(add, "--quick")
    add_to_pytest(add, "--full")
    add("--process", type=int, default=0, metavar="N", help="number of this process among equals")
    add("--pipes", type=Pipes.parse, metavar="PIPES", help="pipes to the other process of a pair")


def pytest_configure(config: pytest.Config) -> None:
    """Open the one backend of this process, before any work starts."""
    if asks_for_help(config):
        return
    backends = open_backends(config)
    if len(backends) != 1:
        raise pytest.UsageError(
            "--backend: several given, expected one: two frameworks in one process slow each other "
            "down; `rnnspec bench` starts a process for each"
        )
    config.stash[BACKEND], config.stash[MEASURED] = backends[0], []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.getoption
    names = workloads(
        option("--workload"), option("--device"), quick=option("--quick"), full=option("--full")
    )
    metafunc.parametrize("workload", [WORKLOADS[name] for name in names], ids=names)
    metafunc.parametrize("mode", option("--mode") or MODES)


@pytest.fixture(scope="session")
def process(request: pytest.FixtureRequest) -> ThisProcess:
    """Facts about this process, and its alternation with another one."""
    option = request.config.getoption
    seconds = SECONDS["quick" if option("--quick") else "whole"]
    alternation = Alternation(option("--pipes"))
    return ThisProcess(
        option("--process"), available_cores(), seconds, option("--dtype"), alternation
    )


@pytest.fixture(autouse=True)
def _row(process: ThisProcess) -> Iterator[None]:
    """Begin and end each row together with the other process of a pair."""
    with process.alternation.row():
        yield


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> OpenBackend:
    """The backend of this process."""
    return request.config.stash[BACKEND]


@pytest.fixture(scope="session")
def write(request: pytest.FixtureRequest) -> Callable[[Measurement], None]:
    """Write a measurement to the run file of this process."""
    config = request.config
    header = config.stash[BACKEND].header(environment(), "benchmarks")
    writer = RunWriter(runs_folder(config), header)
    config.stash[WRITER] = writer

    def write(measurement: Measurement) -> None:
        config.stash[MEASURED].append(measurement)
        writer.write(measurement)

    return write


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Finish the run file; of an interrupted session it stays without a footer."""
    config = session.config
    if WRITER not in config.stash or exitstatus == pytest.ExitCode.INTERRUPTED:
        return
    measured = config.stash[MEASURED]
    counts = Counter(m.outcome for m in measured)
    explained = sum(m.outcome not in ("agrees", "unsupported") for m in measured)
    code = exit_code(
        counts,
        missing=session.testscollected - len(measured),
        harness_errors=max(0, session.testsfailed - explained),
    )
    config.stash[WRITER].close(
        Footer(
            ended_at=now(),
            counts={},
            measurements=len(measured),
            selected=session.testscollected,
            deselected=2 * len(WORKLOADS) - session.testscollected,
            stale_known=[],
            exit_code=code,
        )
    )
    session.exitstatus = code


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements and the path of the run file."""
    config = terminalreporter.config
    if WRITER in config.stash:
        path = config.stash[WRITER].path
        shown = build_matrix([read_run(path)])
        terminalreporter.write(text(shown, to_terminal=bool(terminalreporter.isatty)))
        terminalreporter.write_line(f"wrote {path}")

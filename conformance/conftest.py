"""The pytest front end: options, the choice of cases and backends, and the recorder."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from backends.adapter import kind_of
from commands.options import add_to_pytest
from commands.suggest import nearest
from conformance.cases import (
    DTYPES,
    OTHER_PRECISIONS,
    AnyCase,
    by_id,
    default_cases,
    full_cases,
    precision_variants,
)
from conformance.known_differences import KNOWN_FILE, BadKnownFile, KnownDifference, read_known
from conformance.open_backend import OpenBackend
from conformance.session.executor import Executor, Hooks
from conformance.session.isolation import WorkerLimits, WorkerMonitor
from conformance.session.options import add_options, asks_for_help, runs_folder
from conformance.session.recorder import RECORDER, Recorder, make_test_id
from conformance.session.resume import CannotResume, ResumedRun, resume
from conformance.session.schedule import ProgramScheduling, by_program
from conformance.user_network import BadInputs, NetworkFiles, read_user_cases
from formats import BadModel
from records.environment import environment
from records.schema import CaseRecord

OPEN_BACKENDS: pytest.StashKey[list[OpenBackend]] = pytest.StashKey()
KNOWN: pytest.StashKey[list[KnownDifference]] = pytest.StashKey()
CASES: pytest.StashKey[list[AnyCase]] = pytest.StashKey()
EXECUTOR: pytest.StashKey[Executor] = pytest.StashKey()
DONE: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()
"""The cases that resumed runs already have, by backend."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.getgroup("rnnspec").addoption
    add_options(add)
    add_to_pytest(add, "--dtype", choices=(*DTYPES, *OTHER_PRECISIONS))
    for name in ("--case", "--params", "--inputs", "--gradients", "--full", "--resume"):
        add_to_pytest(add, name)
    add_to_pytest(add, "--known", default=KNOWN_FILE)
    add_to_pytest(add, "--time-limit")
    add_to_pytest(add, "--memory-limit")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse bad options and files before any work starts."""
    if asks_for_help(config):
        return
    try:
        known = read_known(config.getoption("--known"))
        all_cases = _user_cases(config) or _available_cases(config)
        cases = _select_cases(config, all_cases)
    except (BadInputs, BadKnownFile, BadModel, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    selected = any(config.getoption(name) for name in ("--full", "--case", "--params"))
    executor = config.hook.pytest_rnnspec_executor(config=config) or Executor()
    backends = executor.open(config, everything=bool(selected))
    config.stash[EXECUTOR] = executor
    config.stash[KNOWN], config.stash[CASES], config.stash[OPEN_BACKENDS] = known, cases, backends
    config.stash[DONE] = {}
    if hasattr(config, "workerinput"):
        config.stash[DONE] = config.workerinput["done"]
        config.pluginmanager.register(WorkerLimits(config))
    elif not config.option.collectonly:
        totals = {o.name: sum(o.runs_case(case.id) for case in all_cases) for o in backends}
        _start_recording(config, totals)


def _start_recording(config: pytest.Config, totals: dict[str, int]) -> None:
    """Start the recorder, resume old runs, and watch the workers; only in the session's process."""
    backends, machine = config.stash[OPEN_BACKENDS], environment()
    workers = config.stash[EXECUTOR].environments()
    headers = {o.name: o.header(machine, "conformance", workers) for o in backends}
    resumed: dict[str, ResumedRun] = {}
    if config.getoption("--resume"):
        try:
            resumed = {o.name: resume(runs_folder(config), headers[o.name]) for o in backends}
        except CannotResume as error:
            raise pytest.UsageError(str(error)) from error
    config.stash[DONE] = {name: [r.case for r in old.run.cases] for name, old in resumed.items()}
    watch = WorkerMonitor(config)
    recorder = Recorder(backends, config.stash[KNOWN], totals, runs_folder(config), headers, resumed,
                        watch.death)  # fmt: skip
    config.pluginmanager.register(recorder, RECORDER)
    config.pluginmanager.register(watch)
    if getattr(config.option, "maxworkerrestart", "") is None:
        # A crash fails only its own case, however many crashes there are.
        config.option.maxworkerrestart = str(len(backends) * len(config.stash[CASES]))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep pytest-xdist from printing the state of its workers, which says nothing about a case."""
    plugins = session.config.pluginmanager
    if distributed := plugins.getplugin("dsession"):
        distributed.terminal = None
        plugins.unregister(name="terminaldistreporter")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker which cases are done, so that all workers collect the same tests."""
    node.workerinput["done"] = node.config.stash[DONE]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ProgramScheduling | None:
    """Return the scheduler that keeps programs together, unless --dist asks for another one."""
    if config.getoption("dist") != "load":
        return None
    groups = by_program(config.stash[CASES])
    return ProgramScheduling(config, log, {case.id: g[0].id for g in groups for case in g})


def _user_cases(config: pytest.Config) -> list[AnyCase]:
    """Return the cases of a user's own network in every requested dtype; an empty list without --params.

    Raises ``ValueError`` for options that contradict each other, ``BadModel`` and ``BadInputs`` for bad files.
    """
    params, inputs = config.getoption("--params"), config.getoption("--inputs")
    if params is None and inputs is None:
        if config.getoption("--gradients"):
            raise ValueError(
                "--gradients: given without --params, expected both; a case's id says whether it compares gradients"
            )
        return []
    if params is None or inputs is None:
        raise ValueError("--params and --inputs: one given alone, expected both")
    if config.getoption("--case") or config.getoption("--full"):
        raise ValueError("--params: given with --case or --full; expected --params alone")
    files = NetworkFiles(params, inputs, config.getoption("--gradients"))
    return list(read_user_cases(files, config.getoption("--dtype")))


def _available_cases(config: pytest.Config) -> list[AnyCase]:
    """Return the cases to choose from; on a GPU or on request, with the precision variants of float32."""
    kind = kind_of(config.getoption("--device"))
    all_cases = list(full_cases() if config.getoption("--full") else default_cases(kind))
    requested = [*config.getoption("--dtype"), *config.getoption("--case")]
    if kind == "cuda" or any(name.endswith(OTHER_PRECISIONS) for name in requested):
        return [*all_cases, *precision_variants(all_cases)]
    return all_cases


def _select_cases(config: pytest.Config, cases: list[AnyCase]) -> list[AnyCase]:
    """Return the cases that --case and --dtype select; raise ``ValueError`` if there is none."""
    if patterns := config.getoption("--case"):
        selected: dict[str, AnyCase] = {}
        for pattern in patterns:
            found = [c for c in cases if fnmatchcase(c.id, pattern)]
            if not found and any(sign in pattern for sign in "*?["):
                raise ValueError(
                    f"--case {pattern!r}: no case matches; {_advice(config, pattern, cases)}"
                )
            try:
                found = found or [by_id(pattern)]
            except ValueError as why:
                raise ValueError(f"--case: {why}; {_advice(config, pattern, cases)}") from why
            selected |= {c.id: c for c in found}
        cases = list(selected.values())
    dtypes = config.getoption("--dtype")
    cases = [c for c in cases if not dtypes or c.named_dtype in dtypes]
    if not cases:
        raise ValueError(f"--dtype {', '.join(dtypes)}: no selected case has this dtype")
    return cases


def _advice(config: pytest.Config, pattern: str, cases: list[AnyCase]) -> str:
    """Return a better pattern, if there is one, and the command that lists the cases."""
    start, slash, rest = pattern.partition("/")
    better = nearest(start, {case.id.partition("/")[0] for case in cases})
    question = f"did you mean {better + slash + rest!r}? " if better and better != start else ""
    words = ["rnnspec", "check"]
    for name in ("--backend", "--framework"):
        given = config.getoption(name) or []
        words += [
            part for one in ([given] if isinstance(given, str) else given) for part in (name, one)
        ]
    words += ["--full"] * config.getoption("--full")
    return f"{question}list the cases with: {shlex.join([*words, '--', '--collect-only'])}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    stash = metafunc.config.stash
    done = {(name, case) for name, cases in stash[DONE].items() for case in cases}
    pairs = [(backend, case)
             for group in by_program(stash[CASES]) for backend in stash[OPEN_BACKENDS] for case in group
             if backend.runs_case(case.id) and (backend.name, case.id) not in done]  # fmt: skip
    ids = [make_test_id(case, backend) for backend, case in pairs]
    metafunc.parametrize(("backend", "case"), pairs, ids=ids)


@pytest.fixture
def known(request: pytest.FixtureRequest) -> list[KnownDifference]:
    """Return the entries of known.toml."""
    return request.config.stash[KNOWN]


@pytest.fixture
def checked(request: pytest.FixtureRequest) -> Callable[[AnyCase, OpenBackend], CaseRecord]:
    """Return the function that checks a case, here or on a cluster."""
    return request.config.stash[EXECUTOR].check

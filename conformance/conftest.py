"""The pytest front end: options, which cases run on which backends, and the recorder."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from conformance.cases import DTYPES, AnyCase, by_id, default_cases, full_cases
from conformance.known import BadKnownFile, Known, read_known
from conformance.opened import Opened
from conformance.options import add_options, only_asks, open_backends, runs_folder
from conformance.recorder import RECORDER, Recorder, id_of

OPENED: pytest.StashKey[list[Opened]] = pytest.StashKey()
KNOWN: pytest.StashKey[list[Known]] = pytest.StashKey()
CASES: pytest.StashKey[list[AnyCase]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rnnspec")
    add_options(group)
    group.addoption("--dtype", action="append", default=[], choices=DTYPES,
                    help="run these dtypes only; may be given again")  # fmt: skip
    group.addoption("--case", action="append", default=[], metavar="ID",
                    help="run the case of this id, or those that match this pattern; "
                    "may be given again")  # fmt: skip
    group.addoption("--full", action="store_true", help="run the whole product of the axes")
    group.addoption("--known", default=str(Path(__file__).parents[1] / "known.toml"),
                    metavar="FILE", help="known differences (default: known.toml)")  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be run, before any work starts."""
    if only_asks(config):
        return
    try:
        known = read_known(Path(config.getoption("--known")))
        every = list(full_cases() if config.getoption("--full") else default_cases())
        cases = select(config, every)
    except (BadKnownFile, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    chosen = config.getoption("--full") or config.getoption("--case")
    opened = open_backends(config, everything=bool(chosen))
    config.stash[KNOWN], config.stash[CASES], config.stash[OPENED] = known, cases, opened
    if (
        getattr(config.option, "maxworkerrestart", "") is None
    ):  # a crash costs its own case, however many there are
        config.option.maxworkerrestart = str(len(opened) * len(cases))
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        totals = {o.name: sum(o.takes(case.id) for case in every) for o in opened}
        recorder = Recorder(opened, known, totals, runs_folder(config))
        config.pluginmanager.register(recorder, RECORDER)


def select(config: pytest.Config, cases: list[AnyCase]) -> list[AnyCase]:
    """Those of ``cases`` that --case and --dtype choose; raises ``ValueError`` for none."""
    if patterns := config.getoption("--case"):
        chosen: dict[str, AnyCase] = {}
        for pattern in patterns:
            found = [c for c in cases if fnmatchcase(c.id, pattern)]
            if not found and any(sign in pattern for sign in "*?["):
                raise ValueError(f"--case {pattern!r}: no case matches; --collect-only lists them")
            found = found or [by_id(pattern)]
            chosen |= {c.id: c for c in found}
        cases = list(chosen.values())
    dtypes = config.getoption("--dtype")
    cases = [c for c in cases if not dtypes or c.dtype in dtypes]
    if not cases:
        raise ValueError(f"--dtype {', '.join(dtypes)}: no selected case has it")
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    stash = metafunc.config.stash
    pairs = [
        (opened, case) for opened in stash[OPENED] for case in stash[CASES] if opened.takes(case.id)
    ]
    ids = [id_of(case, opened) for opened, case in pairs]
    metafunc.parametrize(("backend", "case"), pairs, ids=ids)


@pytest.fixture
def known(request: pytest.FixtureRequest) -> list[Known]:
    """The entries of known.toml."""
    return request.config.stash[KNOWN]

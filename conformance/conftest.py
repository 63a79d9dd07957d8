"""The pytest front end: options, which cases run on which backends, and the recorder."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from backends import BACKENDS, BackendNotFound, DeviceNotFound, find
from conformance.cases import DTYPES, Case, by_id, default_cases, full_cases
from conformance.known import BadKnownFile, Known, read_known
from conformance.opened import Opened
from conformance.recorder import SEPARATOR, Recorder

RECORDER = "rnnspec-recorder"
OPENED: pytest.StashKey[list[Opened]] = pytest.StashKey()
KNOWN: pytest.StashKey[list[Known]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rnnspec")
    group.addoption("--backend", action="append", default=[], metavar="NAME",
                    help=f"one of {', '.join(BACKENDS)}, package.module:Class or "
                    "path/to/file.py:Class; may be given again")  # fmt: skip
    group.addoption("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    group.addoption("--dtype", action="append", default=[], choices=DTYPES,
                    help="run these dtypes only; may be given again")  # fmt: skip
    group.addoption("--case", action="append", default=[], metavar="ID",
                    help="run the case of this id, or those that match this pattern; "
                    "may be given again")  # fmt: skip
    group.addoption("--full", action="store_true", help="run the whole product of the axes")
    group.addoption("--out", default="reports", metavar="DIR",
                    help="run files go to DIR/runs (default: reports)")  # fmt: skip
    group.addoption("--known", default=str(Path(__file__).parents[1] / "known.toml"),
                    metavar="FILE", help="known differences (default: known.toml)")  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be run, before any work starts."""
    if config.option.help or config.option.version:
        return
    names = list(dict.fromkeys(config.getoption("--backend")))
    if not names:
        raise pytest.UsageError(f"--backend: none given, expected one of {', '.join(BACKENDS)}")
    device = config.getoption("--device")
    try:
        config.stash[KNOWN] = read_known(Path(config.getoption("--known")))
        opened = [Opened(name, device, find(name)(device)) for name in names]
        cases = select(config)
    except (BackendNotFound, BadKnownFile, DeviceNotFound, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[OPENED] = opened
    if config.option.maxworkerrestart is None:  # a crash costs its own case, however many there are
        config.option.maxworkerrestart = str(len(opened) * len(cases))
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        ids = {case.id for case in cases}
        folder = Path(config.getoption("--out")) / "runs"
        recorder = Recorder(opened, config.stash[KNOWN], ids, folder)
        config.pluginmanager.register(recorder, RECORDER)


def select(config: pytest.Config) -> list[Case]:
    """The cases that --full, --case and --dtype choose; raises ``ValueError`` for none."""
    cases = list(full_cases() if config.getoption("--full") else default_cases())
    if patterns := config.getoption("--case"):
        chosen: dict[str, Case] = {}
        for pattern in patterns:
            found = [c for c in cases if fnmatchcase(c.id, pattern)] or [by_id(pattern)]
            chosen |= {c.id: c for c in found}
        cases = list(chosen.values())
    dtypes = config.getoption("--dtype")
    cases = [c for c in cases if not dtypes or c.dtype in dtypes]
    if not cases:
        raise ValueError(f"--case and --dtype: no case is left of --dtype {dtypes}")
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    pairs = [(o, c) for o in metafunc.config.stash[OPENED] for c in select(metafunc.config)]
    ids = [SEPARATOR.join((c.id, o.name, o.device)) for o, c in pairs]
    metafunc.parametrize(("backend", "case"), pairs, ids=ids)


@pytest.fixture
def known(request: pytest.FixtureRequest) -> list[Known]:
    """The entries of known.toml."""
    return request.config.stash[KNOWN]

"""Pytest plugin that checks a session's cases on a cluster, in groups of one shape: ``-p fleet.plugin``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby, islice
from typing import NamedTuple

import msgspec
import pytest

from backends import find
from commands.options import add_to_pytest
from conformance.cases import AnyCase, Case
from conformance.check import check, make_record
from conformance.draw import digest, draw
from conformance.open_backend import OpenBackend
from conformance.session.executor import Executor
from conformance.session.isolation import Death
from conformance.session.options import _requested_backends
from fleet.child import ChildDied
from fleet.cluster import Cluster, FleetRefused, WorkerNeeds, get_child, worker_signature
from records.schema import CaseRecord, Environment

MAX_CASES_PER_GROUP = 16
"""Largest number of checks that are repeated when a worker is lost."""


class _Group(NamedTuple):
    """Cases on one backend that share a compiled program."""

    backend: str
    cases: tuple[AnyCase, ...]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --scheduler and --workers."""
    add = parser.getgroup("rnnspec").addoption
    add_to_pytest(add, "--scheduler")
    add_to_pytest(add, "--workers")


def pytest_rnnspec_executor(config: pytest.Config) -> Executor | None:
    """Return the cluster that --scheduler or --workers ask for, or None."""
    scheduler, workers = config.getoption("--scheduler"), config.getoption("--workers")
    if not (scheduler or workers):
        return None
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("-n: given with --scheduler or --workers, expected -n 0")
    needs = WorkerNeeds(tuple(_requested_backends(config)), config.getoption("--device"),
                  config.getoption("--time-limit"), config.getoption("--memory-limit"))  # fmt: skip
    try:
        cluster = Cluster(scheduler, workers, needs).__enter__()
    except FleetRefused as error:
        raise pytest.UsageError(str(error)) from error
    executor = _FleetExecutor(cluster)
    config.pluginmanager.register(executor)
    return executor


class _FleetExecutor(Executor):
    """An executor that runs tests as their records arrive from the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.arrived: dict[tuple[str, str], CaseRecord] = {}

    def open(self, config: pytest.Config, *, everything: bool) -> list[OpenBackend]:
        return self.cluster.open_backends(everything=everything)

    def environments(self) -> dict[str, Environment]:
        return self.cluster.environments()

    def check(self, case: AnyCase, backend: OpenBackend) -> CaseRecord:
        return self.arrived.pop((backend.name, case.id))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run every test by pytest's own protocol, once its record has arrived."""
        if session.config.option.collectonly or session.testsfailed:
            return None
        items = {(i.callspec.params["backend"].name, i.callspec.params["case"].id): i  # type: ignore[attr-defined]  # all are parametrised
                 for i in session.items}  # fmt: skip
        for _, found in self.cluster.results(_check_group, _group_cases(session.items)):
            for one in found:
                key = one.backend, one.case
                self.arrived[key] = one
                item = items[key]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        return True

    def pytest_unconfigure(self) -> None:
        self.cluster.__exit__()


def _group_cases(items: list[pytest.Item]) -> Iterator[_Group]:
    """Yield the tests' cases in groups of one backend and shape."""
    pairs = [(i.callspec.params["backend"].name, i.callspec.params["case"]) for i in items]  # type: ignore[attr-defined]  # pytest adds it to parametrized tests

    def shape(pair: tuple[str, AnyCase]) -> tuple[str, str]:
        name, case = pair
        if isinstance(case, Case):
            return (
                name,
                f"{case.spec} {case.batch} {case.steps} {case.named_dtype} {case.gradients}",
            )
        return name, case.id

    for (name, _), alike in groupby(sorted(pairs, key=shape), key=shape):
        while some := tuple(case for _, case in islice(alike, MAX_CASES_PER_GROUP)):
            yield _Group(name, some)


# In a worker.


def _check_group(needs: WorkerNeeds, group: _Group) -> list[CaseRecord]:
    """Return the group's records; for a case that ended the child, one with the reason."""
    worker_child, found = get_child(needs), []
    for case in group.cases:
        try:
            one = worker_child.call(_check_in_child, group.backend, needs.device, case, None)
        except ChildDied as died:
            one = worker_child.call(_check_in_child, group.backend, needs.device, case, died.death)
        found.append(msgspec.structs.replace(one, worker=worker_signature(needs)))
    return found


@cache
def _open_backend(name: str, device: str) -> OpenBackend:
    """Open a backend once per child, so that cases of one shape share compiled programs."""
    return OpenBackend(name, device, find(name)(device))


def _check_in_child(name: str, device: str, case: AnyCase, died: Death | None) -> CaseRecord:
    """Check a case, or make the record of a case that ended a child."""
    backend = _open_backend(name, device)
    if died is not None:
        version = digest(draw(case))
        return make_record(case, backend, "errored", died.reason, version, {}, card=died.words)
    return check(case, backend)

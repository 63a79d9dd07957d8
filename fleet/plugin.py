"""A pytest plugin that checks a session's cases on a cluster, in groups of one shape: ``-p fleet.plugin``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby, islice
from typing import NamedTuple

import msgspec
import pytest

from backends import find
from conformance.cases import AnyCase, Case
from conformance.check import check, make_record
from conformance.draw import digest, draw
from conformance.open_backend import OpenBackend
from conformance.session.executor import Executor
from conformance.session.isolation import Death
from conformance.session.options import _requested_backends
from fleet.child import ChildDied
from fleet.cluster import Cluster, FleetRefused, Place, add_options, child, signature
from records.schema import CaseRecord, Environment

LARGEST = 16
"""Checks of a group: as many are done again where a worker is lost."""


class Group(NamedTuple):
    """Cases on one backend that share a compilation."""

    backend: str
    cases: tuple[AnyCase, ...]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --scheduler and --workers."""
    add_options(parser.getgroup("rnnspec").addoption)


def pytest_rnnspec_executor(config: pytest.Config) -> Executor | None:
    """Return a cluster where --scheduler or --workers ask for one."""
    scheduler, workers = config.getoption("--scheduler"), config.getoption("--workers")
    if not (scheduler or workers):
        return None
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("-n: given with --scheduler or --workers, expected -n 0")
    place = Place(tuple(_requested_backends(config)), config.getoption("--device"),
                  config.getoption("--time-limit"), config.getoption("--memory-limit"))  # fmt: skip
    try:
        cluster = Cluster(scheduler, workers, place).__enter__()
    except FleetRefused as error:
        raise pytest.UsageError(str(error)) from error
    executor = OnFleet(cluster)
    config.pluginmanager.register(executor)
    return executor


class OnFleet(Executor):
    """Runs the session's tests as their records arrive, and leaves the cluster at the end."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.arrived: dict[tuple[str, str], CaseRecord] = {}

    def open(self, config: pytest.Config, *, everything: bool) -> list[OpenBackend]:
        return self.cluster.opened(everything=everything)

    def environments(self) -> dict[str, Environment]:
        return self.cluster.environments()

    def check(self, case: AnyCase, backend: OpenBackend) -> CaseRecord:
        return self.arrived.pop((backend.name, case.id))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Every test runs here by pytest's own protocol, once its record is there."""
        if session.config.option.collectonly or session.testsfailed:
            return None
        items = {(i.callspec.params["backend"].name, i.callspec.params["case"].id): i  # type: ignore[attr-defined]  # all are parametrised
                 for i in session.items}  # fmt: skip
        for _, found in self.cluster.results(by_worker, groups(session.items)):
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


def groups(items: list[pytest.Item]) -> Iterator[Group]:
    """The tests' cases, by backend and shape."""
    pairs = [(i.callspec.params["backend"].name, i.callspec.params["case"]) for i in items]  # type: ignore[attr-defined]

    def shape(pair: tuple[str, AnyCase]) -> tuple[str, str]:
        name, case = pair
        if isinstance(case, Case):
            return (
                name,
                f"{case.spec} {case.batch} {case.steps} {case.named_dtype} {case.gradients}",
            )
        return name, case.id

    for (name, _), alike in groupby(sorted(pairs, key=shape), key=shape):
        while some := tuple(case for _, case in islice(alike, LARGEST)):
            yield Group(name, some)


# In a worker.


def by_worker(place: Place, group: Group) -> list[CaseRecord]:
    """The group's records; of a case that takes the child down, one that says how."""
    mine, found = child(place), []
    for case in group.cases:
        try:
            one = mine.call(in_child, group.backend, place.device, case, None)
        except ChildDied as died:
            one = mine.call(in_child, group.backend, place.device, case, died.death)
        found.append(msgspec.structs.replace(one, worker=signature(place)))
    return found


@cache
def opened(name: str, device: str) -> OpenBackend:
    """The backend, open in this child once, so that cases of a shape share what it compiles."""
    return OpenBackend(name, device, find(name)(device))


def in_child(name: str, device: str, case: AnyCase, died: Death | None) -> CaseRecord:
    """The record of a case, or of its having taken a child down."""
    backend = opened(name, device)
    if died is not None:
        version = digest(draw(case))
        return make_record(case, backend, "errored", died.reason, version, {}, card=died.words)
    return check(case, backend)

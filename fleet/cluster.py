"""The cluster: who its workers are, what they must have, and tasks on them."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError
from typing import Any, NamedTuple, Self, TypeVar

from backends import BACKENDS, BackendNotFound, DeviceNotFound, find
from backends.adapter import kind_of
from conformance.open_backend import OpenBackend, suite_digest
from fleet.child import Child, share
from fleet.remote_backend import Seen, elsewhere
from records.environment import environment, fingerprint
from records.options import counted
from records.schema import Environment

AHEAD = 2
"""Tasks under way for every worker, so that none waits for the next."""
TRIES = 10
"""How often a task is begun again whose worker was lost; then it is the task that loses them."""
PATIENCE = 30
"""Seconds until a worker has to be there."""


class FleetRefused(Exception):
    """The cluster cannot do the work; the text says what it lacks, and what to do."""


class Looked(NamedTuple):
    """What a worker found in its child."""

    worker: str
    environment: Environment
    source: str
    """Of the suite, so that all run the same."""
    backends: dict[str, Seen]
    refused: str
    """Why it cannot do the work; empty where it can."""


class Place(NamedTuple):
    """What every worker must have, and how much of it a call in its child may take."""

    backends: tuple[str, ...]
    device: str
    seconds: float
    gib: float | None = None
    """Of memory; its share of what is free where nobody says it."""


Task = TypeVar("Task")
Answer = TypeVar("Answer")


def add_options(add: Callable[..., Any]) -> None:
    """--scheduler and --workers, by ``add_argument`` or ``addoption``."""
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="on the cluster of dask's whose scheduler is there, such as tcp://host:8786",
    )
    add(
        "--workers",
        type=counted(1),
        metavar="N",
        help="on a cluster of dask's with so many workers, started here",
    )


class Cluster:
    """Workers of dask's; ``with`` it, tasks are run on them.

    Raises ``FleetRefused`` where it is entered, before any work starts: where dask is not installed, no scheduler
    answers, or a worker lacks the device, a backend or this very code; dask itself would wait for ever.
    """

    def __init__(self, scheduler: str | None, workers: int | None, place: Place) -> None:
        if scheduler and workers:
            raise FleetRefused("--scheduler and --workers: both given, expected one of them")
        self.scheduler = scheduler
        self.workers = workers
        self.place = place
        self.looked: list[Looked] = []

    @property
    def needs(self) -> dict[str, float]:
        """The resources that a task takes: of a GPU one, since a worker has one."""
        kind = kind_of(self.place.device)
        return {} if kind == "cpu" else {kind: 1}

    def __enter__(self) -> Self:
        try:
            import dask  # noqa: PLC0415  # an extra
            import distributed  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise FleetRefused(
                f"{error}; install it with: pip install -e '.[fleet]' -c constraints.txt"
            ) from error
        dask.config.set({"distributed.scheduler.allowed-failures": TRIES})
        # A worker only waits for its child; the profiler would sample it at the expense of another's checks.
        dask.config.set({"distributed.worker.profile.enabled": False})
        self._local = None
        if self.scheduler:
            try:
                self._client = distributed.Client(self.scheduler, timeout=PATIENCE)
            except (OSError, ValueError) as error:
                raise FleetRefused(f"--scheduler {self.scheduler}: {error}") from error
        else:
            self._local = self._start(distributed)
            self._client = distributed.Client(self._local)
        try:
            self._look()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, distributed: Any) -> Any:
        """A cluster of this machine's own, which nothing outside it can reach."""
        here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        worker = here | {"nthreads": 1, "resources": self.needs, "memory_limit": 0,
                         "silence_logs": logging.CRITICAL}  # fmt: skip
        gpu = [
            {"CUDA_VISIBLE_DEVICES": str(k)} if self.needs else {} for k in range(self.workers or 1)
        ]
        return distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": {**here, "port": 0}},
            workers={f"worker-{k}": {"cls": distributed.Nanny, "options": {**worker, "env": env}}
                     for k, env in enumerate(gpu)},
            silence_logs=logging.CRITICAL,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        self._client.close()
        if self._local is not None:
            self._local.close()

    def _look(self) -> None:
        """Ask all workers; raises ``FleetRefused``."""
        from distributed import TimeoutError as TooLate  # noqa: PLC0415

        try:
            self._client.wait_for_workers(self.workers or 1, timeout=PATIENCE)
        except TooLate as error:
            raise FleetRefused(
                f"no worker in {PATIENCE} s; start some, such as: dask worker {self.scheduler or ''}"
            ) from error
        there = self._client.scheduler_info(n_workers=-1)["workers"]
        able = [
            a
            for a, w in there.items()
            if all(w["resources"].get(r, 0) >= n for r, n in self.needs.items())
        ]
        if not able:
            raise FleetRefused(
                f"--device {self.place.device}: none of {len(there)} workers has the resource {', '.join(self.needs)}; start "
                f"one for each GPU with: dask worker --nthreads 1 --resources {kind_of(self.place.device)}=1"
            )
        asked = [
            self._client.submit(looked, self.place, workers=[a], pure=False, resources=self.needs)
            for a in able
        ]
        self.looked = self._client.gather(asked)
        for one in self.looked:
            if one.refused:
                raise FleetRefused(f"worker {one.worker}: {one.refused}")
            if one.source != (mine := suite_digest()):
                raise FleetRefused(
                    f"worker {one.worker}: another revision of the suite ({one.source}, here {mine})"
                )
            if one.backends != self.looked[0].backends:
                raise FleetRefused(
                    f"worker {one.worker}: {one.backends} given, expected {self.looked[0].backends}, as {self.looked[0].worker} has"
                )

    def processes(self) -> list[int]:
        """The process ids of the workers, on their machines."""
        found: dict[str, int] = self._client.run(os.getpid)
        return list(found.values())

    def environments(self) -> dict[str, Environment]:
        """Those of the workers, by their fingerprints."""
        return {fingerprint(one.environment): one.environment for one in self.looked}

    def opened(self, *, everything: bool = True) -> list[OpenBackend]:
        """The backends, as the workers have them; for ``everything``, or without what each leaves out."""
        seen = self.looked[0].backends
        return [
            elsewhere(name, self.place.device, seen[name],
                      BACKENDS[name].left_out if name in BACKENDS and not everything else ())
            for name in self.place.backends
        ]  # fmt: skip

    def results(
        self, function: Callable[[Place, Task], Answer], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Answer]]:
        """``function(place, task)`` of every task, as each is done.

        Raises ``FleetRefused`` where a task loses one worker after the other, and ``RuntimeError`` where it raises.
        """
        import distributed  # noqa: PLC0415

        waiting = iter(tasks)
        under_way: dict[str, tuple[Task, int]] = {}
        done = distributed.as_completed()

        def begin(some: Iterable[tuple[Task, int]]) -> None:
            for task, tries in some:
                future = self._client.submit(
                    function, self.place, task, pure=False, resources=self.needs
                )
                under_way[future.key] = task, tries
                done.add(future)

        begin((task, 1) for task in itertools.islice(waiting, AHEAD * len(self.looked)))
        for future in done:
            task, tries = under_way.pop(future.key)
            if future.status == "finished":
                try:
                    answer = future.result()
                except (
                    distributed.client.FutureCancelledError
                ):  # its worker was lost with the result
                    begin([(task, tries)])
                    continue
                yield task, answer
                begin((fresh, 1) for fresh in itertools.islice(waiting, 1))
                continue
            error = future.exception() if future.status == "error" else None
            if error is not None and not isinstance(error, distributed.scheduler.KilledWorker):
                raise RuntimeError(f"{task}: {error}") from error
            if tries == TRIES:
                raise FleetRefused(f"{task}: {TRIES} workers were lost with it")
            begin([(task, tries + 1)])


# In a worker.


@cache
def child(place: Place) -> Child:
    """The worker's own."""
    most = share() if place.gib is None else place.gib * 2**30
    return Child(place.seconds, most)


@cache
def looked(place: Place) -> Looked:
    """What this worker has, as its child sees it."""
    from distributed import get_worker  # noqa: PLC0415

    return child(place).call(look, str(get_worker().name), place)


def look(worker: str, place: Place) -> Looked:
    """In the child: the environment once the backends are open, or why one is not."""
    found, refused = {}, ""
    for name in place.backends:
        try:
            one = OpenBackend(name, place.device, find(name)(place.device))
            its = one.adapter
            found[name] = Seen(one.version, one.source, its.settings, its.framework_defaults)
        except (BackendNotFound, DeviceNotFound, PackageNotFoundError) as error:
            refused = str(error)
            break
    return Looked(worker, environment(), suite_digest(), found, refused)


def signature(place: Place) -> str:
    """Of a worker's records: its name, and the fingerprint of its environment."""
    seen = looked(place)
    return f"{seen.worker}@{fingerprint(seen.environment)}"

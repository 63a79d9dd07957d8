"""The cluster: its workers, their requirements, and the tasks that they run."""

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
from backends.missing import missing_extra
from conformance.open_backend import OpenBackend, suite_digest
from fleet.child import Child, default_memory_limit
from fleet.remote_backend import RemoteFacts, remote_backend
from records.environment import environment, fingerprint
from records.schema import Environment

TASKS_PER_WORKER = 2
"""Tasks submitted per worker, so that no worker waits for its next one."""
MAX_ATTEMPTS = 10
"""Attempts of a task whose worker is lost; after that, the task is assumed to kill its workers."""
WORKER_TIMEOUT_SECONDS = 30
"""Time for the first worker to arrive."""


class FleetRefused(Exception):
    """Error: the cluster cannot do the work; the text says what is missing and what to do."""


class WorkerReport(NamedTuple):
    """The report of a worker about its child."""

    worker: str
    environment: Environment
    source: str
    """Fingerprint of the suite's source; all workers must have the same."""
    backends: dict[str, RemoteFacts]
    refused: str
    """Reason why the worker cannot do the work; empty if it can."""


class WorkerNeeds(NamedTuple):
    """Requirements of every worker, and limits of a call in its child."""

    backends: tuple[str, ...]
    device: str
    seconds: float
    gib: float | None = None
    """Memory limit; by default an equal share of the free memory."""


Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Cluster:
    """A Dask cluster, as a context manager.

    On entry, before any work starts, ``FleetRefused`` is raised if Dask is not installed, no scheduler answers, or a
    worker lacks the device, a backend or this revision of the suite. Dask itself would wait forever.

    Args:
        scheduler: address of an existing scheduler, or None.
        workers: number of workers to start on this machine, or None.
        needs: requirements of every worker.

    Raises:
        FleetRefused: both ``scheduler`` and ``workers`` are given.
    """

    def __init__(self, scheduler: str | None, workers: int | None, needs: WorkerNeeds) -> None:
        if scheduler and workers:
            raise FleetRefused("--scheduler and --workers: both given, expected one of them")
        self.scheduler = scheduler
        self.workers = workers
        self.needs = needs
        self.reports: list[WorkerReport] = []

    @property
    def resources(self) -> dict[str, float]:
        """Dask resources of a task: one GPU per worker on a GPU, none on a CPU."""
        kind = kind_of(self.needs.device)
        return {} if kind == "cpu" else {kind: 1}

    def __enter__(self) -> Self:
        try:
            import dask  # noqa: PLC0415  # an extra
            import distributed  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise FleetRefused(
                missing_extra("--workers and --scheduler", error, "fleet")
            ) from error
        dask.config.set({"distributed.scheduler.allowed-failures": MAX_ATTEMPTS})
        # A worker only waits for its child; profiling it would take time from other workers' checks.
        dask.config.set({"distributed.worker.profile.enabled": False})
        self._local = None
        if self.scheduler:
            try:
                self._client = distributed.Client(self.scheduler, timeout=WORKER_TIMEOUT_SECONDS)
            except (OSError, ValueError) as error:
                raise FleetRefused(
                    f"--scheduler {self.scheduler}: {error}; start one with: dask scheduler"
                ) from error
        else:
            self._local = self._start_local_cluster(distributed)
            self._client = distributed.Client(self._local)
        try:
            self._check_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_local_cluster(self, distributed: Any) -> Any:
        """Start a cluster on this machine, bound to the loopback address."""
        here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        worker = here | {"nthreads": 1, "resources": self.resources, "memory_limit": 0,
                         "silence_logs": logging.CRITICAL}  # fmt: skip
        gpu = [
            {"CUDA_VISIBLE_DEVICES": str(k)} if self.resources else {}
            for k in range(self.workers or 1)
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

    def _check_workers(self) -> None:
        """Get a report from every worker; raise ``FleetRefused`` if one cannot do the work."""
        from distributed import TimeoutError as TooLate  # noqa: PLC0415

        try:
            self._client.wait_for_workers(self.workers or 1, timeout=WORKER_TIMEOUT_SECONDS)
        except TooLate as error:
            raise FleetRefused(
                f"no worker arrived within {WORKER_TIMEOUT_SECONDS} s; start one with: dask worker {self.scheduler or ''}"
            ) from error
        there = self._client.scheduler_info(n_workers=-1)["workers"]
        able = [
            a
            for a, w in there.items()
            if all(w["resources"].get(r, 0) >= n for r, n in self.resources.items())
        ]
        if not able:
            raise FleetRefused(
                f"--device {self.needs.device}: none of {len(there)} workers has the resource {', '.join(self.resources)}; start "
                f"one worker per GPU with: dask worker --nthreads 1 --resources {kind_of(self.needs.device)}=1"
            )
        asked = [
            self._client.submit(
                _worker_report, self.needs, workers=[a], pure=False, resources=self.resources
            )
            for a in able
        ]
        self.reports = self._client.gather(asked)
        for one in self.reports:
            if one.refused:
                raise FleetRefused(f"worker {one.worker}: {one.refused}")
            if one.source != (mine := suite_digest()):
                raise FleetRefused(
                    f"worker {one.worker}: another revision of the suite ({one.source}) given, expected {mine} as on "
                    "this machine; update the worker's checkout and restart it"
                )
            if one.backends != self.reports[0].backends:
                raise FleetRefused(
                    f"worker {one.worker}: {one.backends} given, expected {self.reports[0].backends} as on worker "
                    f"{self.reports[0].worker}; install the same framework with the same settings on both"
                )

    def processes(self) -> list[int]:
        """Return the process ids of the workers.

        Returns:
            The ids, each on its worker's machine.
        """
        found: dict[str, int] = self._client.run(os.getpid)
        return list(found.values())

    def environments(self) -> dict[str, Environment]:
        """Return the environments of the workers.

        Returns:
            Environments by fingerprint.
        """
        return {fingerprint(one.environment): one.environment for one in self.reports}

    def open_backends(self, *, everything: bool = True) -> list[OpenBackend]:
        """Return the backends that are open on the workers.

        Args:
            everything: False to skip the cases that a backend skips by default.

        Returns:
            The backends, in the order of the request.
        """
        facts = self.reports[0].backends
        return [
            remote_backend(name, self.needs.device, facts[name],
                      BACKENDS[name].left_out if name in BACKENDS and not everything else ())
            for name in self.needs.backends
        ]  # fmt: skip

    def results(
        self, function: Callable[[WorkerNeeds, Task], Answer], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Answer]]:
        """Run a function on the cluster for every task.

        Args:
            function: called as ``function(needs, task)`` on a worker.
            tasks: the tasks; they are submitted as workers become free.

        Yields:
            Each task with its answer, in the order of completion.

        Raises:
            FleetRefused: a task lost its worker too often.
            RuntimeError: the function raised.
        """
        import distributed  # noqa: PLC0415

        waiting = iter(tasks)
        under_way: dict[str, tuple[Task, int]] = {}
        done = distributed.as_completed()

        def begin(some: Iterable[tuple[Task, int]]) -> None:
            for task, tries in some:
                future = self._client.submit(
                    function, self.needs, task, pure=False, resources=self.resources
                )
                under_way[future.key] = task, tries
                done.add(future)

        begin((task, 1) for task in itertools.islice(waiting, TASKS_PER_WORKER * len(self.reports)))
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
            if tries == MAX_ATTEMPTS:
                raise FleetRefused(
                    f"{task}: {MAX_ATTEMPTS} workers were lost while running it; run it alone to see why"
                )
            begin([(task, tries + 1)])


# In a worker.


@cache
def get_child(needs: WorkerNeeds) -> Child:
    """Return this worker's child.

    Args:
        needs: limits of a call.

    Returns:
        The child; always the same for the same limits.
    """
    most = default_memory_limit() if needs.gib is None else needs.gib * 2**30
    return Child(needs.seconds, most)


@cache
def _worker_report(needs: WorkerNeeds) -> WorkerReport:
    """Return the report of this worker's child."""
    from distributed import get_worker  # noqa: PLC0415

    return get_child(needs).call(_inspect, str(get_worker().name), needs)


def _inspect(worker: str, needs: WorkerNeeds) -> WorkerReport:
    """Open all backends and report on them (runs in the child)."""
    found, refused = {}, ""
    for name in needs.backends:
        try:
            one = OpenBackend(name, needs.device, find(name)(needs.device))
            its = one.adapter
            found[name] = RemoteFacts(one.version, one.source, its.settings, its.framework_defaults)
        except (BackendNotFound, DeviceNotFound, PackageNotFoundError) as error:
            refused = str(error)
            break
    return WorkerReport(worker, environment(), suite_digest(), found, refused)


def worker_signature(needs: WorkerNeeds) -> str:
    """Return the signature of this worker's records.

    Args:
        needs: the requirements that the worker was inspected for.

    Returns:
        ``<worker>@<fingerprint of its environment>``.
    """
    report = _worker_report(needs)
    return f"{report.worker}@{fingerprint(report.environment)}"

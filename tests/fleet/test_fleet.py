"""A fleet does what one process does: the same records, each once, whatever becomes of workers; and what cannot be done
is refused before any work starts.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
import sample_runs as sample
from faults import AFTER, FAULTS

from conformance.known_differences import KNOWN_FILE
from conformance.session.isolation import Death
from evidence.fuzz import campaign, pool
from evidence.fuzz.campaign import Campaign
from evidence.fuzz.pool import Job
from fleet import Cluster, FleetRefused, WorkerNeeds, cluster
from fleet.child import Child, ChildDied
from records.exit_codes import ExitCode
from records.runs import read_folder
from records.schema import FuzzRecord
from tests.conformance.test_front_end import Done, conformance, environment, fake
from tests.conformance.test_isolation import BARE, SELECTED, SUPPORT

distributed = pytest.importorskip("distributed")
ROOT = Path(__file__).parents[2]
SPECIFICATION = "conformance.specification:Specification"
pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore"),  # dask's own, of ports and of workers that end
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(SUPPORT)]))  # for children


# A worker's child.


def double(number: int) -> int:
    return 2 * number


def fails() -> None:
    raise ValueError("no such case")


def crashes() -> None:
    os.abort()


def leaves() -> None:
    os._exit(3)


def sleeps() -> None:
    time.sleep(60)


def grows() -> None:
    held = [bytearray(2**24) for _ in range(64)]
    time.sleep(60 + len(held))


def closes_the_standard_files() -> None:
    os.closerange(0, 3)


def prints() -> int:
    return os.write(1, b"what") + os.write(2, b"ever")


def process_id() -> int:
    return os.getpid()


def child() -> Child:
    """Return a child with time enough to start on a busy machine."""
    return Child(60, 2**29)


@pytest.fixture
def mine() -> Iterator[Child]:
    one = child()
    yield one
    one.close()


def test_a_child_answers(mine: Child) -> None:
    assert mine.call(double, 21) == 42
    assert mine.call(process_id) == mine.call(process_id), "one process for all calls"
    with pytest.raises(RuntimeError, match="ValueError: no such case"):
        mine.call(fails)
    assert mine.call(double, 2) == 4


def test_a_call_finds_the_standard_files_open_whatever_another_left(mine: Child) -> None:
    mine.call(closes_the_standard_files)
    assert mine.call(prints) == 8


@pytest.mark.parametrize(
    ("what", "why"),
    [(crashes, "crash: Aborted"), (leaves, "crash: the process ended .* wrote nothing"),
     (sleeps, "timeout: no result after 0:00:03"), (grows, r"memory: .* GiB taken, --memory-limit is 0\.5")],
)  # fmt: skip
def test_a_child_that_dies_says_why_and_another_one_answers(
    mine: Child, what: Any, why: str
) -> None:
    mine.call(double, 1)  # it has started, so that the limit is for the call alone
    if what is sleeps:
        mine.seconds = 3
    with pytest.raises(ChildDied, match=why) as died:
        mine.call(what)
    mine.seconds = 60
    if what is not leaves and what is not grows:
        assert what.__name__ in died.value.death.words, "its stack"
    assert mine.call(double, 2) == 4


def test_a_child_ends_with_its_worker_in_the_middle_of_a_call() -> None:
    code = ("import threading, time, sys; from tests.fleet import test_fleet as t; mine = t.child(); print(mine.call(t.process_id), flush=True); "
            "threading.Thread(target=mine.call, args=(t.sleeps,), daemon=True).start(); time.sleep(60)")  # fmt: skip
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    assert psutil.pid_exists(pid)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    until = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the child outlives its worker"
        time.sleep(0.1)


# The three commands.


def figures(done: Done) -> dict[str, Any]:
    """Return the fields of every record that do not depend on where and when it was made."""
    return {
        case: (r.outcome, r.reason, r.margin, r.fingerprint, r.case_version)
        for case, r in done.records.items()
    }


def test_the_matrix_is_that_of_one_process(tmp_path: Path) -> None:
    chosen = ("--backend", fake("SlightlyWrong"), "--case", "gru-after*", "--dtype", "float32")
    for name in ("alone", "fleet"):
        (tmp_path / name).mkdir()
    alone = conformance(tmp_path / "alone", *chosen)
    fleet = conformance(tmp_path / "fleet", *chosen, "--workers", "2")
    assert fleet.code == alone.code, fleet.printed
    assert figures(fleet) == figures(alone)
    header = fleet.run.header
    assert header.workers
    assert not alone.run.header.workers
    for record in fleet.records.values():
        name, _, seen = record.worker.partition("@")
        assert re.fullmatch(r"worker-[01]", name)
        assert seen in header.workers, "its environment is in the header"
    same = ("backend_version", "settings", "source", "left_out", "device")
    assert [getattr(header, name) for name in same] == [
        getattr(alone.run.header, name) for name in same
    ]


def test_every_fault_is_a_record_and_no_worker_is_lost(tmp_path: Path) -> None:
    """The faults of test_isolation.py: crashes, hangs, what fills the memory, what ends the process."""
    done = conformance(tmp_path, "--backend", f"{SUPPORT / 'faults.py'}:Faults", *BARE, "--workers", "2",
                       "--time-limit", "10", "--memory-limit", "1", path=(SUPPORT,))  # fmt: skip
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert done.records.keys() == SELECTED, "one record for every case"
    for what, fault in FAULTS.items():
        record = done.records[AFTER[what].id]
        assert record.outcome == "errored", f"{what}: {record.outcome}"
        assert re.search(fault.reason, record.reason), f"{what}: {record.reason}"
    faults = {AFTER[what].id for what in FAULTS}
    others = {case: f"{r.outcome}: {r.reason}" for case, r in done.records.items()
              if case not in faults and r.outcome != "agrees"}  # fmt: skip
    assert not others, "a fault is reported for its own case only"


def fuzz(folder: Path, *options: str) -> list[FuzzRecord]:
    folder.mkdir()
    (folder / "corpus.txt").touch()
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", "fuzz", "--corpus", str(folder / "corpus.txt"), "--out", str(folder), *options],
        env=environment(SUPPORT), capture_output=True, text=True, check=False,
    )  # fmt: skip
    (run,), _ = read_folder(folder / "runs")
    assert run.complete, done.stdout + done.stderr
    return sorted(run.rounds, key=lambda r: r.round)


def test_rounds_of_fuzzing_are_those_of_one_process(tmp_path: Path) -> None:
    options = (
        "--backend",
        f"{SUPPORT / 'small_rounds.py'}:Right",
        "--rounds",
        "3",
        "--minutes",
        "5",
    )
    alone = fuzz(tmp_path / "alone", *options, "--jobs", "2")
    fleet = fuzz(tmp_path / "fleet", *options, "--workers", "2")
    assert [(r.round, r.outcomes, r.margin, r.others) for r in fleet] == [
        (r.round, r.outcomes, r.margin, r.others) for r in alone
    ]
    assert [r.round for r in fleet] == [1, 2, 3]
    assert all(r.worker for r in fleet)


def test_a_round_that_takes_its_child_down_is_checked_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    class Dies:
        def call(
            self, function: Any, job: Job, number: int, corpus: Any, apart: bool
        ) -> list[FuzzRecord]:
            asked.append(apart)
            if not apart:
                raise ChildDied(Death("crash", ""))
            return [sample.fuzzed(round=number)]

    monkeypatch.setattr(pool, "get_child", lambda needs: Dies())
    monkeypatch.setattr(pool, "worker_signature", lambda needs: "worker-0@0")
    job = Job(0, (SPECIFICATION,), "cpu", KNOWN_FILE)
    (record,) = pool.run_on_worker(job, {}, WorkerNeeds(job.backends, "cpu", 60), 7)
    assert asked == [False, True]
    assert (record.round, record.worker) == (7, "worker-0@0")


def test_mutants_are_scored_as_in_one_process(tmp_path: Path) -> None:
    found = {}
    for name, options in (("alone", ["--jobs", "1"]), ("fleet", ["--workers", "2"])):
        done = subprocess.run(
            [sys.executable, "-m", "rnnspec", "mutants", "--match", "lstm/gate order/gates i and f",
             "--out", str(tmp_path / name), *options],
            env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        (run,), _ = read_folder(tmp_path / name / "runs")
        assert run.complete, done.stdout + done.stderr
        found[name] = {r.mutant: (r.caught_by, r.meant, r.elsewhere) for r in run.mutants}
    assert found["fleet"] == found["alone"]
    assert found["fleet"]


def soon(needs: WorkerNeeds, number: int) -> int:
    """A task of a worker's."""
    time.sleep(0.3)
    return number


def test_a_killed_worker_loses_nothing_and_repeats_nothing_that_was_recorded() -> None:
    """One of two is killed as every fifth answer comes, and while the others are under way."""
    found = []
    with Cluster(None, 2, WorkerNeeds((SPECIFICATION,), "cpu", 60)) as fleet:
        for task, answer in fleet.results(soon, range(30)):
            assert task == answer
            found.append(answer)
            if len(found) % 5 == 0:
                os.kill(fleet.processes()[0], signal.SIGKILL)
    assert sorted(found) == list(range(30))


# What is refused.

REFUSED: dict[str, tuple[list[str], str]] = {
    "a scheduler and workers": (["--workers", "1", "--scheduler", "tcp://127.0.0.1:1"], "both given, expected one"),
    "workers of -n": (["--workers", "1", "--jobs", "2"], "--jobs: given with --workers or --scheduler"),
    "no worker at all": (["--workers", "0"], "expected an integer of 1 or more"),
    "no address": (["--scheduler", "nowhere"], "--scheduler nowhere: "),
    "a backend that cannot be opened": (["--workers", "1", "--device", "cuda"], "worker worker-0: .*device 'cuda'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_done_is_refused_before_it_starts(what: str, tmp_path: Path) -> None:
    options, complaint = REFUSED[what]
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", "gru-after*", *options)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert re.search(complaint, done.printed), done.printed
    assert not done.runs, "nothing ran"


def test_a_framework_that_no_worker_has_is_refused(tmp_path: Path) -> None:
    if find_spec("torch"):
        pytest.skip("torch is installed here")
    done = conformance(tmp_path, "--backend", "pytorch", "--workers", "1")
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert "worker worker-0: backend 'pytorch': No module named 'torch'" in done.printed


@pytest.fixture
def address() -> Any:
    """A cluster with one worker, which has no GPU."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as local:
        yield local.scheduler_address


def test_a_resource_that_no_worker_has_is_refused(address: str) -> None:
    with (
        pytest.raises(
            FleetRefused, match="none of 1 workers has the resource cuda; start one worker per GPU"
        ),
        Cluster(address, None, WorkerNeeds((SPECIFICATION,), "cuda", 60)),
    ):
        pass


def test_another_revision_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "suite_digest", lambda: "another")
    with (
        pytest.raises(FleetRefused, match="another revision of the suite"),
        Cluster(address, None, WorkerNeeds((SPECIFICATION,), "cpu", 60)),
    ):
        pass


def test_a_cluster_without_workers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WORKER_TIMEOUT_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as local,
        pytest.raises(FleetRefused, match="no worker arrived within 1 s; start one"),
        Cluster(local.scheduler_address, None, WorkerNeeds((SPECIFICATION,), "cpu", 60)),
    ):
        pass


def test_a_cluster_that_is_there_is_used_and_left_as_it_was(address: str) -> None:
    with Cluster(address, None, WorkerNeeds((SPECIFICATION,), "cpu", 60)) as mine:
        assert [o.name for o in mine.open_backends()] == [SPECIFICATION]
        assert list(mine.environments())
    with distributed.Client(address) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1


# The campaign's own check.


def rounds(*numbers: int, **changes: Any) -> list[FuzzRecord]:
    return [sample.fuzzed(round=number, **changes) for number in numbers]


@pytest.mark.parametrize(
    ("records", "code", "told"),
    [(rounds(2, 3, 1), ExitCode.CLEAN, ""),
     (rounds(1, 2, 2, 3), ExitCode.CONFORMANCE_FAILURE, r"twice: \[2\]; .*: \[\]"),
     (rounds(1, 3), ExitCode.CONFORMANCE_FAILURE, r"twice: \[\]; .*: \[2\]"),
     (rounds(1, 2) + rounds(3, outcomes={"errored": 128}), ExitCode.CONFORMANCE_FAILURE, r"twice: \[\]; .*: \[3\]")],
    ids=["another order", "twice", "missing", "other outcomes"],
)  # fmt: skip
def test_the_campaign_says_which_rounds_are_not_as_on_one_worker(
    records: list[FuzzRecord],
    code: ExitCode,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(_: Job, workers: int, *_others: Any) -> Campaign:
        return Campaign(workers, rounds(1, 2, 3) if workers == 1 else records, 1.0, 0)

    monkeypatch.setattr(campaign, "run_campaign", run)
    assert campaign.main(["--rounds", "3"]) == code
    assert re.search(told, capsys.readouterr().err)

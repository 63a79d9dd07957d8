"""A backend that fails costs its own case, and an interruption costs nothing that was finished."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import fakes
import msgspec
import psutil
import pytest
from faults import AFTER, FAULTS, NUISANCES
from sample_runs import footer

from conformance.cases import default_cases
from conformance.open_backend import OpenBackend
from conformance.session.isolation import WorkerMonitor
from conformance.session.resume import CannotResume, resume
from records import environment as machine
from records.exit_codes import ExitCode
from records.runs import RunWriter, read_folder
from tests.conformance.test_front_end import (
    LSTM,
    Done,
    command,
    conformance,
    environment,
    fake,
    timeless,
)

pytestmark = pytest.mark.processes
SUPPORT = Path(__file__).parents[1] / "support"
BARE = ("--dtype", "float32", "--case", "lstm*", "--case", "gru*", "--case", "vanilla*")
"""Every drawn case of outputs in float32."""
SELECTED = {c.id for c in default_cases()
            if re.match("lstm|gru|vanilla", c.id) and c.dtype == "float32"}  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run of every fault and nuisance, on two workers."""
    folder = tmp_path_factory.mktemp("faults")
    return conformance(folder, "--backend", f"{SUPPORT / 'faults.py'}:Faults", *BARE, "--jobs", "2",
                       "--time-limit", "10", "--memory-limit", "1", path=(SUPPORT,))  # fmt: skip


ONE_RUN = pytest.mark.xdist_group("faults")
"""Tests of one run, which one process of pytest-xdist makes for all of them."""


@ONE_RUN
@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_recorded_as_what_it_is(what: str, faulty: Done) -> None:
    record = faulty.records[AFTER[what].id]
    assert record.outcome == "errored", f"{what}: {record.outcome}"
    assert re.search(FAULTS[what].reason, record.reason), f"{what}: {record.reason}"
    if re.match("crash: [A-Z]|timeout|memory: [0-9]", record.reason):
        assert "faults.py" in record.card or "memory" in record.card, f"no stack: {record.card}"


@ONE_RUN
@pytest.mark.parametrize("what", NUISANCES)
def test_a_nuisance_costs_nothing(what: str, faulty: Done) -> None:
    record = faulty.records[AFTER[what].id]
    assert record.outcome == "agrees", f"{what}: {record.outcome}: {record.reason}"


@ONE_RUN
def test_nothing_else_is_lost(faulty: Done) -> None:
    assert len(FAULTS) >= 20
    assert faulty.code == ExitCode.CONFORMANCE_FAILURE, faulty.printed
    assert faulty.run.complete
    assert faulty.records.keys() == SELECTED, "one record for every case"
    counts = Counter(record.outcome for record in faulty.records.values())
    assert counts == {"errored": len(FAULTS), "agrees": len(SELECTED) - len(FAULTS)}


def test_a_case_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM, "--time-limit", "60",
                       "--memory-limit", "1")  # fmt: skip
    assert done.code == ExitCode.CLEAN, done.printed


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_refused(option: str, value: str, tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM, f"{option}={value}")
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert re.search(f"{option}.*{value}.*expected a number above 0", done.printed), done.printed


def test_a_process_that_is_no_worker_is_left_alone(tmp_path: Path) -> None:
    """A worker has ended, and its number is by now that of another's process."""
    options = SimpleNamespace(getoption=lambda name, default=None: 1e-6)
    watch = WorkerMonitor(options)
    worker = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE)
    with worker:
        assert worker.stdout is not None
        other = psutil.Process(int(worker.stdout.readline()))
        words = tmp_path / "gw0"
        words.write_text(f"{other.pid}\n")
        watch._end_if_too_large(words)
        assert other.status() != psutil.STATUS_ZOMBIE, "it was ended"
        assert words.read_text() == f"{other.pid}\n", "nothing is said of a worker"
        words.write_text(f"{worker.pid}\n")
        watch._end_if_too_large(words)
        assert worker.wait(10) == -signal.SIGKILL, "a worker is ended"
        assert "memory: " in words.read_text()
        other.kill()
    watch.pytest_unconfigure()


# Interruptions.

SOME = {case for case in SELECTED if case.startswith("lstm/")}
RUN = ("--backend", fake("Slow"), "--dtype", "float32", "--case", "lstm/*")


def heard() -> None:
    """Ctrl-C is, where whoever started the tests has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path) -> subprocess.Popen[bytes]:
    """A run that goes on in a session of its own, and hears Ctrl-C; background jobs ignore it."""
    return subprocess.Popen(command(folder, *RUN), cwd=folder, env=environment(),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            preexec_fn=heard,  # noqa: PLW1509  # no lock is taken in it
                            start_new_session=True)  # fmt: skip


def finished_lines(folder: Path) -> int:
    return sum(text.read_bytes().count(b"\n") for text in (folder / "runs").glob("*.jsonl"))


def resumed(folder: Path) -> Done:
    return conformance(folder, *RUN, "--resume")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The same run, not interrupted."""
    return conformance(tmp_path_factory.mktemp("whole"), *RUN)


@pytest.mark.parametrize(
    ("name", "lines"),
    # The header alone, one record, some and all of them; a signal that is handled can go wrong in
    # its first and its last case.
    [("SIGKILL", 1), ("SIGKILL", 2), ("SIGKILL", len(SOME)), ("SIGINT", 1), ("SIGTERM", len(SOME))],
)  # fmt: skip
def test_an_interrupted_run_is_readable_and_can_be_finished(
    name: str, lines: int, tmp_path: Path, whole: Done
) -> None:
    process = started(tmp_path)
    until = time.monotonic() + 60
    while finished_lines(tmp_path) < lines and time.monotonic() < until:
        time.sleep(0.002)
    os.killpg(process.pid, getattr(signal, name))
    process.wait(timeout=60)
    (before,), bad = read_folder(tmp_path / "runs")
    assert not bad
    assert not before.complete
    assert len(before.records) >= lines - 1, "every record that was finished is there"
    done = resumed(tmp_path)
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.header.run_id == before.header.run_id, "it is the same run, gone on with"
    assert done.run.records[: len(before.records)] == before.records, "nothing done is lost"
    assert timeless(done.records) == timeless(whole.records), "nothing is missing, or run twice"
    assert done.run.footer is not None
    assert whole.run.footer is not None
    assert done.run.footer.selected == whole.run.footer.selected
    assert done.run.footer.deselected == whole.run.footer.deselected


@pytest.mark.parametrize("size", [6_000, 12_000])
def test_a_full_disk_leaves_what_was_written(size: int, tmp_path: Path, whole: Done) -> None:
    """A limit on the size of files cuts a line short, as a full disk does."""
    limited = subprocess.run(
        command(tmp_path, *RUN), cwd=tmp_path, env=environment(), capture_output=True, text=True,
        check=False, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip
    assert limited.returncode == ExitCode.HARNESS_ERROR, limited.stdout + limited.stderr
    assert "File too large" in limited.stdout + limited.stderr
    (before,), bad = read_folder(tmp_path / "runs")
    assert not bad
    assert not before.complete
    done = resumed(tmp_path)
    assert done.code == ExitCode.CLEAN, done.printed
    assert timeless(done.records) == timeless(whole.records)


def test_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    done = resumed(tmp_path)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert "--resume: no interrupted run of" in done.printed
    assert not done.runs


def test_the_latest_that_was_interrupted_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older, finished and foreign runs are passed over."""
    monkeypatch.setattr(sys, "argv", ["conformance"])
    backend, seen = OpenBackend(fake("Right"), "cpu", fakes.Right("cpu")), machine.environment()
    head = backend.header(seen, "conformance")

    def left(hour: int, **changes: str) -> RunWriter:
        started = f"2026-11-21T{hour:02}:00:00+00:00"
        return RunWriter(tmp_path, msgspec.structs.replace(head, started_at=started, **changes))

    for hour, changes in enumerate((
        {"run_id": "older"}, {"run_id": "latest"}, {"run_id": "another", "device": "cuda"},
        {"run_id": "others", "backend": "jax_scan"}, {"run_id": "fuzzing", "front_end": "fuzz"},
    )):  # fmt: skip
        with left(hour, **changes):
            pass
    with left(9, run_id="ended") as writer:
        writer.close(footer([]))
    going = resume(tmp_path, head)
    with going.writer:
        assert going.run.header.run_id == "latest"
    with pytest.raises(CannotResume, match="no interrupted run of another on cpu"):
        resume(tmp_path, msgspec.structs.replace(head, backend="another"))


def interrupted(folder: Path) -> Path:
    """A run that was killed after its first record."""
    process = started(folder)
    while finished_lines(folder) < 2:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    (path,) = (folder / "runs").glob("*.jsonl")
    return path


@pytest.mark.parametrize("field", ["suite_commit", "source", "backend_version", "fingerprint"])
def test_another_machine_s_or_version_s_run_is_not_gone_on_with(field: str, tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    other = re.sub(rf'"{field}":("[^"]*"|null)', f'"{field}":"other"', path.read_text(), count=1)
    path.write_text(other)
    done = resumed(tmp_path)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert f"differs from this run in {field} (other, now" in done.printed
    assert path.read_text() == other, "the run is left as it was"


def test_a_run_that_is_still_going_is_not_gone_on_with(tmp_path: Path) -> None:
    writer, _ = RunWriter.resume(interrupted(tmp_path))
    with writer:
        done = resumed(tmp_path)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert "is still being written" in done.printed

"""Fuzzing: no find is lost, and the command goes on, ends and refuses as others do."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sample_runs as sample

import rnnspec.fuzz as front
from backends import BACKENDS
from commands.options import at_least
from conformance.cases.fuzzed import parse_fuzz_id
from conformance.open_backend import ROOT
from conformance.session.resume import CannotResume
from evidence.fuzz import corpus, draws, pool, rounds
from evidence.fuzz.corpus import CORPUS, BadCorpus, add_to_corpus, corpus_of, read_corpus
from evidence.fuzz.draws import CASES_PER_GROUP, draw_groups
from evidence.fuzz.results import ResultWriter, summarise
from records.environment import environment as machine
from records.exit_codes import ExitCode
from records.runs import RunWriter, read_folder
from records.schema import CaseRecord, FuzzRecord
from tests.conformance.test_front_end import FAKES, Done, environment, fake
from tests.evidence.test_fuzz_draws import ONE

DOUBLE = """from fakes import Right
class Double(Right):
    dialect = Right.dialect.only(dtypes=["float64"])
"""
SMALL_ROUNDS = 6
"""The groups of a round where ``small_rounds.py`` has the backend."""


def small(name: str) -> str:
    return f"{FAKES.with_name('small_rounds.py')}:{name}"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# The corpus.


def test_the_corpus_keeps_every_find_once(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    assert read_corpus(path) == {}
    add_to_corpus(path, "a b:C", [ONE.id, ONE.id])
    add_to_corpus(path, "a b:C", [ONE.id])
    other = replace(ONE, seed=3)
    add_to_corpus(path, "jax_scan", [other.id, ONE.id])
    assert read_corpus(path) == {"a b:C": [ONE], "jax_scan": [other, ONE]}
    path.write_text("# a remark\n\n" + path.read_text().rstrip("\n"))
    add_to_corpus(path, "jax_scan", [replace(ONE, seed=4).id])
    assert read_corpus(path)["jax_scan"] == [other, ONE, replace(ONE, seed=4)]


def test_a_find_on_a_last_line_that_does_not_end_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(f"pytorch {ONE.id}", "utf-8")
    add_to_corpus(path, "pytorch", [ONE.id])
    assert path.read_text("utf-8").split() == ["pytorch", ONE.id]
    add_to_corpus(path, "jax_scan", [ONE.id])
    assert read_corpus(path) == {"pytorch": [ONE], "jax_scan": [ONE]}


@pytest.mark.parametrize(("line", "why"), [
    ("jax_scan fuzz/lstm", "line 1: case 'fuzz/lstm': 1 parts given"),
    (ONE.id, "expected a backend and a case"),
])  # fmt: skip
def test_a_bad_corpus_is_refused(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(line + "\n")
    with pytest.raises(BadCorpus, match=re.escape(why)):
        read_corpus(path)


def test_a_corpus_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"jax_scan \xff\n")
    with pytest.raises(BadCorpus, match=re.escape(str(path))):
        read_corpus(path)


# What becomes of records.


def writing(folder: Path) -> ResultWriter:
    writers = {name: RunWriter(folder / "runs", sample.header(run_id=name, backend=name))
               for name in ("pytorch", "jax")}  # fmt: skip
    return ResultWriter(writers, [], dict.fromkeys(writers, folder / "corpus.txt"))


def ends(folder: Path) -> dict[str, tuple[int, int]]:
    """The exit code and the number of rounds in the footer of each backend's run."""
    return {run.header.backend: (run.footer.exit_code, run.footer.rounds)
            for run in read_folder(folder / "runs")[0] if run.footer is not None}  # fmt: skip


def test_every_backend_has_its_own_end_and_the_command_the_worst(tmp_path: Path) -> None:
    find = sample.failed(case=ONE.id)
    done = [[sample.fuzzed(found=[find]), sample.fuzzed(backend="jax")], [sample.fuzzed(round=2)]]
    assert writing(tmp_path).write_all(done, 1) is ExitCode.CONFORMANCE_FAILURE
    assert ends(tmp_path) == {
        "pytorch": (ExitCode.CONFORMANCE_FAILURE, 2), "jax": (ExitCode.CLEAN, 1),
    }  # fmt: skip
    assert read_corpus(tmp_path / "corpus.txt") == {"pytorch": [ONE]}


def test_a_backend_without_a_round_has_shown_nothing(tmp_path: Path) -> None:
    assert writing(tmp_path).write_all([[sample.fuzzed()]], 1) is ExitCode.NOT_ENOUGH_DATA
    assert ends(tmp_path) == {"pytorch": (ExitCode.CLEAN, 1), "jax": (ExitCode.NOT_ENOUGH_DATA, 0)}


def test_ctrl_c_leaves_runs_that_can_be_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Iterator[list[FuzzRecord]]:
        yield [sample.fuzzed()]
        raise KeyboardInterrupt

    going = writing(tmp_path)
    assert going.write_all(interrupted(), 1) is ExitCode.HARNESS_ERROR
    for writer in going.writers.values():
        writer.__exit__(None, None, None)
    runs, _ = read_folder(tmp_path / "runs")
    assert {run.header.backend: len(run.rounds) for run in runs} == {"pytorch": 1, "jax": 0}
    assert not any(run.complete for run in runs)
    assert "continue this run with --resume" in capsys.readouterr().err


def test_a_round_is_done_when_every_backend_has_it(tmp_path: Path) -> None:
    """A process may be killed between the records of two backends."""
    (tmp_path / "known.toml").touch()
    job = pool.Job(3, (fake("Right"), fake("PaddingNotZero")), "cpu", tmp_path / "known.toml")
    first = sample.fuzzed(seed=3, round=1, backend=fake("Right"))
    backends = pool.open_backends(job)
    assert not front.is_done(3, 1, backends, set())
    assert not front.is_done(3, 1, backends, {(fake("Right"), 1)})
    assert front.is_done(3, 1, backends, {(fake("Right"), 1), (fake("PaddingNotZero"), 1)})
    assert not front.is_done(3, 2, backends, {(fake("Right"), 1), (fake("PaddingNotZero"), 1)})
    header = sample.header(backend=fake("Right"))
    writer = RunWriter(tmp_path / "runs", header)
    writer.write(first)
    going = ResultWriter({fake("Right"): writer}, [first], {fake("Right"): tmp_path / "corpus.txt"})
    going.write_all([[first], [sample.fuzzed(seed=3, round=2, backend=fake("Right"))]], 1)
    assert [record.round for record in going.records] == [1, 2], "one of them twice"


def test_a_summary_adds_up_rounds() -> None:
    find = sample.failed(case=ONE.id)
    records = [sample.fuzzed(known={"this": 2, "that": 3}), sample.fuzzed(margin=0.5, found=[find]),
               sample.fuzzed(margin=None, others=["fuzz/…"])]  # fmt: skip
    assert summarise(records) == (
        "384 checks: 300 agrees, 3 differs, 81 inconclusive (7 known), 2 alarms, largest margin 6.40"
    )


def test_the_output_names_the_file_of_each_backend_s_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find = sample.failed(case=ONE.id)
    writing(tmp_path).write_all([[sample.fuzzed(found=[find]), sample.fuzzed(backend="jax")]], 1)
    printed = capsys.readouterr().out
    assert "added 1 new finds to corpus.txt; later runs of pytorch check them first" in printed
    assert "no new finds were added to corpus.txt" in printed
    assert "time, summed over all processes: 3 s reference, 1 s backend" in printed
    assert printed.endswith(" s wall time\n")


def test_finds_on_a_user_s_own_backend_never_get_into_the_suite_s_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BACKENDS:
        assert corpus_of(name, tmp_path) == CORPUS
    assert corpus_of("mine.py:Mine", tmp_path) == tmp_path / "fuzz-corpus.txt"
    assert corpus_of("conformance.specification:Specification", tmp_path) != CORPUS
    monkeypatch.setattr(corpus, "IN_CHECKOUT", False)
    copied = corpus_of("pytorch", tmp_path / "new")
    assert copied.parent == tmp_path / "new"
    assert copied.read_bytes() == CORPUS.read_bytes()


def raised(case: str, place: str, reason: str = "TypeError: no bfloat16") -> CaseRecord:
    card = (
        f'Traceback (most recent call last):\n  File "{place}", line 3, in fetch\n    x\n{reason}'
    )
    return sample.failed(case=case, outcome="errored", reason=reason, card=card)


def test_equal_tracebacks_are_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [replace(ONE, seed=seed).id for seed in range(5)]
    finds = [raised(ids[0], "a.py"), raised(ids[1], "a.py"), raised(ids[2], "b.py"),
             sample.failed(case=ids[3]), sample.failed(case=ids[4])]  # fmt: skip
    rounds = [
        [sample.fuzzed(found=finds[:3], others=["x", "y"])],
        [sample.fuzzed(round=2, found=finds[3:] + finds[:1])],
    ]
    writing(tmp_path).write_all(rounds, 1)
    printed = capsys.readouterr().out
    assert printed.count('File "a.py"') == printed.count('File "b.py"') == 1
    assert f"  found 2 times\n  1 more case in the same place: {ids[1]}\n" in printed
    assert printed.count("found 2 times") == 1
    assert printed.count("✗ ") == 4
    assert "2 more alarms were not shrunk" in printed


def test_a_find_is_printed_once_with_its_reason_and_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The corpus and a round with the same seed find the same case."""
    repeat = f"rnnspec check --case {ONE.id}"
    reason = "y is 6.4 bounds from the truth"
    card = f"differs: {ONE.id}\n  {reason}\n  repeat           {repeat}"
    whole = sample.failed(case=ONE.id, reason=reason, card=card, repeat=repeat)
    rounds = [[sample.fuzzed(round=0, found=[whole])], [sample.fuzzed(found=[whole])]]
    writing(tmp_path).write_all(rounds, 1)
    printed = capsys.readouterr().out
    assert printed.count(reason) == printed.count(repeat) == printed.count(ONE.id) / 2 == 1
    assert "found 2 times" in printed
    assert "same place" not in printed


def test_the_summary_has_the_margins_of_alarms_too() -> None:
    records = [sample.fuzzed(margin=0.5), sample.fuzzed(margin=0.7, alarm_margin=7.784)]
    assert summarise(records).endswith("0 alarms, largest margin 7.78")
    records += [sample.fuzzed(found=[sample.failed(margin=None)])]
    assert summarise(records).endswith("1 alarm, largest margin ∞")
    assert summarise([sample.fuzzed(margin=None)]).endswith("largest margin –")


def test_checks_that_an_own_backend_refuses_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("pytorch", "mine.py:Mine", "mine.py:Other")
    writers = {name: RunWriter(tmp_path / "runs", sample.header(run_id=f"{k}", backend=name))
               for k, name in enumerate(names)}  # fmt: skip
    rounds = [
        [sample.fuzzed(backend=name, refused=refused) for name, refused in zip(
            names, ({"reset": 2}, {"reset": 1500, "direction": 499, "lengths": 1}, {}), strict=True)],
        [sample.fuzzed(backend=names[1], round=2, refused={"direction": 10})],
    ]  # fmt: skip
    ResultWriter(writers, [], dict.fromkeys(writers, tmp_path / "c")).write_all(rounds, 1)
    hints = [line for line in capsys.readouterr().out.splitlines() if "refused" in line]
    assert hints == [
        "2,010 unsupported checks drawn; the backend refused these options: reset (1,500), direction (509), "
        "lengths (1); narrow the dialect with .only(reset=[…], directions=[…]), and fuzzing draws only what runs "
        "(docs/adding-a-backend.md); .only has no argument for lengths"
    ]


# The command.


def test_help_and_documentation_say_how_long_shrinking_takes_after_the_time_is_up() -> None:
    checks, finds = rounds.Tally.checks, rounds.Tally.shrunk
    words = " ".join((front.fuzz.__doc__ or front.fuzz.help or "").split())
    assert f"finds shrunk after that, with up to {checks * finds:,} more checks a round" in words
    page = " ".join((ROOT / "docs" / "fuzzing.md").read_text("utf-8").split())
    assert (
        f"up to {['no', 'one', 'two', 'three'][finds]} finds a round, with {checks} checks each"
        in page
    )


def test_options_say_how_long_on_how_many_processes_and_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock advances by a second at every call."""
    for name in front.ONE_THREAD:
        monkeypatch.setenv(name, "3")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    (tmp_path / "known.toml").touch()
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    monkeypatch.setattr(front, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    asked: list[tuple[int, int]] = []

    def records(job: Any, numbers: Iterator[int], processes: int) -> Iterator[list[FuzzRecord]]:
        asked.append((job.seed, processes))
        for number in numbers:
            yield [sample.fuzzed(seed=job.seed, round=number, backend=job.backends[0])]

    monkeypatch.setattr(front, "run_rounds", records)
    arguments = command(tmp_path, "--backend", fake("Right"), "--minutes", "0.5", "--jobs", "3",
                        "--seed", "0")[4:]  # fmt: skip
    assert front.fuzz(arguments) is ExitCode.CLEAN
    assert asked == [(0, 3)]
    (run,), _ = read_folder(tmp_path / "runs")
    assert [record.round for record in run.rounds] == list(range(1, 30)), "for half a minute"
    threads = [os.environ[name] for name in front.ONE_THREAD]
    assert sorted(threads) == ["1", "3", "3"], "one, unless the user wants more"


@pytest.mark.parametrize("given", ["1.5", "two", "", "2"])
def test_a_number_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="an integer of 3 or more"):
        at_least(3)(given)
    assert at_least(3)("3") == 3


def command(folder: Path, *arguments: str) -> list[str]:
    (folder / "known.toml").touch()
    return [sys.executable, "-m", "rnnspec", "fuzz", "--out", str(folder), "--known",
            str(folder / "known.toml"), "--corpus", str(folder / "corpus.txt"), *arguments]  # fmt: skip


def fuzz(folder: Path, *arguments: str) -> Done:
    done = subprocess.run(command(folder, *arguments), cwd=folder, env=environment(FAKES.parent),
                          capture_output=True, text=True, check=False, timeout=600)  # fmt: skip
    runs, bad = read_folder(folder / "runs")
    assert not bad, bad
    return Done(done.returncode, done.stdout + done.stderr, runs)


@pytest.mark.processes
def test_fuzzing_a_right_backend_is_clean(tmp_path: Path) -> None:
    done = fuzz(
        tmp_path, "--backend", small("Right"), "--rounds", "3", "--minutes", "5", "--jobs", "2"
    )
    assert done.code == ExitCode.CLEAN, done.printed
    run = done.run
    assert run.complete
    assert run.footer is not None
    assert run.footer.rounds == len(run.rounds) >= 2
    assert sorted(r.round for r in run.rounds) == list(range(1, len(run.rounds) + 1))
    assert " alarms" in done.printed
    assert run.header.command.startswith("rnnspec fuzz ")
    assert not (tmp_path / "corpus.txt").exists()


@pytest.mark.processes
def test_an_own_backend_s_finds_are_beside_its_results(tmp_path: Path) -> None:
    before = CORPUS.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", "fuzz", "--backend", small("ForgetBiasIgnored"), "--rounds", "2", "--jobs",
         "2", "--dtype", "float64", "--minutes", "5"],
        cwd=tmp_path, env=environment(FAKES.parent), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.CONFORMANCE_FAILURE, done.stdout + done.stderr
    kept = read_corpus(tmp_path / "results" / "fuzz-corpus.txt")[small("ForgetBiasIgnored")]
    assert f"added {len(kept)} new finds to results/fuzz-corpus.txt" in done.stdout
    assert CORPUS.read_bytes() == before
    ((run,), _) = read_folder(tmp_path / "results" / "runs")
    assert {record.dtype for record in run.rounds} == {"float64"}, "--dtype"
    assert len(run.rounds) == 2


def test_a_dtype_is_drawn_and_no_other(tmp_path: Path) -> None:
    job = pool.Job(1, (fake("Right"),), "cpu", tmp_path / "known.toml", ("float16", "bfloat16"))
    backends = pool.open_backends(job)
    drawn = [rounds.draw_round(1, n, backends, job.dtypes) for n in range(1, 30)]
    assert {structure.dtype for structure in drawn} == set(job.dtypes)


def test_a_run_is_gone_on_with_in_its_own_dtypes_alone(tmp_path: Path) -> None:
    job = pool.Job(0, (fake("Right"),), "cpu", tmp_path / "known.toml", ("float32",))
    backends, corpora = pool.open_backends(job), {fake("Right"): tmp_path / "corpus.txt"}
    begun = RunWriter(tmp_path / "runs", backends[0].header(machine(), "fuzz"))
    for number in (0, 1):
        structure = rounds.draw_round(0, 1, backends, job.dtypes).id if number else ""
        begun.write(sample.fuzzed(seed=0, round=number, backend=fake("Right"), structure=structure))
    begun.__exit__(None, None, None)
    for other in ((), ("float64",)):
        with pytest.raises(CannotResume, match="round 1 of the run has other networks than these"):
            front._writing(
                job._replace(dtypes=other), backends, None, tmp_path, corpora, resumed=True
            )
    going = front._writing(job, backends, None, tmp_path, corpora, resumed=True)
    assert len(going.records) == 2
    going.writers[fake("Right")].__exit__(None, None, None)


@pytest.mark.processes
def test_finds_are_kept_and_checked_first_by_the_next_run(tmp_path: Path) -> None:
    chosen = ("--backend", small("ForgetBiasIgnored"))
    arguments = (*chosen, "--rounds", "2", "--minutes", "5", "--jobs", "2")
    done = fuzz(tmp_path, *arguments)
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    finds = [found.case for record in done.run.rounds for found in record.found]
    assert finds
    kept = read_corpus(tmp_path / "corpus.txt")[small("ForgetBiasIgnored")]
    assert {one.id for one in kept} == set(finds)
    assert "rnnspec check --backend" in done.printed, "how to repeat it"
    again = max(fuzz(tmp_path, *arguments, "--minutes", "0.001").runs, key=lambda r: r.started)
    first = next(record for record in again.rounds if record.round == 0)
    assert first.checks == len(kept)
    assert first.alarms == len(kept), "nothing has changed"


@pytest.mark.processes
def test_a_crash_costs_its_own_cases_and_no_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Denormal weights on an input of zeros take the process down, and the pool with it."""
    chosen = ("--backend", small("CrashesSeldom"))
    done = fuzz(tmp_path, *chosen, "--rounds", "2", "--minutes", "5", "--jobs", "2")
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    monkeypatch.setattr(draws, "GROUPS", SMALL_ROUNDS)
    numbers = [record.round for record in done.run.rounds]
    assert len(numbers) == len(set(numbers)), "no round is there twice"
    assert sorted(numbers) == list(range(1, len(numbers) + 1)), "nor is any missing"
    for record in done.run.rounds:
        assert record.checks == draws.GROUPS * CASES_PER_GROUP
        cases = [
            one
            for group in draw_groups(0, record.round, parse_fuzz_id(record.structure))
            for one in group
        ]
        crash = [one for one in cases if (one.weights, one.inputs) == ("denormal", "zero")]
        assert record.outcomes.get("errored", 0) == len(crash) == record.alarms
        for found in record.found:
            assert found.reason == "crash: Aborted"
            assert "/denormal/zero/" in found.case
    assert any(record.alarms for record in done.run.rounds)


@pytest.mark.processes
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    arguments = ("--backend", small("Right"), "--jobs", "2", "--seed", "4")
    process = subprocess.Popen(command(tmp_path, *arguments, "--minutes", "5"), cwd=tmp_path,
                               env=environment(FAKES.parent), start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    until = time.monotonic() + 120
    while time.monotonic() < until and sum(
        path.read_bytes().count(b"\n") for path in (tmp_path / "runs").glob("*.jsonl")
    ) < 4:  # fmt: skip
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (before,), _ = read_folder(tmp_path / "runs")
    assert len(before.rounds) >= 3
    other = fuzz(tmp_path, *arguments, "--seed", "5", "--minutes", "0.01", "--resume")
    assert other.code == ExitCode.HARNESS_ERROR, other.printed
    assert "the run has seed 4; --seed 5 given" in other.printed
    add_to_corpus(
        tmp_path / "corpus.txt", small("Right"), [ONE.id]
    )  # the run has begun, with what was known
    done = fuzz(tmp_path, *arguments, "--minutes", "0.02", "--resume")
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.header.run_id == before.header.run_id
    assert done.run.rounds[: len(before.rounds)] == before.rounds
    numbers = [record.round for record in done.run.rounds]
    assert len(numbers) == len(set(numbers)) > len(before.rounds)
    assert min(numbers) == 1, "what was found before is checked when a run begins, and no more"
    assert {record.seed for record in done.run.rounds} == {4}


@pytest.mark.processes
@pytest.mark.parametrize(("arguments", "why"), [
    ((), "--backend: none given"),
    (("--backend", "pytroch"), "--backend: 'pytroch' given; did you mean pytorch? expected one of"),
    (("--backend", "x:X", "--minutes", "0"), "--minutes: '0' given; expected a number above 0"),
    (("--backend", "x:X", "--minutes", "nan"), "--minutes: 'nan' given"),
    (("--backend", "x:X", "--jobs", "0"), "--jobs: '0' given; expected an integer of 1 or more"),
    (("--backend", "x:X", "--seed", "-1"), "--seed: '-1' given"),
    (("--backend", "x:X", "--framework", "theano"), "--framework: 'theano' given; expected one of"),
    (("--backend", "x:X", "--minute", "1"), "--minute: no such option"),
    (("--backend", "{right}", "--device", "cuda"), "device 'cuda'"),
    (("--backend", "{double}", "--dtype", "float16"), "--dtype: float16 given, which"),
    (("--backend", "{double}", "--dtype", "tf32"), "--dtype: 'tf32' given; expected one of float64"),
    (("--backend", "{right}", "--resume"), "--resume: no interrupted run"),
    (("--backend", "{right}", "--known", "gone.toml"), "gone.toml"),
])  # fmt: skip
def test_a_bad_option_is_refused(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    (tmp_path / "double.py").write_text(DOUBLE, "utf-8")
    given = [part.format(right=fake("Right"), double="double.py:Double") for part in arguments]
    done = fuzz(tmp_path, *given)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert why in done.printed, done.printed
    assert not done.runs

"""The experiment on verdicts: what it counts, what it keeps, and what it refuses to mix."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import sample_runs as sample
from rich.console import Console

from benchmarks.comparing.pairs import PairedMeasurements
from benchmarks.comparing.revisions import PAIRS
from benchmarks.comparing.verdict import Noise
from benchmarks.studies import false_alarms as experiment
from benchmarks.studies.false_alarms import BUDGET_PAIRS, CONDITIONS, HALF, Condition, Pair
from benchmarks.timing.options import Rows
from records.exit_codes import ExitCode
from records.schema import Measurement

WORKLOAD = "tutorial/4x2x3-5"


def pair(number: int, factor: float = 1.0, noise: float = 0.004) -> Pair:
    """Both sides of one row; head takes ``factor`` times as long."""
    drawn = random.Random(number)

    def side(times: float) -> Measurement:
        return sample.measurement(
            workload=WORKLOAD,
            process=number,
            seconds=[2 * times * drawn.gauss(1, noise) for _ in range(20)],
            limit_seconds=[],
        )

    return side(1.0), side(factor)


def pairs(count: int, factor: float = 1.0, noise: float = 0.004) -> list[list[Pair]]:
    return [[pair(number, factor, noise)] for number in range(count)]


def shown(found: dict[str, list[list[Pair]]]) -> dict[tuple[str, str], list[str]]:
    """The table's figures, by condition and by who decides."""
    columns = [list(column.cells) for column in experiment.table(found).columns]
    return {(row[0], row[1]): list(row[2:]) for row in zip(*columns, strict=True)}  # type: ignore[misc]  # all are text


def test_slowed_rows_are_counted_as_slower_and_identical_ones_are_not() -> None:
    found = {c.name: pairs(PAIRS, 1.15 if c.slowed else 1.0) for c in CONDITIONS}
    found[CONDITIONS[0].name] = pairs(BUDGET_PAIRS + PAIRS)
    figures = shown(found)
    ways = {f"{HALF} pairs": 2, f"{HALF} pairs, doubtful again": 2, f"{PAIRS} pairs": 1,
            f"{PAIRS} pairs, doubtful again": 1}  # fmt: skip
    for condition in CONDITIONS:
        for how, groups in ways.items():
            count, slower, faster, *_ = figures[condition.name, how]
            assert (count, faster) == (str(groups), "0 (0.0%)"), (condition.name, how)
            of_all = f"{groups} (100.0%)" if condition.slowed else "0 (0.0%)"
            assert slower == of_all, (condition.name, how)


def test_pytest_benchmark_decides_of_a_run_and_the_next_by_its_own_rule() -> None:
    of = [[pair(0, factor, noise=0)] for factor in (1.1, 1.0, 1.04, 1.06)]
    for rule in experiment.THEIRS:
        assert experiment.pytest_benchmark_verdicts(of, rule) == ["same", "same", "slower"], rule
    base, head = pair(0, noise=0)
    spiked = sample.measurement(seconds=[*head.seconds[:-1], 10 * head.seconds[-1]])
    of = [[(base, head)], [(base, spiked)]]
    assert experiment.pytest_benchmark_verdicts(of, "mean:5%") == ["slower"]
    assert experiment.pytest_benchmark_verdicts(of, "min:5%") == ["same"]


def test_what_is_in_doubt_is_judged_with_the_pairs_that_follow() -> None:
    sure = Noise(0.01, 0.02)
    same, slow = (
        experiment._comparisons(pairs(6, factor), lambda _: sure) for factor in (1.0, 1.1)
    )
    wide = experiment._comparisons(pairs(6, 1.0, noise=0.05), lambda _: sure)
    assert [c.verdict for c in (*same, *slow, *wide)] == ["same", "slower", "ambiguous"]
    assert experiment.verdicts_after_rerun([slow, slow]) == ["slower", "slower"]
    assert experiment.verdicts_after_rerun([slow, same]) == ["ambiguous", "same"], "not confirmed"
    assert experiment.verdicts_after_rerun([wide, same]) == ["same", "same"], (
        "all pairs together decide"
    )
    assert experiment.verdicts_after_rerun([same, slow]) == ["same", "ambiguous"], (
        "what is the same is not timed again"
    )


# What is kept.


def timed_by(counted: list[Path], stop_after: int = 1000) -> object:
    """Stand in for timing processes; raise Ctrl-C after a number of them."""

    def run(condition: Condition, backend: str, rows: Rows, number: int, folder: Path,
            *_: object) -> Sequence[Pair]:  # fmt: skip
        if len(counted) == stop_after:
            raise KeyboardInterrupt
        counted.append(folder)
        both = pair(number, 1.15 if condition.slowed else 1.0)
        for part, measured in zip(("base", "head"), both, strict=True):
            sample.write(folder / part / "runs", sample.header(backend=backend), [measured])
        return [both]

    return run


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(experiment, "MODES", ("forward",))
    return ["--workload", WORKLOAD, "--pairs", "40", "--out", str(tmp_path)]


def test_it_goes_on_where_it_was_stopped(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: list[Path] = []
    monkeypatch.setattr(experiment, "_run", timed_by(counted, stop_after=30))
    with pytest.raises(SystemExit):
        experiment.main(given)
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.setattr(experiment, "_run", timed_by(counted))
    assert experiment.main(given) == ExitCode.CLEAN
    assert len(counted) == len(set(counted)) == 40 + 3 * PAIRS, "no pair is timed twice"
    first = capsys.readouterr().out
    monkeypatch.setattr(experiment, "_run", timed_by(counted, stop_after=len(counted)))
    assert experiment.main(given) == ExitCode.CLEAN
    assert capsys.readouterr().out == first, "kept pairs say what they said when they were timed"


def test_half_a_pair_is_timed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rerun replaces the first half; no sample of the first half is left."""
    half = pair(0)[0]
    sample.write(tmp_path / "base" / "runs", sample.header(run_id="0ld"), [half])
    assert experiment.kept(tmp_path) is None

    def timed(*_: object) -> PairedMeasurements:
        both = pair(0)
        for part, measured in zip(("base", "head"), both, strict=True):
            sample.write(tmp_path / part / "runs", sample.header(), [measured])
        return PairedMeasurements([both[0]], [both[1]], (sample.header(), sample.header()))

    monkeypatch.setattr(experiment, "time_pairs", timed)
    rows = Rows([WORKLOAD], ["forward"])
    timed_now = experiment._run(CONDITIONS[0], "a", rows, 0, tmp_path, Console(quiet=True))
    assert experiment.kept(tmp_path) == timed_now


def test_pairs_of_other_workloads_are_refused(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(experiment, "_run", timed_by([]))
    experiment.main(given)
    other = [*given, "--workload", "tutorial/6x5x3-7"]
    with pytest.raises(SystemExit) as ended:
        experiment.main(other)
    assert ended.value.code == ExitCode.HARNESS_ERROR
    assert "expected the same workloads, or another --out" in capsys.readouterr().err


def test_no_answer_from_a_process_ends_it(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "_run", lambda *_: None)
    assert experiment.main(given) == ExitCode.NOT_ENOUGH_DATA


def test_hogs_are_gone_afterwards() -> None:
    with experiment.hogs(1):
        assert len(multiprocessing.active_children()) == 1
    assert not multiprocessing.active_children()

"""The mutants are what they say: small, distinct, and caught for the right reason.

That the default cases catch all of them is for ``nox -s mutants`` to show.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_runs as sample

from conformance.cases import default_cases
from conformance.cases.axes import CELLS
from conformance.draw import draw
from conformance.truth import truth
from evidence.mutants import KINDS, MUTANTS, Mutant, apply_mutant
from evidence.mutants.mutant import find_function, mutated_code
from evidence.mutants.parallel import describe_failure
from evidence.mutants.score import Scorer, differs, exceeds_tolerance, is_identical
from records.exit_codes import ExitCode
from records.reading import Run
from records.runs import read_folder, read_run
from records.schema import MutantRecord
from reports.exports import badges
from reports.matrix import build_matrix
from reports.mutation_score import scores
from reports.page import render
from reports.terminal import text
from rnnspec.mutants import mutants as main

CASES = default_cases()
SOME = {
    "lstm/gate order/gates i and f exchanged": "recurrent",
    "gru/biases/b_hh of the candidate dropped where h is 0": "reset after",
    "vanilla/lengths/a step too many": "lengths",
    "lstm/states/c0 ignored": "state",
    "vanilla/layouts/time for batch where B = T": "B = T",
    "gru/precision/products in TF32": "float32",
    "lstm/gradients/c's gradient not through f": "gradients",
    "networks/padded targets in the mean": "network",
    "training/momentum damped": "training",
}
"""One mutant of every group, with the kind of case that is meant to catch it."""
BY_ID = {mutant.id: mutant for mutant in MUTANTS}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths are cached under the working directory: here, one that starts empty."""
    monkeypatch.chdir(tmp_path)


# The table.


def test_there_are_enough_of_every_group_and_few_are_mere_permutations() -> None:
    groups = Counter(mutant.group for mutant in MUTANTS)
    assert len(MUTANTS) >= 150
    assert min(groups.values()) >= 5, groups
    permutations = [m.id for m in MUTANTS if "exchanged" in m.name and "gates" in m.name]
    permutations += [m.id for m in MUTANTS if "gates in the order" in m.name]
    assert len(permutations) <= 20, permutations


def test_ids_and_edits_are_distinct() -> None:
    assert len(BY_ID) == len(MUTANTS)
    edits = Counter((m.place, m.old, m.new, m.cell) for m in MUTANTS)
    twice = [edit for edit, n in edits.items() if n > 1]
    assert not twice, f"the same edit under two names: {twice}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_an_edit_changes_the_code_and_a_case_of_its_kind_runs_it(mutant: Mutant) -> None:
    function = find_function(mutant.place)
    assert mutated_code(mutant).co_code != function.__code__.co_code or (
        mutated_code(mutant).co_consts != function.__code__.co_consts
        or mutated_code(mutant).co_names != function.__code__.co_names
    ), "the edit changes nothing"
    meant = [case for case in CASES if mutant.concerns(case) and KINDS[mutant.kind](case)]
    assert meant, f"no default case is of the kind {mutant.kind}"


def test_an_edit_of_what_is_not_there_is_refused() -> None:
    wrong = replace(MUTANTS[0], old="no such text")
    with pytest.raises(ValueError, match="does not contain 'no such text'"):
        mutated_code(wrong)


def test_a_mistake_lasts_no_longer_than_it_is_made() -> None:
    mutant = BY_ID["lstm/gate order/gates i and f exchanged"]
    function = find_function(mutant.place)
    before, names = function.__code__, set(function.__globals__)
    with contextlib.suppress(KeyError), apply_mutant(mutant):
        assert function.__code__ is not before
        raise KeyError
    assert function.__code__ is before
    assert set(function.__globals__) == names


# The score.


@pytest.fixture(scope="module")
def few() -> list[Any]:
    """Cases enough to catch every mutant of ``SOME``, and quick."""
    chosen: dict[str, Any] = {}
    for name, kind in SOME.items():
        mutant = BY_ID[name]
        for case in CASES:
            if case.dtype == "float32" and mutant.concerns(case) and KINDS[kind](case):
                chosen.setdefault(f"{name} {len(chosen) % 3}", case)
    return list({case.id: case for case in chosen.values()}.values())


@pytest.mark.parametrize("name", SOME)
def test_a_mutant_is_caught_by_the_kind_of_case_that_is_meant_to(name: str, few: list[Any]) -> None:
    assert BY_ID[name].kind == SOME[name]
    mine = [case for case in few if BY_ID[name].concerns(case)]
    record = Scorer(mine).record(BY_ID[name])
    assert record.meant > 0, f"caught by {record.caught_by} alone"
    assert record.is_right
    assert set(record.caught_by) <= {case.id for case in mine}


def test_a_fixed_tolerance_lets_tf32_pass_where_the_radius_does_not(few: list[Any]) -> None:
    """At 1e-5 products in bfloat16 are caught, but not an error of 1e-6."""
    cases = [case for case in few if case.id.startswith("lstm")]
    coarse = Scorer(cases).record(BY_ID["lstm/precision/products in bfloat16"])
    fine = Scorer(cases).record(BY_ID["lstm/precision/tanh off by 1e-6 of itself"])
    assert coarse.caught_by
    assert fine.caught_by
    assert [*coarse.elsewhere.values()] == [True]
    assert [*fine.elsewhere.values()] == [False]


def test_the_specification_itself_is_caught_by_nothing(few: list[Any]) -> None:
    bench = Scorer(few)
    for case in few:
        t = truth(draw(case))
        right = bench.correct[case.id]
        assert is_identical(right, bench.answer(t)), "the same call twice gives the same bits"
        assert not differs(right, t, case.dtype)
        assert not exceeds_tolerance(right, t.values)


def test_what_fails_is_caught() -> None:
    (case, *_) = CASES
    t = truth(draw(case))
    assert differs(RuntimeError("killed"), t, case.dtype)
    assert exceeds_tolerance(RuntimeError("killed"), t.values)
    assert not is_identical(RuntimeError("killed"), RuntimeError("killed"))


RECORD = sample.mutant()

WRONG = {
    "survives all cases": sample.mutant(meant=0, caught_by=[]),
    "none of them of lengths": sample.mutant(meant=0),
    "said to be equivalent, yet caught by some/case": sample.mutant(equivalent="because"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_record_is_said_and_counted(what: str) -> None:
    assert not WRONG[what].is_right
    assert what in describe_failure(WRONG[what])
    *_, whole = scores([RECORD, WRONG[what]])
    assert whole.wrong == [WRONG[what]]


def test_the_score_counts_what_can_be_told_apart() -> None:
    records = [RECORD, sample.mutant(equivalent="because", caught_by=[], meant=0, elsewhere={"z": False}),
               sample.mutant(meant=0, caught_by=[], elsewhere={"z": False})]  # fmt: skip
    group, whole = scores(records)
    assert (group.name, whole.name) == ("x", "all")
    assert (whole.caught, len(whole.distinguishable)) == (1, 2)
    assert whole.elsewhere("z") == (1, 2)
    assert whole.elsewhere("nowhere") == (0, 0)


def test_the_badge_is_red_where_one_survives(tmp_path: Path) -> None:
    def badge(name: str, record: MutantRecord) -> dict[str, str]:
        return json.loads(badges.mutants(build_matrix([shown(tmp_path / name, [record])])) or "")

    right = badge("right", RECORD)
    assert (right["message"], right["color"]) == ("1 of 1", "brightgreen")
    assert badge("wrong", sample.mutant(meant=0))["color"] == "red"


def test_the_page_has_the_score_and_every_mutant(tmp_path: Path) -> None:
    hostile = sample.mutant(mutant="<script>alert(1)</script>", meant=0, caught_by=[])
    run = shown(tmp_path, [RECORD, hostile])
    page = render(build_matrix([run]))
    assert "1/2" in page
    assert "lstm/x/y" in page
    assert "<script>alert" not in page
    assert "1/2" in text(build_matrix([run]), to_terminal=False)


def shown(folder: Path, records: list[MutantRecord]) -> Run:
    """A finished run of mutants."""
    return read_run(sample.write(folder, sample.header(), records))


# ONNX's cases.


def test_onnx_s_cases_pass_on_the_specification_and_catch_some_mutants() -> None:
    pytest.importorskip("onnx", reason="onnx is in the group libraries")
    from evidence.mutants import onnx_node_cases as peers  # noqa: PLC0415

    cases = peers.node_cases()
    assert Counter(case.spec.cell for case in cases) == {"vanilla": 6, "gru": 6, "lstm": 5}
    assert not [case.name for case in cases if not case.passes()]
    assert peers.catches(cases, BY_ID["lstm/equations/c not forgotten"])
    assert not peers.catches(cases, BY_ID["lstm/gate order/gates i and f exchanged"])


# The command.


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cases without lengths, in this process."""
    few = [case for case in CASES if case.id.startswith("vanilla-tanh/1-layer/forward/full")][:3]
    assert few
    bench = Scorer(few)
    monkeypatch.setattr(
        "rnnspec.mutants.score_here",
        lambda mutants, _: (bench.record(mutant) for mutant in mutants),
    )


@pytest.mark.usefixtures("_quick")
def test_the_command_writes_a_run_and_says_what_survives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = main(["--match", "vanilla/lengths", "--out", str(tmp_path)])
    assert found == ExitCode.CONFORMANCE_FAILURE, "without lengths they survive"
    out = capsys.readouterr().out
    assert "✗ vanilla/lengths/" in out
    ((run,), bad) = read_folder(tmp_path / "runs")
    assert not bad
    assert run.footer is not None
    assert (
        run.footer.mutants
        == len(run.mutants)
        == len([m for m in MUTANTS if "vanilla/lengths" in m.id])
    )
    assert run.footer.deselected == len(MUTANTS) - len(run.mutants)
    assert not run.cases


@pytest.mark.parametrize(
    ("options", "complaint_"),
    [
        (["--match", "nonsense"], "expected part of a mutant's id"),
        (["--jobs", "0"], "of 1 or more"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], complaint_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(options)
    assert complaint_ in capsys.readouterr().err


def test_every_cell_of_the_cases_is_one_that_mutants_know() -> None:
    assert {options["cell"] for options in CELLS.values()} == {m.cell for m in MUTANTS} - {""}
    assert np.all([mutant.group for mutant in MUTANTS])

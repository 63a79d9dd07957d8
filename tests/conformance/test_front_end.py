"""``rnnspec check`` as people and CI run it: exit codes, run files, and what is printed.

Every test runs the command in a folder of its own, on the fakes of ``fakes.py``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import fakes
import msgspec
import pytest

from conformance.cases import by_id, default_cases, full_cases
from conformance.check import check
from conformance.open_backend import OpenBackend
from records.exit_codes import ExitCode
from records.reading import Run
from records.runs import read_folder
from records.schema import CaseRecord, decode

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
FAKES = Path(__file__).parents[1] / "support" / "fakes.py"
LSTM = "lstm-forget/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t7-i4-h4/float32"
OUT_OF_DEFAULT = next(c.id for c in full_cases() if c.id not in {d.id for d in default_cases()})
OTHER = LSTM.replace("/float32", "/float64")
VANILLA = "vanilla-tanh/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t7-i4-h4/float32"


def fake(name: str) -> str:
    return f"{FAKES}:{name}"


class Done(NamedTuple):
    """A finished command: its exit code, its output and its run files."""

    code: int
    printed: str
    runs: list[Run]

    @property
    def run(self) -> Run:
        assert len(self.runs) == 1, f"{len(self.runs)} run files, expected one:\n{self.printed}"
        return self.runs[0]

    @property
    def records(self) -> dict[str, CaseRecord]:
        records = {record.case: record for record in self.run.cases}
        assert len(records) == len(self.run.records), "a case has more than one record"
        return records


def environment(*folders: Path) -> dict[str, str]:
    """Ours, with ``folders`` before the project on the path, and no options of our own pytest."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return inherited | {"PYTHONPATH": os.pathsep.join(map(str, (*folders, ROOT)))}


def command(folder: Path, *arguments: str) -> list[str]:
    """The command line, with run files, known differences and caches all in ``folder``."""
    known = folder / "known.toml"
    known.touch()
    here = arguments.index("--") if "--" in arguments else len(arguments)
    ours = ["--out", str(folder), *arguments[:here]]
    ours += [] if "--known" in arguments else ["--known", str(known)]
    of_pytest = ["-o", f"cache_dir={folder / 'cache'}", *arguments[here + 1 :]]
    return [sys.executable, "-m", "rnnspec", "check", *ours, "--", *of_pytest]


def conformance(folder: Path, *arguments: str, path: tuple[Path, ...] = ()) -> Done:
    done = subprocess.run(
        command(folder, *arguments), cwd=folder, env=environment(*path), capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip
    runs, bad = read_folder(folder / "runs")
    assert not bad, f"run files that cannot be read: {bad}"
    return Done(done.returncode, done.stdout + done.stderr, runs)


# Ways to start it.


def test_it_is_a_pytest_suite_as_well(tmp_path: Path) -> None:
    """``python -m pytest conformance``, where there is pytest and nothing else to start it."""
    arguments = command(tmp_path, "--backend", fake("Right"), "--case", "large-state/lstm/float32")
    arguments[2:4] = ["pytest", str(ROOT / "conformance")]
    arguments.remove("--")
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(), capture_output=True, text=True,
                          check=False, timeout=600)  # fmt: skip
    assert done.returncode == ExitCode.CLEAN, done.stdout + done.stderr
    (run,), _ = read_folder(tmp_path / "runs")
    assert run.header.command.startswith("python -m pytest ")


# Exit codes.


def test_agreement_everywhere_is_clean_and_every_case_is_in_the_run_file(tmp_path: Path) -> None:
    pattern = "gru-after/*/bias/*"
    selected = {c.id for c in default_cases() if c.id.startswith("gru-after/")
                and "/bias/" in c.id and c.dtype == "float64"}  # fmt: skip
    done = conformance(
        tmp_path, "--backend", fake("Right"), "--case", pattern, "--dtype", "float64"
    )
    assert done.code == ExitCode.CLEAN, done.printed
    assert len(selected) > 5
    assert done.records.keys() == selected
    assert {r.outcome for r in done.records.values()} == {"agrees"}
    run = done.run
    assert run.complete
    assert run.path.name.endswith(".jsonl.gz")
    assert run.footer is not None
    assert run.footer.counts == {"agrees": len(selected)}
    assert run.footer.selected == len(selected)
    assert run.footer.deselected == len(default_cases()) - len(selected)
    assert (run.footer.exit_code, run.footer.stale_known) == (0, [])
    assert (run.header.backend, run.header.device) == (fake("Right"), "cpu")
    assert run.header.backend_version.startswith("numpy ")
    assert run.header.command.startswith("rnnspec check --out ")
    assert run.header.settings == {"precision": "highest"}
    assert run.header.framework_defaults == {"precision": "whatever"}
    assert str(run.path.name) in done.printed, "it says where the run file is"
    assert "bringing up nodes" not in done.printed, "the state of the workers says nothing"


OUTCOMES: dict[str, tuple[str, str, str, ExitCode]] = {
    "agrees": ("Right", LSTM, "agrees", ExitCode.CLEAN),
    "differs": ("ForgetBiasIgnored", LSTM, "differs", ExitCode.CONFORMANCE_FAILURE),
    "errored": ("Raises", LSTM, "errored", ExitCode.CONFORMANCE_FAILURE),
    "unsupported": ("Refuses", LSTM, "unsupported", ExitCode.NOT_ENOUGH_DATA),
    "inconclusive": ("Float16SumsDeclared", "deep-sum/vanilla-tanh/float16", "inconclusive",
                     ExitCode.NOT_ENOUGH_DATA),
}  # fmt: skip


@pytest.mark.parametrize("what", OUTCOMES)
def test_the_exit_code_says(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, case, outcome, code = OUTCOMES[what]
    done = conformance(tmp_path, "--backend", fake(name), "--case", case)
    assert done.code == code, done.printed
    record = done.records[case]
    assert record.outcome == outcome, record.reason
    assert done.run.footer is not None
    assert done.run.footer.exit_code == code
    if record.card:
        assert record.card.splitlines()[0] in done.printed, "the card is printed"
    if outcome != "errored":  # whose card is of another process
        monkeypatch.chdir(tmp_path)  # where the truth is cached
        alone = check(by_id(case), OpenBackend(fake(name), "cpu", getattr(fakes, name)("cpu")))
        assert timeless({case: record}) == timeless({case: alone}), "nothing is lost on the way"


def test_the_summary_prints_few_cards_and_counts_the_rest(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", "lstm-forget/*",
                       "--dtype", "float32")  # fmt: skip
    assert done.printed.count("looks most like  the forget bias is missing") == 1, done.printed
    others = sum(record.outcome == "differs" for record in done.records.values()) - 1
    assert done.run.footer is not None
    selected, left_out = done.run.footer.selected, done.run.footer.deselected
    assert selected == len(done.records)
    assert left_out > selected
    of = f"{selected:,} of {selected + left_out:,} cases selected; options such as --case, --dtype and -k left out"
    assert of in "\n".join(done.printed.splitlines()[-3:]), done.printed
    assert f"  {others} more cases like this\n`rnnspec report` writes" in done.printed, done.printed


EVERY_KIND = {
    "gradients/" + VANILLA: {"y", "h_n", "dx", "dh0", *(f"dparams[0][0].{name}" for name in
                             ("W_ih", "W_hh", "b_ih", "b_hh"))},
    "tutorial/004-vector-to-sequence/none-words/float32": {"y", "loss", "dx"},
    "training/forecasting/sgd/float32": {"loss", "params[2].W", "params[2].b"},
}  # fmt: skip
"""A case of every kind beside outputs alone, and some tensors that are compared in it."""


def test_gradients_networks_and_training_run_as_outputs_do(tmp_path: Path) -> None:
    """One session with workers runs them all and compares every tensor."""
    cases = [option for case in EVERY_KIND for option in ("--case", case)]
    done = conformance(tmp_path, "--backend", fake("Right"), *cases, "--jobs", "2")
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.records.keys() == EVERY_KIND.keys()
    for case, tensors in EVERY_KIND.items():
        record = done.records[case]
        assert record.outcome == "agrees", record.reason
        assert tensors <= record.tensors.keys()


@pytest.mark.parametrize(
    ("name", "case", "reason"),
    [
        ("MeanForSum", "gradients/" + VANILLA, "dx: "),
        ("TeacherOneStepOff", "tutorial/004-vector-to-sequence/teacher-words/float32", "y: "),
        ("ClipsNothing", "training/forecasting/sgd/float32", "loss: "),
    ],
)
def test_a_fault_in_any_kind_fails_and_repeats(
    name: str, case: str, reason: str, tmp_path: Path
) -> None:
    fakes_of = f"{FAKES.with_name('wrong_gradients.py')}:{name}"
    done = conformance(tmp_path, "--backend", fakes_of, "--case", case, path=(FAKES.parent,))
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    record = done.records[case]
    assert record.outcome == "differs"
    assert record.reason.startswith(reason), record.reason
    assert record.card.splitlines()[0] in done.printed, "the card is printed"
    assert shlex.split(record.repeat)[-2:] == ["--case", case]


def test_one_failure_among_backends_fails(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--backend", fake("Raises"),
                       "--case", LSTM)  # fmt: skip
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    codes = {run.header.backend: run.footer.exit_code for run in done.runs if run.footer}
    assert codes == {fake("Right"): 0, fake("Raises"): 1}, "each run file has its own answer"


def test_nothing_selected_is_not_enough(tmp_path: Path) -> None:
    done = conformance(
        tmp_path, "--backend", fake("Right"), "--case", LSTM, "--", "-k", "no_such_test"
    )
    assert done.code == ExitCode.NOT_ENOUGH_DATA, done.printed
    assert not done.run.records


REFUSED: dict[str, tuple[list[str], str]] = {
    "no backend": ([], "--backend: none given; expected one of .*pytorch"),
    "an unknown backend": (["--backend", "pytroch"], "--backend: 'pytroch' given; did you mean pytorch. expected one of .*pytorch"),
    "a missing file": (["--backend", "gone.py:Right"], "gone.py cannot be imported"),
    "a missing module": (["--backend", "gone.away:Right"], "gone.away cannot be imported"),
    "a missing class": (["--backend", fake("Wright")], r"has no 'Wright'; did you mean Right\? expected one of its "
                        r"subclasses of backends\.Backend: Right, SlightlyWrong, "),
    "a class in other letters": (["--backend", fake("wrongSHAPE")], r"did you mean WrongShape\?"),
    "a class of a backend's module": (["--backend", "conformance.specification:Spec"],
                                      r"has no 'Spec'; did you mean Specification\? expected one of "),
    "a class of a module without backends": (["--backend", "reference.spec:Mine"],
                                             r"expected a subclass of .*, and it defines none"),
    "a mistyped file": (["--backend", str(FAKES.with_name("fake.py")) + ":Right"],
                        r"fake\.py cannot be imported: .* did you mean \S*fakes\.py\? .* has "),
    "a mistyped folder": (["--backend", "gone/mine.py:Right"], "there is no folder gone"),
    "a mistyped module": (["--backend", "conformance.specifications:Specification"],
                          r"did you mean conformance\.specification\? conformance has "),
    "what is no backend": (["--backend", fake("Kernel")], "has Kernel = .*; expected one of its subclasses of backends.Back"),
    "a missing device": (["--backend", fake("Right"), "--device", "cuda:7"],
                         r"device 'cuda:7': NumPy found \['cpu'\]"),
    "a bad case": (["--backend", fake("Right"), "--case", LSTM + "x"],
                   "dtype 'float32x' given, expected"),
    "a pattern of nothing": (["--backend", fake("Right"), "--case", "lstmm/*"],
                             r"no case matches; did you mean 'lstm/\*'\? list the cases with: rnnspec check "),
    "a pattern unlike any": (["--backend", fake("Right"), "--case", "zzz*"],
                             "no case matches; list the cases with: rnnspec check "),
    "a part of an id": (["--backend", fake("Right"), "--case", "lstmm"],
                        "expected a named case or .* did you mean 'lstm'. list the cases with: rnnspec check "),
    "no case left": (["--backend", fake("Right"), "--case", LSTM, "--dtype", "float16"],
                     "--dtype float16: no selected case has this dtype"),
    "a bad dtype": (["--backend", fake("Right"), "--dtype", "float8"], "float8"),
    "an unknown option": (["--backend", fake("Right"), "--colour-blind"], "--colour-blind"),
    "a missing known file": (["--backend", fake("Right"), "--known", "gone.toml"], "gone.toml"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_option_is_refused_before_any_work(what: str, tmp_path: Path) -> None:
    arguments, complaint = REFUSED[what]
    done = conformance(tmp_path, *arguments)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert not done.runs, "a run file was begun"
    assert "Traceback" not in done.printed, done.printed

    assert re.search(complaint, done.printed.replace("\n", " ")), done.printed


@pytest.mark.parametrize("options", [(), ("--full",)])
def test_the_command_that_an_error_names_lists_the_cases(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", "zzz*", *options)
    (named,) = re.findall("list the cases with: (rnnspec .*)", done.printed)
    program, *words = shlex.split(named)
    assert program == "rnnspec"
    listed = subprocess.run([sys.executable, "-m", "rnnspec", *words], cwd=tmp_path, text=True,
                            env=environment(), capture_output=True, check=False)  # fmt: skip
    assert listed.returncode == ExitCode.CLEAN, listed.stderr
    assert f"[{default_cases()[0].id}@" in listed.stdout
    full = OUT_OF_DEFAULT in listed.stdout
    assert full == bool(options), "the same cases as those that the pattern is matched with"


def test_a_missing_framework_says_which_extra_to_install(tmp_path: Path) -> None:
    absent = "raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')\n"
    (tmp_path / "jax.py").write_text(absent, "utf-8")
    done = conformance(tmp_path, "--backend", "jax_scan", path=(tmp_path,))
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert "backend 'jax_scan': No module named 'jax'" in done.printed
    assert "pip install -e '.[jax]'" in done.printed
    assert not done.runs


@pytest.mark.parametrize("option", [("--help",), ("--", "--version"), ("--", "--collect-only")])
def test_asking_runs_nothing_and_is_clean(option: tuple[str, ...], tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM, *option)
    assert done.code == ExitCode.CLEAN, done.printed
    assert not done.runs


# Known differences.


def known(folder: Path, *entries: dict[str, str], evidence: bool = True) -> None:
    """known.toml in ``folder`` with these entries, and the evidence that they name."""
    if evidence:
        (folder / "evidence.py").touch()
    text = "".join(
        "[[known]]\n" + "".join(f"{k} = {msgspec.json.encode(v).decode()}\n" for k, v in e.items())
        for e in entries
    )
    (folder / "known.toml").write_text(text, "utf-8")


def entry(name: str, cases: str, **changes: str) -> dict[str, str]:
    return {"backend": fake(name), "cases": cases, "reason": "it ignores the forget bias",
            "evidence": "evidence.py"} | changes  # fmt: skip


def test_a_known_difference_does_not_fail_and_is_shown(tmp_path: Path) -> None:
    known(tmp_path, entry("ForgetBiasIgnored", "lstm-forget/*"))
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", LSTM)
    assert done.code == ExitCode.CLEAN, done.printed
    record = done.records[LSTM]
    assert (record.outcome, record.known) == ("differs", "it ignores the forget bias")
    assert "1 xfailed" in done.printed, "expected to fail, and not passed over"
    assert "known difference" in done.printed


def test_what_the_entry_does_not_cover_still_fails(tmp_path: Path) -> None:
    known(tmp_path, entry("ForgetBiasIgnored", LSTM), entry("Right", OTHER))
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", LSTM,
                       "--case", OTHER)  # fmt: skip
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert {case: r.known is not None for case, r in done.records.items()} == {
        LSTM: True, OTHER: False,
    }  # fmt: skip


def test_an_entry_covers_only_what_differs_as_it_says(tmp_path: Path) -> None:
    known(tmp_path, entry("ForgetBiasIgnored", LSTM, shows="*not finite*"))
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", LSTM)
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert done.records[LSTM].known is None
    assert done.run.footer is not None
    assert len(done.run.footer.stale_known) == 1, "and what it says is not seen"
    known(tmp_path, entry("ForgetBiasIgnored", LSTM, shows="*beyond the bound*"))
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", LSTM)
    assert done.code == ExitCode.CLEAN, done.printed


def test_an_entry_that_nothing_matches_fails(tmp_path: Path) -> None:
    known(tmp_path, entry("Right", LSTM))
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM)
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert done.run.footer is not None
    (stale,) = done.run.footer.stale_known
    assert LSTM in stale
    assert "no difference matches" in done.printed


def test_an_entry_that_shows_in_some_places_only_is_never_stale(tmp_path: Path) -> None:
    """The entry still covers its cases."""
    known(tmp_path, entry("ForgetBiasIgnored", "lstm*", only="machines of another kind"))
    options = ("--backend", fake("ForgetBiasIgnored"), "--case")
    done = conformance(tmp_path, *options, LSTM.replace("lstm-forget", "lstm"), "--case", VANILLA)
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.footer is not None
    assert done.run.footer.stale_known == []
    done = conformance(tmp_path, *options, LSTM)
    assert done.code == ExitCode.CLEAN, done.printed
    assert "1 xfailed" in done.printed


def test_an_entry_for_cases_that_were_not_selected_is_not_stale(tmp_path: Path) -> None:
    """One failing case is to be repeated beside a known.toml that knows of others."""
    known(tmp_path, entry("Right", OTHER))
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM)
    assert done.code == ExitCode.CLEAN, done.printed


def test_known_differences_are_no_exceptions(tmp_path: Path) -> None:
    """An entry covers a difference; an exception stays one."""
    known(tmp_path, entry("Raises", LSTM))
    done = conformance(tmp_path, "--backend", fake("Raises"), "--case", LSTM)
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert done.records[LSTM].known is None


BAD_KNOWN: dict[str, tuple[list[dict[str, str]], str]] = {
    "an unknown field": ([entry("Right", LSTM, since="2026")], "since"),
    "an empty reason": ([entry("Right", LSTM, reason=" ")], "reason is empty"),
    "no evidence": (
        [entry("Right", LSTM, evidence="gone.py")],
        "'gone.py' given, expected an https",
    ),
    "a field missing": ([{"backend": "pytorch"}], "cases"),
    "a backend that is none": (
        [entry("Right", LSTM, backend="pytroch")],
        "'pytroch' given, expected one of",
    ),
}


@pytest.mark.parametrize("what", BAD_KNOWN)
def test_a_bad_known_file_is_refused(what: str, tmp_path: Path) -> None:
    entries, complaint = BAD_KNOWN[what]
    known(tmp_path, *entries)
    done = conformance(tmp_path, "--backend", fake("Right"), "--case", LSTM)
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    assert complaint in done.printed
    assert "known.toml" in done.printed, "it says which file"
    assert not done.runs


def test_nothing_collected_is_not_enough_data(tmp_path: Path) -> None:
    done = conformance(
        tmp_path, "--backend", fake("Right"), "--", "--collect-only", "-k", "nothing"
    )
    assert done.code == ExitCode.NOT_ENOUGH_DATA, done.printed


def test_a_backend_s_path_may_hold_any_character(tmp_path: Path) -> None:
    place = tmp_path / "josé [1]@home.py"
    place.write_text("from fakes import Right as Mine\n", "utf-8")
    done = conformance(tmp_path, "--backend", f"{place}:Mine", "--case", LSTM, path=(FAKES.parent,))
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.records.keys() == {LSTM}
    assert done.run.header.backend == f"{place}:Mine"


# Runs.


def timeless(records: dict[str, CaseRecord]) -> dict[str, CaseRecord]:
    return {case: msgspec.structs.replace(r, seconds={}) for case, r in records.items()}


def test_a_failing_record_repeats_by_its_command(tmp_path: Path) -> None:
    first = conformance(tmp_path / _made(tmp_path, "first"), "--backend",
                        fake("ForgetBiasIgnored"), "--case", "lstm-forget/1-layer/forward/*",
                        "--dtype", "float32")  # fmt: skip
    differing = [r for r in first.records.values() if r.outcome == "differs"]
    failed = max(differing, key=lambda r: r.margin or 0)  # the one whose card stands for the others
    assert failed.repeat in first.printed, "the command is printed"
    program, subcommand, *rest = shlex.split(failed.repeat)
    assert (program, subcommand) == ("rnnspec", "check")
    again = conformance(tmp_path / _made(tmp_path, "again"), *rest)
    assert again.code == ExitCode.CONFORMANCE_FAILURE, again.printed
    assert timeless(again.records) == timeless({failed.case: failed})


def _made(folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return name


def test_two_runs_are_the_same_but_for_times(tmp_path: Path) -> None:
    """The second run has two workers and cached truths."""
    options = ("--backend", fake("OneElementOff"), "--case", "lstm/1-layer/forward/*")
    one = conformance(tmp_path / _made(tmp_path, "one"), *options)
    other = conformance(tmp_path / _made(tmp_path, "other"), *options, "--jobs", "2")
    assert one.code == other.code
    assert len(one.records) > 5
    assert timeless(one.records) == timeless(other.records)
    assert one.run.footer is not None
    assert other.run.footer is not None
    assert one.run.footer.counts == other.run.footer.counts
    assert one.run.header.run_id != other.run.header.run_id


def test_a_crash_costs_its_own_case_and_no_other(tmp_path: Path) -> None:
    selected = {c.id for c in default_cases()
                if c.dtype == "float64" and ("/2-layer/" in c.id or "/3-layer/" in c.id)}  # fmt: skip
    crashes = {case for case in selected if "/2-layer/" in case}
    assert len(crashes) > 8, "more than pytest-xdist would restart two workers by itself"
    assert selected > crashes
    done = conformance(tmp_path, "--backend", fake("Crashes"), "--dtype", "float64", "--jobs", "2",
                       "--case", "*/2-layer/*", "--case", "*/3-layer/*")  # fmt: skip
    assert done.code == ExitCode.CONFORMANCE_FAILURE, done.printed
    assert done.records.keys() == selected, "one record for each case"
    outcomes = {case: record.outcome for case, record in done.records.items()}
    wrong = {case: o for case, o in outcomes.items()
             if o != ("errored" if case in crashes else "agrees")}  # fmt: skip
    assert not wrong, f"crashes errored, all others agree, but {wrong}"
    for case in crashes:
        assert "crash" in done.records[case].reason, done.records[case].reason
    assert done.run.complete


def test_ctrl_c_leaves_a_readable_interrupted_run(tmp_path: Path) -> None:
    done = conformance(
        tmp_path, "--backend", fake("Interrupted"), "--dtype", "float32", "--jobs", "0"
    )
    assert done.code == ExitCode.HARNESS_ERROR, done.printed
    run = done.run
    assert run.path.suffix == ".jsonl", "an interrupted run is not compressed"
    assert not run.complete
    assert run.why_incomplete, "it says why it is not complete"
    assert [record.outcome for record in run.cases] == ["agrees"] * 3, "all that was finished"


# Naming backends, and pytest's own options.


def test_a_backend_may_be_a_class_of_any_module(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", "fakes:Right", "--case", LSTM, path=(FAKES.parent,))
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.run.header.backend == "fakes:Right"


def test_a_backend_may_stand_in_a_relative_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from fakes import Right\nclass Mine(Right): pass\n", "utf-8")
    done = conformance(tmp_path, "--backend", "mine.py:Mine", "--case", LSTM, "--jobs", "1",
                       path=(FAKES.parent,))  # fmt: skip
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.records.keys() == {LSTM}


def test_a_backend_given_twice_runs_once(tmp_path: Path) -> None:
    done = conformance(tmp_path, *["--backend", fake("Right")] * 2, "--case", LSTM)
    assert done.code == ExitCode.CLEAN, done.printed
    assert done.records.keys() == {LSTM}


def test_a_case_matched_twice_runs_once(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("Right"), "--dtype", "float32",
                       "--case", LSTM, "--case", LSTM, "--case", "lstm-forget/1-layer/forward/*",
                       "--case", "lstm-forget/1-layer/*")  # fmt: skip
    assert done.code == ExitCode.CLEAN, done.printed
    assert LSTM in done.records
    assert len(done.records) > 1


def test_junit_xml_holds_the_records(tmp_path: Path) -> None:
    done = conformance(tmp_path, "--backend", fake("ForgetBiasIgnored"), "--case", LSTM,
                       "--case", VANILLA, "--", "--junitxml", "junit.xml")  # fmt: skip
    tree = ET.parse(tmp_path / "junit.xml")
    found: dict[str, Any] = {}
    for test in tree.iter("testcase"):
        (value,) = [p.get("value", "") for p in test.iter("property") if p.get("name") == "record"]
        record = decode(value.encode())
        assert isinstance(record, CaseRecord)
        found[record.case] = record
        failed = test.find("failure") is not None
        assert failed == (record.outcome == "differs"), f"{record.case}: failure is {failed}"
    assert found == done.records


def test_last_failed_runs_what_failed(tmp_path: Path) -> None:
    options = ("--backend", fake("ForgetBiasIgnored"), "--case", LSTM, "--case", VANILLA)
    first = conformance(tmp_path, *options)
    assert {r.outcome for r in first.records.values()} == {"agrees", "differs"}
    both = conformance(tmp_path, *options, "--", "--lf")
    assert both.code == ExitCode.CONFORMANCE_FAILURE, both.printed
    again = max(both.runs, key=lambda run: run.header.run_id != first.run.header.run_id)
    assert [record.case for record in again.cases] == [LSTM]
    assert again.footer is not None
    assert again.footer.selected == 1
    assert again.footer.deselected == len(default_cases()) - 1

"""The documentation does what it says: its code runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from backends import BACKENDS, find
from benchmarks.timing.workloads import WORKLOADS, Workload, names_in_set
from conformance.cases import Case, by_id, default_cases
from conformance.check import check
from conformance.open_backend import OpenBackend
from evidence.reproducer.scripts import NoScript, script_of
from records.runs import read_folder
from reports.exports import FILES
from reports.page.glossary import GLOSSARY
from rnnspec.cli import SUBCOMMANDS, subcommand
from tests.rnnspec.test_command_line import parse_example

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TOOLS = {
    "benchmarks.studies.false_alarms",
    "benchmarks.studies.report_scale",
    "benchmarks.studies.adapter_overhead",
    "evidence.calibration",
    "evidence.fuzz.campaign",
}
"""Commands of developers that the documentation names."""


def commands(page: Path) -> list[str]:
    """Every command line of ``rnnspec`` or of a tool in ``page``."""
    found = re.findall(r"(?:rnnspec|python -m) ([a-z][\w.]*[^`\n|#]*)", page.read_text("utf-8"))
    return [c for c in found if c.split()[0] in SUBCOMMANDS.keys() | TOOLS]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(
        r"""(?:\]\(|src(?:set)?=")(?!https?://)([^)#"]+)[)"]""", page.read_text("utf-8")
    )
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert not missing, f"{page.name} links to {missing}, which do not exist"


def test_the_python_session_of_the_specification_page_is_true() -> None:
    result = doctest.testfile(str(ROOT / "docs" / "specification.md"), module_relative=False)
    assert result.attempted > 0, "docs/specification.md has no Python session any more"
    assert result.failed == 0, "docs/specification.md shows a Python session with other output"


def test_the_python_session_of_the_page_of_backends_is_true() -> None:
    result = doctest.testfile(str(ROOT / "docs" / "adding-a-backend.md"), module_relative=False)
    assert result.attempted > 0, "docs/adding-a-backend.md has no Python session any more"
    assert result.failed == 0, "docs/adding-a-backend.md shows a Python session with other output"


@pytest.mark.parametrize("lengths", ["full", "ragged", "zero"])
def test_the_arrays_of_any_bare_case_are_had_with_the_lines_of_the_page_of_scripts(
    lengths: str,
) -> None:
    page = (ROOT / "docs" / "reproducer.md").read_text("utf-8")
    lines = [example.source for example in doctest.DocTestParser().get_examples(page)]
    (given,) = (line for line in lines if line.startswith("case = "))
    others = [c.id for c in default_cases() if isinstance(c, Case) and f"/{lengths}/" in c.id]
    assert others
    for case_id in others[:3]:
        names: dict[str, Any] = {}
        for line in lines:
            exec(f"case = {case_id!r}" if line == given else line, names)
        assert names["inputs"].x.ndim == 3


def test_the_arrays_of_a_case_are_had_as_the_page_of_scripts_says() -> None:
    result = doctest.testfile(str(ROOT / "docs" / "reproducer.md"), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_cases_that_have_a_script_are_those_of_the_table(tmp_path: Path) -> None:
    """Run on a wrong implementation under the name of a backend of the list, and under one of its own."""
    case = by_id("lstm/1-layer/forward/zero/pad-nan/no-state/bias/batch-major/b5-t5-i4-h6/float32")
    wrong, raises = (
        find(f"{ROOT / 'tests/support/fakes.py'}:{name}")("cpu")
        for name in ("OneElementOff", "Raises")
    )
    for name, of_the_list in (("jax_scan", True), ("mine.py:Mine", False)):
        differs = check(case, OpenBackend(name, "cpu", wrong))
        errored = check(case, OpenBackend(name, "cpu", raises))
        assert (differs.outcome, errored.outcome) == ("differs", "errored")
        assert ("rnnspec reproduce" in differs.card) is of_the_list
        assert "rnnspec reproduce" not in errored.card
        if of_the_list:
            assert script_of(case.id, name, "cpu")
        else:
            with pytest.raises(
                NoScript, match=f"repeat a case .* rnnspec check --backend {name} --case {case.id}"
            ):
                script_of(case.id, name, "cpu")


def test_the_glossary_page_has_the_words_of_the_report() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    rows = [
        f"| {word} | {meaning} |"
        for word, meaning in sorted(GLOSSARY, key=lambda row: row[0].lower())
    ]
    shown = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert [row.replace("|error|", "\\|error\\|") for row in rows] == shown, (
        "docs/glossary.md: expected\n" + "\n".join(rows)
    )


def test_the_readme_runs_the_command_of_its_example() -> None:
    """The picture shows the first card that this command prints."""
    command = next(
        line
        for line in (ROOT / "docs/examples/lost_forget_bias.py").read_text("utf-8").splitlines()
        if line.startswith("rnnspec check ")
    )
    assert f"    {command}\n" in (ROOT / "README.md").read_text("utf-8")


def test_the_readme_is_short() -> None:
    words = (ROOT / "README.md").read_text("utf-8").split()
    assert len(words) <= 800, f"README.md has {len(words)} words, expected at most 800"


def test_the_readme_installs_a_framework_before_it_uses_it() -> None:
    installed: set[str] = set()
    named = 0
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        for extras in re.findall(r"pip install -e '\.\[([\w,]+)\]'", line):
            installed |= set(extras.split(","))
        for name in (
            re.findall(r"--backend (\w+)(?= |$)", line) if line.startswith("    rnnspec") else ()
        ):
            named += 1
            assert BACKENDS[name].extra in installed, f"{line.strip()}: {name} is not installed yet"
    assert named, "README.md no longer names a backend"


@pytest.mark.parametrize("name", [*SUBCOMMANDS, *sorted(TOOLS)])
def test_options_in_the_documentation_exist(name: str) -> None:
    if name in SUBCOMMANDS:
        command = subcommand(name)
    else:
        path = f"{name}.__main__" if (ROOT / Path(*name.split("."))).is_dir() else name
        command = import_module(path).main
    known = {option for parameter in command.params for option in parameter.opts}
    for page in PAGES:
        for line in commands(page):
            if line.split()[0] == name:
                ours = line.partition(" -- ")[0]
                for option in re.findall(r"(?<= )--?\w[\w-]*", ours):
                    assert option in known, f"{page.name}: `{line}`: {name} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_documentation_have_values_that_exist(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Except where a word in capitals stands for the reader's own."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ *(?:\$ )?(rnnspec [a-z]+ .*)$", text, re.MULTILINE):
        if not re.search(r" [A-Z]{4,}\b|…", line):
            parse_example(line)


def test_ci_runs_the_sessions_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    sessions = set(re.findall(r"nox -s (\w+)", readme))
    assert {"conformance", "bench"} <= sessions, "README.md no longer shows the front doors"
    for session in sessions:
        assert re.search(rf'(nox|\$nox) -s "?{session}\b', script), (
            f".ci/run does not run nox -s {session}"
        )


OWN_BACKEND = (ROOT / "docs" / "adding-a-backend.md").read_text("utf-8")
FLOATS = ("float64", "float32")


def write_documented(folder: Path) -> Path:
    """Write the Python code of the page to a file, as it tells the reader to do."""
    path = folder / "mine.py"
    path.write_text(
        "\n\n".join(re.findall(r"```python\n(.*?)```", OWN_BACKEND, re.DOTALL)), "utf-8"
    )
    return path


def documented_command(name: str) -> list[str]:
    """Return the arguments of the page's command for one of its classes."""
    (line,) = re.findall(
        rf"^    rnnspec (check --backend mine\.py:{name}.*)$", OWN_BACKEND, re.MULTILINE
    )
    return shlex.split(line)


@pytest.mark.processes
def test_the_backend_in_the_documentation_works(tmp_path: Path) -> None:
    write_documented(tmp_path)
    assert documented_command("Mine") == ["check", "--backend", "mine.py:Mine"], (
        "no further options"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", *documented_command("Mine"), "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"the example does not conform:\n{done.stdout}{done.stderr}"
    (run,), bad = read_folder(tmp_path / "out" / "runs")
    assert not bad
    wanted = {c.id: "agrees" if c.dtype in FLOATS else "unsupported" for c in default_cases()}
    assert {record.case: record.outcome for record in run.cases} == wanted
    reasons = {record.reason for record in run.cases if record.outcome == "unsupported"}
    assert reasons == {
        f"dtype: on cpu it runs float64, float32, not {d}" for d in ("float16", "bfloat16")
    }


@pytest.mark.processes
def test_the_kernel_in_the_documentation_refuses_as_the_page_says(tmp_path: Path) -> None:
    write_documented(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", *documented_command("Kernel"), "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (run,), _ = read_folder(tmp_path / "out" / "runs")
    reasons = {
        record.reason.partition(",")[0] for record in run.cases if record.outcome == "unsupported"
    }
    assert {record.outcome for record in run.cases} == {"agrees", "unsupported"}
    assert {
        "dtype: on cpu it runs float32",
        "direction: it runs forward",
        "hidden_size: at most 6 units",
    } <= reasons


def test_an_adapter_that_claims_a_type_and_raises_is_errored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_documented(tmp_path)
    code = path.read_text("utf-8").replace(
        'SPECIFICATION.only(dtypes=["float64", "float32"])', "SPECIFICATION"
    )
    path.write_text(code, "utf-8")
    monkeypatch.chdir(tmp_path)
    backend = OpenBackend("mine.py:Mine", "cpu", find("mine.py:Mine")("cpu"))
    record = check(next(c for c in default_cases() if c.dtype == "bfloat16"), backend)
    assert record.outcome == "errored"
    assert "bfloat16" in record.reason


def test_the_excerpt_is_of_the_script_that_its_command_writes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reproducer.md").read_text("utf-8")
    (command,) = re.findall(r"rnnspec reproduce (--backend \S+ --case \S+)\n", page)
    (excerpt,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = subprocess.run([sys.executable, "-m", "rnnspec", "reproduce", *command.split()],
                          cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert excerpt in done.stdout


def workload_row(w: Workload) -> str:
    """Return a workload's line of the table in docs/benchmarking.md."""
    s = w.spec
    network = " ".join([s.cell, *([s.activation] if s.cell == "vanilla" else []),
                        *([s.direction] if s.direction != "forward" else [])])  # fmt: skip
    sizes = (w.batch, w.steps, s.input_size, s.hidden_size, s.num_layers)
    return (
        f"| `{w.name}` | {network} | {' | '.join(f'{n:,}' for n in sizes)} | {', '.join(w.sets)} |"
    )


def test_the_table_of_workloads_has_every_one() -> None:
    page = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    shown = [line for line in page.splitlines() if re.match(r"\| `\w+/", line)]
    ours = [w for w in WORKLOADS.values() if not w.name.startswith("scaling/")]
    assert shown == [workload_row(w) for w in ours]


def test_the_page_of_workloads_has_the_ranges_of_the_scaling_ones() -> None:
    page = " ".join((ROOT / "docs" / "benchmarking.md").read_text("utf-8").split())
    sizes = [[int(n) for n in re.findall(r"\d+", name)] for name in names_in_set("scaling")]
    for letter, values in zip("HBTL", zip(*sizes, strict=True), strict=True):
        assert f"{letter} from {min(values)} to {max(values):,}" in page


PIPELINES = sorted((ROOT / "docs" / "ci").iterdir())


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda p: p.name)
def test_pipelines_run_sessions_that_exist_and_keep_files_that_are_written(pipeline: Path) -> None:
    text = pipeline.read_text("utf-8")
    told = (ROOT / "noxfile.py").read_text("utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", told, re.MULTILINE))
    asked = re.findall(r"nox -s \"?(\w+)", text)
    assert asked, "it runs something"
    assert set(asked) <= sessions, (
        f"{pipeline.name} runs {set(asked) - sessions}: no session of nox"
    )
    named = set(re.findall(r"results/site/exports/([\w.-]+)", text))
    written = {file.name for file in FILES}
    assert named <= written, f"{pipeline.name} wants {named - written}: no export writes them"


@pytest.mark.parametrize(("pipeline", "schema"), [
    ("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci"),
])  # fmt: skip
def test_pipelines_are_as_their_schemas_say(pipeline: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, ROOT / "docs" / "ci" / pipeline],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_table_of_exports_has_every_file() -> None:
    page = (ROOT / "docs" / "exports.md").read_text("utf-8")
    for file in FILES:
        assert f"`{file.form}`" in page, f"docs/exports.md does not tell of {file.form}"
        assert f"`{file.name}`" in page, f"docs/exports.md does not tell of {file.name}"

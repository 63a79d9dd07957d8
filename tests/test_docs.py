"""The documentation does what it says: its code runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from conformance.cases import default_cases
from records.runs import read_folder
from reports.exports import FILES
from reports.page.glossary import GLOSSARY
from rnnspec.cli import SUBCOMMANDS, subcommand

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


def test_the_readme_is_short() -> None:
    words = (ROOT / "README.md").read_text("utf-8").split()
    assert len(words) <= 800, f"README.md has {len(words)} words, expected at most 800"


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


def test_ci_runs_the_sessions_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    sessions = set(re.findall(r"nox -s (\w+)", readme))
    assert {"conformance", "bench"} <= sessions, "README.md no longer shows the front doors"
    for session in sessions:
        assert re.search(rf'(nox|\$nox) -s "?{session}\b', script), (
            f".ci/run does not run nox -s {session}"
        )


@pytest.mark.processes
def test_the_backend_in_the_documentation_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "adding-a-backend.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.py").write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "rnnspec", "check", "--backend", "mine.py:Mine", "--dtype", "float32",
         "--dtype", "float64", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"the example does not conform:\n{done.stdout}{done.stderr}"
    (run,), bad = read_folder(tmp_path / "out" / "runs")
    assert not bad
    wanted = {case.id for case in default_cases() if case.dtype in ("float32", "float64")}
    assert {record.case: record.outcome for record in run.cases} == dict.fromkeys(wanted, "agrees")


def test_the_excerpt_is_of_the_script_that_its_command_writes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reproducer.md").read_text("utf-8")
    (command,) = re.findall(r"rnnspec reproduce (--backend \S+ --case \S+)\n", page)
    (excerpt,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = subprocess.run([sys.executable, "-m", "rnnspec", "reproduce", *command.split()],
                          cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert excerpt in done.stdout


def test_the_options_of_that_page_are_those_that_the_test_runs() -> None:
    page = (ROOT / "docs" / "adding-a-backend.md").read_text("utf-8")
    assert "check --backend mine.py:Mine --dtype float32 --dtype float64\n" in page


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

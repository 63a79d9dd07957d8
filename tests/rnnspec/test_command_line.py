"""The command tree: help that fits, options from one table, errors in three lines, and exit codes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from commands.command_line import Command, Refused, Value, command
from commands.moved import MOVED
from commands.options import OPTIONS, existing_file, existing_path
from conformance.cases import by_id, default_cases
from records.exit_codes import ExitCode
from rnnspec.cli import EXAMPLES, SUBCOMMANDS, rnnspec, subcommand
from rnnspec.options import chosen_backends

ROOT = Path(__file__).parents[2]
LONGEST = 60
"""Lines of help, on a terminal of 80 columns."""


def options(of: click.Command) -> list[click.Option]:
    return [p for p in of.params if isinstance(p, click.Option)]


def help_of(of: click.Command, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    return str(of.get_help(of.make_context(str(of.name), [], resilient_parsing=True)))


@pytest.mark.parametrize("name", ["", *SUBCOMMANDS])
def test_help_fits_on_a_screen_and_a_half(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = subcommand(name) if name else rnnspec
    text = help_of(of, monkeypatch)
    assert len(text.splitlines()) <= LONGEST, f"{len(text.splitlines())} lines"
    if name:
        assert isinstance(of, Command)
        assert len(of.examples) >= 2, "two examples"
        assert all(example in text or example[:60] in text for example in of.examples)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_an_example_has_options_that_exist(name: str) -> None:
    of = subcommand(name)
    known = {flag for p in of.params for flag in p.opts}
    for example in of.examples:
        ours = re.split(r" -- |  #", example)[0]
        used = set(re.findall(r"(?<= )--?[a-z][\w-]*", ours))
        assert used <= known, f"{example}: no {used - known}"


def parse_example(line: str) -> None:
    """Parse a command line as its command does, with empty files in place of those that it reads."""
    nested = re.search(r"\$\((rnnspec .*?)\)", line)
    program, name, *arguments = shlex.split(
        nested[1] if nested else line.partition(" > ")[0], comments=True
    )
    assert program == "rnnspec"
    of = subcommand(name)
    files = [p for p in of.params if isinstance(p.type, Value)
             and p.type.read in (existing_file, existing_path)]  # fmt: skip
    loose = of.make_context(name, list(arguments), resilient_parsing=True)
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    parser = of.make_parser(loose)
    given, *_ = parser.parse_args(list(ours))
    for p in files:
        if p.name in given and isinstance(given[p.name], str):
            path = Path(given[p.name])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    values = of.make_context(name, list(arguments)).params
    if values.get("backend") or values.get("framework"):
        backends = values["backend"] or ()
        chosen_backends([backends] if isinstance(backends, str) else backends,
                        values.get("framework"), values.get("device") or "cpu")  # fmt: skip
    cases = values.get("case") or ()
    for pattern in [cases] if isinstance(cases, str) else cases:
        found = any(fnmatchcase(case.id, pattern) for case in default_cases())
        assert found or by_id(pattern), pattern


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_option_is_in_the_one_table_and_means_the_same(name: str) -> None:
    for found in options(subcommand(name)):
        full = max(found.opts, key=len)
        assert full in OPTIONS, f"{name} {full}: not in commands/options.py"
        row = OPTIONS[full]
        assert found.metavar == (row.metavar or None), full
        assert found.is_flag == (not row.metavar), full
        start = row.help.partition("{")[0]
        assert (found.help or "").startswith(start), f"{name} {full}: another help"
        assert found.opts == [full, *([row.short] if row.short else [])]
        assert row.short == "" or sum(r.short == row.short for r in OPTIONS.values()) == 1


EVERY_EXAMPLE = [example for name in SUBCOMMANDS for example in subcommand(name).examples]
EVERY_EXAMPLE += [line.strip() for line in EXAMPLES.splitlines() if line.startswith("  rnnspec ")]


@pytest.mark.parametrize("example", EVERY_EXAMPLE)
def test_an_example_has_values_that_exist(
    example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files apart, which are there once the user has made them."""
    monkeypatch.chdir(tmp_path)
    parse_example(example)


def test_the_check_of_examples_finds_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in ("rnnspec bench --backend pytorch --workload lstm/rowwise",
                  "rnnspec check --backend pytroch", "rnnspec check --case 'lstmm/*'",
                  "rnnspec properties --property 'rows permutted'", "rnnspec check pytorch",
                  "rnnspec fuzz --minutes soon"):  # fmt: skip
        with pytest.raises((click.UsageError, Refused, ValueError, AssertionError)):
            parse_example(wrong)


def test_help_of_all_imports_no_subcommand() -> None:
    code = (
        "import sys; sys.argv = ['rnnspec', '--help']\n"
        "from rnnspec.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, sorted({'numpy', 'backends', 'pytest'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
    assert all(name in done.stdout for name in SUBCOMMANDS)


WRONG: dict[str, tuple[list[str], str]] = {
    "an unknown command": (["chek"], "chek: no such command; did you mean check? expected one of check"),
    "an unknown option": (["check", "--colour"], "--colour: no such option"),
    "an abbreviation": (["check", "--back", "pytorch"], "--back: no such option; did you mean --backend? "),
    "no value": (["fuzz", "--minutes"], "--minutes: "),
    "a bad number": (["fuzz", "--minutes", "soon"], "--minutes: 'soon' given; expected a number above 0"),
    "a bad choice": (["check", "--dtype", "float8"], "--dtype: 'float8' given; expected one of float64"),
    "an option of others": (["check", "--minutes", "3"], "--minutes: no such option; --minutes belongs to: rnnspec "
                            "fuzz, rnnspec bench; `rnnspec check --help` lists its options"),
    "an option of another": (["bench", "--rounds", "3"], "--rounds belongs to: rnnspec fuzz; "),
    "an option that is unlike any": (["bench", "--colour"], "--colour: no such option; `rnnspec bench --help` lists"),
    "an option with a slip": (["bench", "--minuts", "3"], "--minuts: no such option; did you mean --minutes? "),
    "a long option of pytest's": (["check", "--collect-only"], "--collect-only: no such option; an option of pytest "
                                  "goes after --, as `-- --collect-only`; "),
    "a backend without its option": (["check", "pytorch"], "pytorch: not expected here; did you mean --backend pytorch?"),
    "an own backend without its option": (["fuzz", "a/mine.py:Mine"], "did you mean --backend a/mine.py:Mine?"),
    "values without their options": (["check", "float32", "jax"],
                                     "float32 jax: not expected here; did you mean --dtype float32 --framework jax?"),
    "two backends without their option": (
        ["compare", "pytorch", "pytorch_cells"],
        "backends are compared by `rnnspec compare --backends pytorch pytorch_cells`",
    ),
    "a backend with a slip": (["bench", "--backend", "pytroch"],
                              "--backend: 'pytroch' given; did you mean pytorch? expected one of"),
    "a backend unlike any": (["bench", "--backend", "theano"], "--backend: 'theano' given; expected one of"),
    "a backend with a slip, elsewhere": (["reproduce", "--backend", "jax_scn", "--case", "x"],
                                         "--backend: 'jax_scn' given; did you mean jax_scan? expected one of"),
    "a choice with a slip": (["check", "--dtype", "float23"],
                             "--dtype: 'float23' given; did you mean float32? expected one of"),
    "a missing file": (["check", "--backend", "pytorch", "--known", "gone.toml"],
                       "--known: 'gone.toml' given; expected an existing file"),
    "a missing argument": (["convert", "a.pt"], "SOURCE: 'a.pt' given; expected an existing file"),
    "no backend": (["bench"], "--backend: none given; expected one of tensorflow_dynamic_rnn"),
    "an unknown backend": (["bench", "--backend", "torch"], "--backend: 'torch' given; did you mean pytorch? expected"),
    "too much": (["report", "everything"], "everything"),
    "an option of pytest's": (["check", "--backend", "pytorch", "-k", "lstm"], "-k: no such option"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_an_error_is_told_in_three_lines_at_most(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, complaint = WRONG[what]
    with pytest.raises(SystemExit) as end:
        rnnspec.main(arguments)
    told = capsys.readouterr()
    assert end.value.code == ExitCode.HARNESS_ERROR
    assert told.err.startswith(f"error: {complaint}") or complaint in told.err, told.err
    assert len(told.err.splitlines()) <= 3
    assert not told.out
    assert not list(tmp_path.iterdir()), "nothing ran"


def test_no_command_shows_the_help_and_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        rnnspec.main([])
    assert end.value.code == ExitCode.HARNESS_ERROR
    assert "Usage: rnnspec" in capsys.readouterr().err


@pytest.mark.parametrize("raised", [Refused("a: b"), click.UsageError("a: b"), KeyboardInterrupt()])
def test_every_error_of_a_command_has_the_code_of_the_harness(
    raised: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """click's own codes mean something else here: 1 is a conformance failure, 2 a regression."""

    @command("fails")
    def fails() -> ExitCode:
        raise raised

    with pytest.raises(SystemExit) as end:
        fails.main([])
    assert end.value.code == ExitCode.HARNESS_ERROR
    assert capsys.readouterr().err.lstrip().startswith("error: ")


@pytest.mark.parametrize("old", MOVED)
def test_an_old_command_names_its_replacement(old: str) -> None:
    if old not in ("conformance.fuzz", "benchmarks.peers", "reports.pictures"):
        words = MOVED[old].split()
        if words[0] == "rnnspec":
            assert words[1] in SUBCOMMANDS
        else:
            place = ROOT / Path(*words[2].split("."))
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()
        return
    done = subprocess.run([sys.executable, "-m", old], cwd=ROOT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == ExitCode.HARNESS_ERROR
    assert done.stderr == f"error: python -m {old}: replaced; run: {MOVED[old]}\n"


@pytest.mark.parametrize(("words", "start", "offered"), [
    ("rnnspec ", "fu", "fuzz"),
    ("rnnspec check --backend ", "jax_s", "jax_scan"),
    ("rnnspec check --framework ", "py", "pytorch"),
    ("rnnspec check --dtype ", "bf", "bfloat16"),
    ("rnnspec check --case ", "large-state/lstm/float3", "large-state/lstm/float32"),
])  # fmt: skip
def test_the_shell_completes(words: str, start: str, offered: str) -> None:
    found = CliRunner().invoke(
        rnnspec, [], prog_name="rnnspec",
        env={"_RNNSPEC_COMPLETE": "bash_complete", "COMP_WORDS": words + start,
             "COMP_CWORD": str(len(words.split()))},
    )  # fmt: skip
    assert f"plain,{offered}" in found.output.splitlines()


def test_a_value_is_completed_as_a_file_where_there_is_no_list() -> None:
    (item,) = Value(Path).shell_complete(
        click.Context(click.Command("x")), click.Option(["--x"]), "a"
    )
    assert item.type == "file"

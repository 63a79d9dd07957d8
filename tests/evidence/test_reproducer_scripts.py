"""Generated scripts, run where there is NumPy and one framework alone, and nothing of this project.

``nox -s reproducers`` makes such an environment and says where its Python is: scripts are written here, and
run there. Without it these tests skip.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from backends import BACKENDS, EXTRAS, Unsupported
from conformance.cases import (
    NAMED,
    AnyCase,
    TrainingCase,
    by_id,
    default_cases,
    make_case,
    read_rows,
)
from conformance.known_differences import KNOWN_FILE, KnownDifference, read_known
from evidence.fuzz.corpus import CORPUS, read_corpus
from evidence.reproducer import script
from evidence.reproducer.frameworks import FRAMEWORKS

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("RNNSPEC_CLEAN_PYTHON", "")
FRAMEWORK = os.environ.get("RNNSPEC_CLEAN_FRAMEWORK", "")
BACKENDS_HERE = [name for name, entry in BACKENDS.items()
                 if entry.extra == FRAMEWORK and "cpu" in entry.dialect.arithmetic]  # fmt: skip
KNOWN = read_known(KNOWN_FILE)
SHOWS, SHOWS_NOT = "The difference shows in ", "Nothing differs: "

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="no clean environment: nox -s reproducers makes one"
)


class Ran(NamedTuple):
    """A finished script: its exit code or a traceback, and its output."""

    code: int | str
    printed: str


def run(folder: Path, texts: dict[str, str]) -> dict[str, Ran]:
    """Every script by name, all in one process of the clean environment, in an empty folder."""
    paths = {}
    for number, (name, text) in enumerate(texts.items()):
        paths[str(folder / f"s{number}.py")] = name
        (folder / f"s{number}.py").write_text(text, "utf-8")
    runner = (Path(__file__).parents[1] / "support" / "clean_run.py").read_text("utf-8")
    (folder / "run.py").write_text(runner, "utf-8")
    done = subprocess.run([PYTHON, "-I", str(folder / "run.py"), *paths], cwd=folder, text=True,
                          capture_output=True, check=False)  # fmt: skip
    found = {paths[path]: Ran(code, printed) for path, code, printed in
             map(json.loads, done.stdout.splitlines())}  # fmt: skip
    assert found.keys() == texts.keys(), f"the process ended early:\n{done.stderr[-2000:]}"
    return found


@cache
def known(backend: str, case_id: str) -> KnownDifference | None:
    """The entry of known.toml that covers this case on this backend."""
    return next((entry for entry in KNOWN if entry.covers(backend, case_id)), None)


def written(backend: str, cases: Iterable[AnyCase]) -> dict[str, str]:
    """The scripts of those cases that the backend runs, by id."""
    found = {}
    for case in cases:
        try:
            found[case.id] = script(case, backend)
        except Unsupported:
            continue
    return found


def spread(backend: str) -> list[AnyCase]:
    """Every pair of options, every network of the tutorials, every task and optimiser; and deep sums.

    A further way of running a framework has every third of these but for the training, and that in
    float32 alone. What known.toml covers has a test of its own.
    """
    share = 1 if backend == BACKENDS_HERE[0] else 3
    pairs = [make_case(row, gradients=True) for row in read_rows("gradient_cases.txt")]
    triples = [make_case(row) for row in read_rows("default_cases.txt")]
    named = [c for c in NAMED.values() if c.dtype == "float32" or share == 1]
    networks = [c for c in NAMED.values() if c.dtype == "float32" and c.id.startswith("tutorial/")]
    found = [
        *pairs[::share],
        *triples[:: 6 * share],
        *networks[::share],
        *(c for c in named if isinstance(c, TrainingCase)),
        *(by_id(f"deep-sum/{cell}/float32") for cell in ("gru-before", "gru-after", "lstm")),
        by_id("gradients/deep-sum/vanilla-tanh/bfloat16"),
        by_id("large-state/lstm/float64"),
    ]
    return [case for case in found if not known(backend, case.id)]


ONE_ROW = ("gradients/lstm-forget/3-layer/bidirectional/short/pad-nan/no-state/bias/time-major/"
           "b1-t6-i5-h4/float16")  # fmt: skip
"""An entry of known.toml covers it, but it agrees: a loop ends with its longest row, and there is one."""


def wrong(backend: str, found: dict[str, Ran]) -> list[str]:
    """The scripts that did not do what known.toml lets one expect, and what they did."""
    bad = []
    for case_id, ran in found.items():
        entry = known(backend, case_id)
        shows = ran.code == 0 and SHOWS in ran.printed
        shows_not = ran.code == 1 and SHOWS_NOT in ran.printed
        if entry and entry.only:
            right = shows or shows_not
        else:
            right = shows if entry and case_id != ONE_ROW else shows_not
        if not right:
            bad.append(f"{case_id}: {ran.code}\n{ran.printed[-1500:]}")
    return bad


def test_the_environment_is_clean(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; names = 'reference backends conformance reports pytest msgspec'\n"
        "print([n for n in names.split() if u.find_spec(n)])"
    )
    done = subprocess.run([PYTHON, "-I", "-c", code], cwd=tmp_path, text=True, capture_output=True,
                          check=True)  # fmt: skip
    assert done.stdout == "[]\n", f"the environment has {done.stdout}"


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_scripts_show_what_is_known_and_nothing_else(
    backend: str, part: int, tmp_path: Path
) -> None:
    found = run(tmp_path, written(backend, spread(backend)[part::2]))
    bad = wrong(backend, found)
    assert not bad, f"{len(bad)} of {len(found)} scripts of {backend}:\n" + "\n".join(bad)
    assert len(found) > 15, f"{len(found)} scripts of {backend}, expected a spread"


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_every_known_difference_is_shown(backend: str, tmp_path: Path) -> None:
    """Runs each case that an entry covers, default cases and fuzzing's finds; there is at least one."""
    finds = [by_id(find.id) for find in read_corpus(CORPUS).get(backend, [])]
    cases = [c for c in [*default_cases(), *finds] if known(backend, c.id)]
    found = run(tmp_path, written(backend, cases)) if cases else {}
    bad = wrong(backend, found)
    assert not bad, "\n".join(bad)
    for entry in KNOWN:
        if entry.backend == backend:
            assert any(entry.covers(backend, case_id) for case_id in found), f"{entry}: no case"


FALSIFIED = (
    "lstm/3-layer/bidirectional/zero/pad-zero/state/bias/batch-major/b5-t7-i4-h4/float32",
    "gradients/vanilla-relu/2-layer/forward/ragged/pad-zero/state/bias/time-major/b5-t5-i4-h6/float64",
    "tutorial/004-bidirectional/float32",
    "training/forecasting/adam/float64",
)


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_a_wrong_expectation_shows(backend: str, tmp_path: Path) -> None:
    """The equations on other weights, and in float64 as in float32, each is a difference."""
    texts = {}
    for case_id, text in written(backend, map(by_id, FALSIFIED)).items():
        call = f"\n# ---- {FRAMEWORKS[FRAMEWORK].title}: "
        assert text.count("\n# ---- Equations") == text.count(call) == 1
        (inputs,) = re.findall(r"^inputs = .*?(?=^\S*\n\n)^\)?\n", text, re.DOTALL | re.MULTILINE)
        other = '{n: a * 1.001 if "W_hh" in n else a for n, a in given.items()}'
        texts[case_id] = text.replace(
            "\n# ---- Equations", f"\nkept, given = given, {other}\n{inputs}\n# ---- Equations"
        ).replace(call, f"\ngiven = kept\n{inputs}{call}")
    found = run(tmp_path, texts)
    assert len(found) == len(FALSIFIED)
    for case_id, ran in found.items():
        assert ran.code == 0, f"{case_id}: {ran.code}\n{ran.printed}"
        assert SHOWS in ran.printed


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_an_exception_and_a_wrong_type_show(backend: str, tmp_path: Path) -> None:
    text = script(by_id(FALSIFIED[0]), backend)
    call = "got = framework()"
    texts = {
        "raises": text.replace(call, 'raise RuntimeError("no kernel")'),
        "type": text.replace(
            call, 'got = {n: (a, "float64") for n, (a, _) in framework().items()}'
        ),
        "shape": text.replace(call, "got = {n: (a[:1], t) for n, (a, t) in framework().items()}"),
        "nan": text.replace(
            call, "got = {n: (a * np.nan, t) for n, (a, t) in framework().items()}"
        ),
        "drift": text.replace(
            call, "got = {n: (expected[n] + b[0] * 0.99, 'float32') for n, b in bounds.items()}"
        ),
    }
    found = run(tmp_path, texts)
    assert {name: ran.code for name, ran in found.items()} == dict.fromkeys(texts, 0)
    assert "RuntimeError: no kernel" in found["raises"].printed
    assert "expected float32" in found["type"].printed
    assert re.search(
        r"y +float32 \(1, 7, 8\), expected float32 \(5, 7, 8\)", found["shape"].printed
    )
    assert " nan " in found["nan"].printed


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_a_script_runs_by_itself(backend: str, tmp_path: Path) -> None:
    """Runs in its own process and folder, like a user's, and checks the exit code."""
    (tmp_path / "script.py").write_text(script(by_id(FALSIFIED[0]), backend), "utf-8")
    own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([PYTHON, "script.py"], cwd=tmp_path, text=True, capture_output=True,
                          check=False, env=own)  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert SHOWS_NOT in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"], "it writes files"


@pytest.mark.every
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_every_script(backend: str, part: int, tmp_path: Path) -> None:
    """All default cases; ``nox -s reproducers -- -m every``."""
    found = run(tmp_path, written(backend, default_cases()[part::8]))
    bad = wrong(backend, found)
    assert not bad, f"{len(bad)} of {len(found)} scripts of {backend}:\n" + "\n".join(bad)


def test_the_framework_is_one_of_ours() -> None:
    assert FRAMEWORK in EXTRAS

"""Scripts are made of the project's own source, without what their case does not need."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from conformance.cases import by_id
from evidence.reproducer import script
from evidence.reproducer.repeated import ROOT, counted
from evidence.reproducer.source.facts import Facts
from evidence.reproducer.source.fold import fold
from evidence.reproducer.source.modules import Definition, Module, module
from evidence.reproducer.source.written import wrapped, written
from reference import Spec

LSTM = "lstm/1-layer/forward/full/pad-none/no-state/bias/batch-major/b4-t5-i6-h1/float32"


def folded(tmp_path: Path, code: str, *known: object, **names: object) -> str:
    """Fold the last definition of a module with this code, and write it."""
    path = tmp_path / "m.py"
    path.write_text(textwrap.dedent(code), "utf-8")
    where = Module("m", path)
    facts = Facts.__new__(Facts)
    facts.names, facts.types = {name: [value] for name, value in names.items()}, {}
    for value in known:
        facts.types[Definition(type(value).__module__, type(value).__name__)] = [value]
    (node,), _ = fold([list(where.definitions.values())[-1]], where, facts)
    text = written(node, where)
    ast.parse(text)
    return text


@pytest.mark.parametrize(
    ("backend", "line"),
    [
        ("jax_scan", "return lax.scan(step, state, (xs, valid), reverse=reverse)"),
        ("pytorch", "output, final = self.rnn(packed, state)"),
        (
            "tensorflow_unrolled",
            "xs = [tf.concat(y_t, axis=-1) for y_t in zip(*outputs, strict=True)]",
        ),
    ],
)
def test_a_script_has_lines_of_its_adapter(backend: str, line: str) -> None:
    ours = [path.read_text("utf-8") for path in (ROOT / "backends").rglob("*.py")]
    assert any(line in text for text in ours), "the adapters no longer have this line"
    assert line in script(by_id(LSTM.replace("full/pad-none", "ragged/pad-zero")), backend)


def test_other_cells_are_left_out() -> None:
    text = script(by_id(LSTM), "jax_scan")
    assert "def lstm(" in text
    assert "def gru(" not in text
    assert "def vanilla(" not in text


def test_templates_repeat_no_adapter() -> None:
    repeated, lines = (sum(column) for column in zip(*counted(ROOT).values(), strict=True))
    assert lines > 40, "the templates are not where they are looked for"
    assert repeated <= 0.1 * lines


def test_repeated_lines_are_counted(tmp_path: Path) -> None:
    for path, text in {"backends/a.py": "x = f(y)\n}\n", "reference/b.py": "",
                       "evidence/reproducer/templates/t.j2": "  x = f(y)\n}\n\nz = 1\n"}.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    assert counted(tmp_path) == {"evidence/reproducer/templates/t.j2": (1, 2)}


SPEC = Spec(cell="gru", input_size=2, hidden_size=3)
HEAD = "from reference import Spec\n\n"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ('if spec.cell == "gru":\n    return 1\nreturn 2', "return 1"),
        ('if spec.cell == "lstm":\n    return 1\nreturn 2', "return 2"),
        ("return a if lengths is None else b", "return a"),
        ("if a:\n    return 1\nreturn 2", "if a:\n    return 1\nreturn 2"),
        ("a = b\nif a is None:\n    return 1\na = 2\nreturn a",
         "a = b\nif a is None:\n    return 1\na = 2\nreturn a"),
        ('return {"gru": f, "lstm": g}[spec.cell](a)', "return f(a)"),
        ("assert a\nreturn a", "return a"),
        ("check_a(a)\nreturn a", "return a"),
        ("# Why.\nreturn (\n    a  # here\n)", "# Why.\nreturn (\n    a  # here\n)"),
    ],
)  # fmt: skip
def test_what_a_case_does_not_need_is_left_out(body: str, left: str, tmp_path: Path) -> None:
    code = HEAD + "def f(spec: Spec, a, lengths):\n" + textwrap.indent(body, "    ")
    text = folded(tmp_path, code, SPEC, lengths=None)
    assert text == "def f(spec, a, lengths):\n" + textwrap.indent(left, "    ")


def test_a_name_that_a_function_binds_again_is_not_known(tmp_path: Path) -> None:
    code = (
        HEAD
        + 'def f(spec: Spec):\n    spec = g()\n    if spec.cell == "gru":\n        return 1\n    return 2'
    )
    assert "if spec.cell" in folded(tmp_path, code, SPEC)


def test_a_long_line_is_broken_and_means_the_same() -> None:
    code = "x = f(" + ", ".join(f"argument_{k}={k}" for k in range(20)) + ")"
    lines = wrapped(code, 0)
    assert max(map(len, lines)) <= 100
    assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(code))


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"backends\.none"):
        module("backends.none")

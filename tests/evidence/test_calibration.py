"""The calibration's page says what its record says, and its families are what they claim to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.dtypes import rounded
from conformance.draw import digest
from evidence.calibration import constants, measurements
from evidence.calibration.__main__ import main
from evidence.calibration.families import FAMILIES, SMALL, Family, draw_inputs
from evidence.calibration.implementations import NUMPY, WRONG, sequential_matmul
from evidence.calibration.margins import measure
from evidence.calibration.storage import BEGIN, DOCS, END, as_json, read_record, split_page
from evidence.calibration.tables import fold, make_markdown, page_tables, shorten

TINY = Family(cell={"cell": "vanilla"}, sizes=(4, 9, 8, 8))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the cache of truths; and nothing may depend on the directory


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is measured, on next to nothing."""
    for module in (constants, measurements):
        monkeypatch.setattr(module, "FAMILIES", {"plain LSTM": TINY, "steady LSTM": TINY})
    monkeypatch.setattr(constants, "SAMPLES", (4,))
    monkeypatch.setattr(constants, "REPEATS", 2)
    monkeypatch.setattr(measurements, "SMALL", dict(list(SMALL.items())[:2]))
    monkeypatch.setattr(measurements, "SMALL_DRAWS", 2)
    monkeypatch.setattr(measurements, "WRONG", {k: WRONG[k] for k in list(WRONG)[:1]})


# The page.


def test_the_page_shows_the_record() -> None:
    page = (DOCS / "calibration.md").read_text("utf-8")
    before, after = split_page(DOCS)
    expected = f"{before}{BEGIN}\n\n{page_tables(read_record(DOCS))}\n\n{END}{after}"
    assert page == expected, "run python -m evidence.calibration"


def test_the_record_is_written_as_it_is_read() -> None:
    assert as_json(read_record(DOCS)) == (DOCS / "calibration.json").read_text("utf-8")


def test_a_long_table_is_folded() -> None:
    table = make_markdown("a | b", [[n, None] for n in range(25)])
    assert fold(table) == f"<details><summary>25 rows</summary>\n\n{table}\n\n</details>"
    short = make_markdown("a | b", [[n, None] for n in range(24)])
    assert fold(short) == short


def test_numbers_are_shortened() -> None:
    given = (None, 12345, 0.0, 0.123456, 99.0, 12345.6, 1e-9, 1e5, "text")
    assert [shorten(v) for v in given] == ["—", "12,345", "0.00", "0.12", "99.00", "12,346",
                                             "1.0e-09", "1.0e+05", "text"]  # fmt: skip


# Families and machines.


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_repeatable_and_exact_in_their_dtype(name: str) -> None:
    inputs = draw_inputs(name, FAMILIES[name], "bfloat16", 0)
    assert digest(inputs) == digest(draw_inputs(name, FAMILIES[name], "bfloat16", 0))
    for a in (inputs.x, *(a for layer in inputs.params for w in layer for a in w)):
        assert a is not None
        np.testing.assert_array_equal(a, rounded(a, "bfloat16"))


def test_correct_code_agrees_and_wrong_code_differs() -> None:
    inputs = draw_inputs("plain LSTM", FAMILIES["plain LSTM"], "float32", 0)
    for name in NUMPY:
        assert measure(NUMPY[name](inputs), inputs).outcome == "agrees", name
    for name in ("TF32 matmul operands", "tanh (1 + 10⁻⁶)", "sigmoid + 3 · 10⁻⁶"):
        assert measure(WRONG[name][1](inputs), inputs).outcome == "differs", name


def test_one_by_one_keeps_every_partial_sum_in_its_type() -> None:
    ones = np.ones((1, 4096), np.float32)
    total = sequential_matmul(ones, ones.T, lambda a: rounded(a, "float16"))
    assert total == 2048, "float16 has no 2049"


# Measuring.


def test_a_larger_k_act_makes_the_same_error_smaller() -> None:
    inputs = draw_inputs("plain", TINY, "float32", 0)
    answer = NUMPY["sequential"](inputs)
    errors = [measure(answer, inputs, k).tensors[0]["max_error"] for k in constants.K_ACTS]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1], f"error / σ̂ by K_ACT: {errors}"


def test_a_result_without_figures_is_refused() -> None:
    inputs = draw_inputs("plain", TINY, "float32", 0)
    answer = NUMPY["reference"](inputs)
    with pytest.raises(ValueError, match="not finite: nothing to measure"):
        measure(answer._replace(tensors={k: a * np.nan for k, a in answer.tensors.items()}), inputs)


@pytest.mark.usefixtures("brief")
def test_what_is_on_record_for_others_stays(tmp_path: Path) -> None:
    """A missing page is made; an existing page keeps its text."""
    out = tmp_path / "new" / "docs"
    assert main(["--backend", "sequential", "--draws", "1", "--docs", str(out)]) == 0
    page = out / "calibration.md"
    assert page.read_text("utf-8").startswith(f"# Calibration\n\n{BEGIN}\n\n### What ran\n")
    page.write_text("# Mine\n\n" + page.read_text("utf-8") + "The end.\n", "utf-8")
    sequential = read_record(out)["implementations"]["sequential"]

    assert main(["--backend", "reference", "--draws", "1", "--docs", str(out)]) == 0
    record = read_record(out)
    assert list(record["implementations"]) == ["reference", "sequential"], "in the order of NUMPY"
    assert record["implementations"]["sequential"] == sequential
    assert [w["mistake"] for w in record["wrong"]] == ["TF32 matmul operands"]
    assert [s["samples"] for s in record["samples"]] == [4]
    text = page.read_text("utf-8")
    assert text.startswith("# Mine\n\n# Calibration\n")
    assert text.endswith(f"{END}\nThe end.\n")
    assert page_tables(record) in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--draws", "0"], "--draws: '0' given; expected an integer of 1 or more"),
        (["--backend", "reference", "--backend", "nobody"], "backend 'nobody': not one of"),
        (["--framework", "nothing"], "--framework: 'nothing' given; expected one of"),
    ],
)
def test_bad_options_are_refused_before_any_work(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="3"):
        main([*arguments, "--docs", str(tmp_path)])
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_page_without_a_place_for_tables_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calibration.md").write_text("# Calibration\n", "utf-8")
    with pytest.raises(SystemExit, match="3"):
        main(["--backend", "reference", "--docs", str(tmp_path)])
    assert "expected one line <!-- generated: begin -->" in capsys.readouterr().err

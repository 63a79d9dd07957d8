"""The figures of --self-comparison, as tables in docs/noise.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.comparing.noise_budgets import Budget, write_budgets
from benchmarks.studies import noise_tables as publish

PAGE = f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n"
CHANGES = [0.001 * k for k in range(-5, 6)]


def budget(backend: str, workload: str, **changes: object) -> Budget:
    fields = {"machine": "2 × a processor", "mode": "forward", "device": "cpu", "dtype": "float32",
              "threads": 1, "changes": CHANGES, "pairs": 11, "budget": 0.01, "detectable": 0.02,
              "seconds": 0.0123, "load": 1.25}  # fmt: skip
    return Budget(backend=backend, workload=workload, **fields | changes)  # type: ignore[arg-type]


def arguments(folder: Path) -> list[str]:
    files = {"--budgets": "budgets.json", "--published": "noise.json", "--page": "noise.md"}
    return [part for option, name in files.items() for part in (option, str(folder / name))]


def test_what_was_published_stays_until_it_is_measured_again(tmp_path: Path) -> None:
    (tmp_path / "noise.md").write_text(PAGE)
    first = [budget("a", "w1", machine="old"), budget("a", "w2", seconds=0.002)]
    for rows in (
        first,
        [budget("a", "w2", seconds=0.003), budget("a", "w2", threads=2, seconds=0.004)],
    ):
        (tmp_path / "budgets.json").unlink(missing_ok=True)
        write_budgets(tmp_path / "budgets.json", rows)
        assert publish.main(arguments(tmp_path)) == 0
    text = (tmp_path / "noise.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| forward \| (\d) \| ([\d.]+) ", text, re.MULTILINE) == [
        ("w2", "1", "3.00"), ("w2", "2", "4.00"), ("w1", "1", "12.3"),
    ]  # fmt: skip


def test_devices_and_dtypes_have_tables_of_their_own(tmp_path: Path) -> None:
    write_budgets(
        tmp_path / "budgets.json",
        [budget("a", "w"), budget("a", "w", device="cuda"), budget("a", "w", dtype="float16")],
    )
    (tmp_path / "noise.md").write_text(PAGE)
    assert publish.main(arguments(tmp_path)) == 0
    text = (tmp_path / "noise.md").read_text()
    assert re.findall(r"^`a` on (\w+) in (\w+),", text, re.MULTILINE) == [
        ("cpu", "float16"), ("cpu", "float32"), ("cuda", "float32"),
    ]  # fmt: skip


def test_a_page_without_its_place_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_budgets(tmp_path / "budgets.json", [budget("a", "w")])
    (tmp_path / "noise.md").write_text("nothing here")
    with pytest.raises(SystemExit):
        publish.main(arguments(tmp_path))
    assert publish.BEGIN in capsys.readouterr().err
    assert not (tmp_path / "noise.json").exists(), "nothing was written"


def test_every_row_is_in_the_table_of_its_backend(tmp_path: Path) -> None:
    rows = [budget("b", "w2"), budget("a", "w"), budget("b", "w1", seconds=None)]
    write_budgets(tmp_path / "budgets.json", rows)
    (tmp_path / "noise.md").write_text(PAGE)
    assert publish.main(arguments(tmp_path)) == 0
    text = (tmp_path / "noise.md").read_text()
    assert text.startswith(f"before\n{publish.BEGIN}\n")
    assert text.endswith(f"{publish.END}\nafter\n")
    assert "old" not in text
    assert "`a` on cpu in float32, 2 × a processor: 1 row, from 11 pairs." in text
    assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == ["w", "w1", "w2"]
    (row,) = re.findall(
        r"\| `w2` \| forward \| 1 \| ([\d.]+) \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+) \|", text
    )
    ms, share, found, load = map(float, row)
    assert load == 1.25
    assert ms == 12.3
    assert 0 < share < found, "what is found is more than what identical code differs by"


def test_what_is_no_budgets_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise.md").write_text(PAGE)
    with pytest.raises(SystemExit):
        publish.main(arguments(tmp_path))
    assert "--self-comparison` writes" in capsys.readouterr().err
    assert (tmp_path / "noise.md").read_text() == PAGE


WIDE = [0.08 * (-1) ** k for k in range(11)]
"""Changes of identical code that hide one of 5 %, and of 10 %."""
SOME = [0.03 * (-1) ** k for k in range(11)]
"""And that hide one of 5 % alone."""


def test_what_is_found_as_it_should_be_is_counted_and_the_rest_is_bold(tmp_path: Path) -> None:
    rows = [
        budget("a", "long", seconds=0.01),
        budget("a", "long2", seconds=0.01, changes=SOME),
        budget("a", "long, all", seconds=0.01, changes=SOME, threads=2),
        budget("a", "short", seconds=0.009, changes=SOME),
        budget("a", "wide", seconds=0.009, changes=WIDE),
        budget("a", "untimed", seconds=None),
    ]
    write_budgets(tmp_path / "budgets.json", rows)
    (tmp_path / "noise.md").write_text(PAGE)
    assert publish.main(arguments(tmp_path)) == 0
    text = (tmp_path / "noise.md").read_text()
    assert (
        "2 × a processor: a change of 5% is found in 1 of 2 rows of 10 ms and more on one processor; a change "
        "of 10% is found in 3 of 4 rows of the others."
    ) in text
    bold = [line.split("`")[1] for line in text.splitlines() if "**" in line]
    assert bold == ["long2", "wide"]

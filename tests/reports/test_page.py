"""The page: the matrix counts right, hostile content is harmless, the page works."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sample_runs as sample
from rich.console import Console

from records.exit_codes import ExitCode
from records.runs import RunWriter, read_folder
from records.schema import FuzzRecord, Gpu, Record
from records.text import clip, number, one_line
from reference.rounding import ARITHMETICS
from reports.exit_code import exit_code_of
from reports.load import load_matrix
from reports.matrix import Matrix, build_matrix
from reports.outcomes import STATUSES
from reports.page import breakable, render, write_page
from reports.page.figures import BOUND_X, HEIGHT, histogram
from reports.precision import TIGHTEST_FIRST, precisions
from reports.terminal import print_matrix
from rnnspec.report import report as command

ROOT = Path(__file__).parents[2]
PAGE_LIMIT = 1_500_000
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' {{ 7*7 }} "
    "\x1b[31m\x07\u202e\x00 [red]b[/]"
)


def model(folder: Path) -> Matrix:
    return build_matrix(*read_folder(folder))


def of(folder: Path, *records: Record, **head: Any) -> Matrix:
    sample.write(folder, sample.header(**head), records)
    return model(folder)


def printed(shown: Matrix, width: int = 100) -> str:
    out = io.StringIO()
    print_matrix(shown, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def text_of(html: str) -> str:
    """Return the text that a reader sees, outside of tags and styles."""
    parts: list[str] = []

    class Reader(HTMLParser):
        style = False

        def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
            self.style = tag == "style"

        def handle_endtag(self, _: str) -> None:
            self.style = False

        def handle_data(self, data: str) -> None:
            if not self.style:
                parts.append(data)

    Reader().feed(html)
    return " ".join(" ".join(parts).split())


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    sample.write_samples(folder)
    (folder / "broken.jsonl.gz").write_bytes(b"bit rot")
    return folder


@pytest.fixture(scope="module")
def page(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(model(samples), tmp_path_factory.mktemp("site"))


# ---- the model ----------------------------------------------------------------------------------


def test_a_group_counts_every_outcome_for_what_it_is(tmp_path: Path) -> None:
    outcomes = ["agrees"] * 5 + ["inconclusive", "errored"] + ["unsupported"] * 2
    records = [
        sample.case(case=f"lstm/{n}/float32", outcome=outcome, margin=n / 20)
        for n, outcome in enumerate(outcomes)
    ]
    records += [sample.failed(case=f"lstm/k{n}/float32", known="TF32") for n in range(3)]
    records += [sample.failed(case="lstm/d/float32", margin=7.5)]
    (row,) = of(tmp_path, *records).rows
    (group,) = row.groups
    assert (row.cell, row.dtype) == ("lstm", "float32")
    assert (group.agrees, group.applicable, group.margin) == (5, 5 + 1 + 1 + 3 + 1, 7.5)
    assert group.counts == {
        "agrees": 5, "inconclusive": 1, "errored": 1, "unsupported": 2, "known": 3, "differs": 1
    }  # fmt: skip
    assert group.status is STATUSES["errored"]


def test_what_is_missing_is_never_agreement(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.header(run_id="a"), [sample.case(case="lstm/1/float32")])
    both = [sample.case(case=f"lstm/{n}/float32", device="cuda") for n in (1, 2)]
    shown = of(tmp_path, *both, run_id="b", device="cuda")
    cpu, cuda = shown.rows[0].groups
    assert (cpu.agrees, cpu.applicable, cpu.absent) == (1, 1, ("lstm/2/float32",))
    assert cpu.status is STATUSES["missing"]
    assert cuda.status is STATUSES["agrees"]
    assert "○ 1/1" in printed(shown)
    lone = sample.case(case="gru/1/float32", device="tpu")
    more = of(tmp_path, lone, run_id="c", device="tpu")
    assert len(re.findall(r"\d not run", printed(more))) == 1, "no number where none of them ran"
    assert "1 not run" in printed(shown)
    assert "agrees in 1 of 1 supported case; 1 not run" in text_of(render(shown))


def test_unsupported_is_never_passed(tmp_path: Path) -> None:
    shown = of(tmp_path, sample.case(outcome="unsupported", reason="no such cell", margin=None))
    group = shown.rows[0].groups[0]
    assert (group.agrees, group.applicable) == (0, 0)
    assert "supports no case; 1 unsupported" in text_of(render(shown))
    assert "no such cell" in text_of(render(shown))
    assert exit_code_of(shown) is ExitCode.NOT_ENOUGH_DATA


def test_a_column_is_the_latest_run_of_a_backend_and_device(tmp_path: Path) -> None:
    for hour, version in ((9, "torch 3"), (8, "torch 2")):
        head = sample.header(run_id=f"r{hour}", backend_version=version,
                             started_at=f"2026-11-21T{hour:02}:00:00Z")  # fmt: skip
        sample.write(tmp_path, head, [sample.case()])
    timed = sample.header(run_id="t", started_at="2026-11-21T10:00:00Z", backend_version="torch 3")
    sample.write(tmp_path, timed, [sample.measurement()])
    shown = model(tmp_path)
    assert [column.label for column in shown.columns] == ["pytorch @ torch 3 @ cpu"]
    assert len(shown.columns[0].run.cases) == len(shown.timings) == 1, (
        "a later run of workloads does not hide the cases"
    )
    assert exit_code_of(shown) is ExitCode.CLEAN


def test_rows_are_cells_and_dtypes_from_wide_to_narrow(samples: Path) -> None:
    """A cell's gradients have rows of their own, as tutorials and training have."""
    rows = [(row.cell, row.dtype) for row in model(samples).rows]
    cells = [*sample.CELLS, *(f"gradients/{cell}" for cell in sample.CELLS), "tutorial"]
    wanted = {(cell, dtype) for cell in cells for dtype in sample.DTYPES}
    wanted |= {("training", dtype) for dtype in ("float64", "float32")}
    assert set(rows) == wanted
    assert len(rows) == len(wanted)
    for cell in (*cells, "training"):
        dtypes = [dtype for name, dtype in rows if name == cell]
        assert dtypes == [dtype for dtype in sample.DTYPES if dtype in dtypes], cell


def test_gradients_of_a_cell_are_not_counted_with_its_outputs(tmp_path: Path) -> None:
    name = "lstm/2-layer/forward/full/pad-none/state/bias/batch-major/b4-t8-i5-h6/float32"
    shown = of(
        tmp_path,
        sample.case(case=name),
        sample.failed(case=f"gradients/{name}"),
        sample.failed(case="training/forecasting/sgd/float32"),
    )
    assert {row.cell: row.groups[0].agrees for row in shown.rows} == {
        "lstm": 1, "gradients/lstm": 0, "training": 0,
    }  # fmt: skip
    assert all(row.groups[0].applicable == 1 for row in shown.rows)


def test_the_bound_divides_the_bars() -> None:
    drawn = histogram([1.0, 1.0001, 0.5, 1e-9, 1e9, 0.0])
    places = [[int(x) for x in re.findall(r"M(\d+)", d)] for d in (drawn.within, drawn.beyond)]
    assert [len(found) for found in places] == [3, 2]
    assert max(places[0]) < BOUND_X <= min(places[1])
    assert f"v-{HEIGHT}" in drawn.within


# ---- exit codes and the command -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "more", "expected"),
    [
        ([sample.case()], {}, ExitCode.CLEAN),
        ([sample.case(), sample.failed(case="lstm/2", known="TF32")], {}, ExitCode.CLEAN),
        ([sample.case(), sample.failed(case="lstm/2")], {}, ExitCode.CONFORMANCE_FAILURE),
        ([sample.case(outcome="errored")], {}, ExitCode.CONFORMANCE_FAILURE),
        ([sample.measurement(outcome="differs")], {}, ExitCode.CONFORMANCE_FAILURE),
        ([sample.case(), sample.case(case="l/2", outcome="inconclusive")], {},
         ExitCode.NOT_ENOUGH_DATA),
        ([sample.case()], {"selected": 9}, ExitCode.NOT_ENOUGH_DATA),
        ([sample.case()], {"stale_known": ["lstm*"]}, ExitCode.CONFORMANCE_FAILURE),
    ],
)  # fmt: skip
def test_the_exit_code_of_a_run(
    records: list[Record], more: dict[str, Any], expected: ExitCode, tmp_path: Path
) -> None:
    sample.write(tmp_path, sample.header(), records, **more)
    shown = model(tmp_path)
    assert exit_code_of(shown) is expected
    for text in (printed(shown), text_of(render(shown))):
        assert ("no longer occurs" in text) == ("stale_known" in more)


# Precision by name, and fuzzing.


def test_the_order_of_arithmetics_is_the_reference_s() -> None:
    assert tuple(ARITHMETICS) == TIGHTEST_FIRST


def test_what_is_coarser_than_declared_is_said(tmp_path: Path) -> None:
    """One case of three is coarser; the others are as declared, or tighter."""
    for outcome in ("agrees", "differs"):
        folder = tmp_path / outcome
        coarse = sample.case(case="lstm/1", outcome=outcome, fingerprint="tf32")
        fine = [sample.case(case=f"lstm/{n}") for n in (2, 3)]
        tighter = sample.case(case="lstm/4", dtype="bfloat16", arithmetic="bfloat16-summed",
                              fingerprint="bfloat16")  # fmt: skip
        none = sample.failed(case="lstm/5", dtype="float64", arithmetic="float64")
        shown = of(folder, coarse, *fine, tighter, none)
        assert [dict(p.looser) for row in precisions(shown) for p in row if p.looser] == [
            {"tf32": 1}
        ]
        page = text_of(render(shown))
        assert (
            "declares float32 for lstm in float32, but the error is only within the bound of tf32 in 1 case"
            in page
        )
        assert "✗ tf32 1, float32 2" in page, "the loosest first"
        assert "none 1" in page, "of a result that agrees with no arithmetic"
        assert "declares float32, error within the bound of tf32 in 1 case" in printed(
            shown, 200)  # fmt: skip


def test_what_is_as_declared_is_said_too(tmp_path: Path) -> None:
    shown = of(tmp_path, sample.case(case="lstm/1"))
    assert "Every result is at least as precise as its backend declares" in text_of(render(shown))
    assert "declares" not in printed(shown)


def test_only_results_that_can_be_told_have_a_precision(tmp_path: Path) -> None:
    """A tensor of a wrong shape has no arithmetic, and so wide a bound tells none from another."""
    wide = sample.case(case="lstm/2", outcome="inconclusive", fingerprint=None)
    misfit = sample.failed(case="lstm/3", tensors={}, reason="y: not returned")
    ((found,),) = precisions(of(tmp_path, sample.case(case="lstm/1"), wide, misfit))
    assert found.fingerprints == {"float32": 1}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_page_without_a_gpu_says_so(device: str, tmp_path: Path) -> None:
    page = text_of(render(of(tmp_path, sample.case(device=device), device=device)))
    assert ("All of these runs used the CPU" in page) == (device == "cpu")


def test_what_a_gpu_told_stands_behind_a_time(tmp_path: Path) -> None:
    gpu = Gpu(clock_mhz=1200, most_clock_mhz=1980, held_by=["power"], degrees=80, watts=700)
    row = sample.measurement(device="cuda", steps=10, device_seconds=[0.0105], gpu=gpu)
    page = text_of(render(of(tmp_path, row, device="cuda")))
    assert (
        "pytorch @ cuda: 10.5 ms by the device's own clock; at 1200 MHz, limited by power." in page
    )
    assert "1190" in page, "µs per step: 11.9 ms over 10"
    plain = text_of(render(of(tmp_path / "cpu", sample.measurement())))
    assert "own clock" not in plain


def test_an_arithmetic_is_held_to_what_is_declared_and_not_to_the_dtype(tmp_path: Path) -> None:
    summed = sample.case(
        dtype="bfloat16", arithmetic="bfloat16-summed", fingerprint="bfloat16-summed"
    )
    assert "Every result is at least as precise" in text_of(render(of(tmp_path, summed)))


def test_more_coarse_places_than_the_page_has_room_for_are_counted(tmp_path: Path) -> None:
    cases = [sample.case(case=f"cell{n}/1", fingerprint="tf32") for n in range(103)]
    page = text_of(render(of(tmp_path, *cases)))
    assert page.count("declares float32 for cell") == 100
    assert " 3 more places omitted" in page


def test_fuzzing_is_shown_beside_the_cases_and_not_among_them(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.header(), [sample.case()])
    later = sample.header(run_id="f", started_at="2026-11-22T08:03:38+00:00")
    sample.write(tmp_path, later, [sample.fuzzed(), sample.fuzzed(round=2, margin=0.5)])
    shown = model(tmp_path)
    assert len(shown.columns) == 1
    assert shown.columns[0].run.cases, "the run of cases is the column still"
    assert exit_code_of(shown) is ExitCode.CLEAN
    row = "✓ 0 256 200 54 0 2 0.500"
    assert row in text_of(render(shown))
    assert row in " ".join(printed(shown).split())


def test_an_alarm_of_fuzzing_is_a_failure(tmp_path: Path) -> None:
    find = sample.failed(case="fuzz/lstm/1-layer/…")
    shown = of(tmp_path, sample.case(), sample.fuzzed(found=[find], others=["fuzz/gru/…"]))
    assert exit_code_of(shown) is ExitCode.CONFORMANCE_FAILURE
    page = text_of(render(shown))
    assert "✗ 2 128 100 27" in page
    assert "fuzz/lstm/1-layer/…" in page
    assert find.card.strip().splitlines()[0] in page
    assert find.repeat in page


def test_a_tile_is_not_green_while_fuzzing_has_alarms(tmp_path: Path) -> None:
    find = sample.failed(case="fuzz/lstm/1-layer/…")
    fuzz = [sample.fuzzed(found=[find, find], others=["fuzz/gru/…"])]
    on_cuda = sample.fuzzed(device="cuda", others=["fuzz/gru/…"])

    def tile(folder: Path, records: list[FuzzRecord], **head: Any) -> str:
        sample.write(folder, sample.header(), [sample.case()])
        sample.write(folder, sample.header(run_id="f", **head), records)
        return render(model(folder)).partition('<ul class="verdicts">')[2].partition("</ul>")[0]

    alarmed = tile(tmp_path / "alarms", fuzz)
    assert '<span class="mark differs" aria-hidden="true">✗</span>' in alarmed
    assert '; <a href="#fuzzing">3 alarms of fuzzing</a>.' in alarmed
    for folder, records, head in (
        ("clean", [sample.fuzzed()], {}),
        ("other version", fuzz, {"backend_version": "torch 2.12.0"}),
        ("other device", [on_cuda], {"device": "cuda"}),
    ):
        green = tile(tmp_path / folder, records, **head)
        assert '<span class="mark agrees" aria-hidden="true">✓</span>' in green, folder
        assert "alarm" not in green, folder


def test_a_find_is_shown_once_with_its_reason_and_its_command(tmp_path: Path) -> None:
    """As a find of fuzzing that two rounds have, and as a case."""
    repeat, reason = "rnnspec check --case X", "y is 6.4 bounds from the truth"
    card = f"differs: X\n  {reason}\n  repeat           {repeat}"
    find = sample.failed(case="fuzz/lstm/1-layer/…", reason=reason, card=card, repeat=repeat)
    shown = of(tmp_path / "fuzz", sample.fuzzed(found=[find]), sample.fuzzed(round=2, found=[find]))
    page = text_of(render(shown))
    assert page.count(reason) == page.count(repeat) == 1
    assert shown.fuzzed[0].alarms == 2
    page = text_of(render(of(tmp_path / "case", msgspec.structs.replace(find, case="lstm/1"))))
    assert page.count(f"  {reason}") + page.count(f" {reason} repeat") == 1
    assert f"Run it again: {repeat}" not in page


def test_all_rounds_of_a_run_of_fuzzing_are_shown_together(tmp_path: Path) -> None:
    """Each backend shows whether it ended, where the time went, the seeds, and the finds, if not too many."""
    finds = [sample.failed(case=f"fuzz/lstm/{n}", reason=f"reason {n}.") for n in range(22)]
    with RunWriter(tmp_path, sample.header()) as writer:
        writer.write(sample.fuzzed(found=finds[:15]))
        writer.write(sample.fuzzed(round=2, found=finds[15:]))
    head = sample.header(run_id="j", backend="jax")
    other = sample.failed(case="fuzz/gru/0", backend="jax")
    sample.write(tmp_path, head, [sample.fuzzed(backend="jax", seed=8, found=[other])])
    html = render(model(tmp_path))
    page = text_of(html)
    assert "pytorch @ torch 2.13.0 @ cpu interrupted ✗ 22 256" in page
    assert "jax @ torch 2.13.0 @ cpu ✗ 1 128" in page, "a run that ended is not interrupted"
    assert "6.40 6 reference, 2 backend 7 " in page
    assert "6.40 3 reference, 1 backend 8 " in page
    assert [n for n in range(22) if f"reason {n}." in page] == list(range(20)), "across rounds"
    assert " 2 more alarms omitted" in page
    assert "fuzz/gru/0" in page, "the other backend's are shown too"
    assert 'href="#fuzzing"' in html
    assert 'href="#fuzzing"' not in render(of(tmp_path / "none", sample.case()))


def test_an_interrupted_run_of_fuzzing_hides_no_run_of_cases(tmp_path: Path) -> None:
    with RunWriter(tmp_path, sample.header(started_at="2026-11-20T08:00:00+00:00")) as writer:
        writer.write(sample.case())
    sample.write(tmp_path, sample.header(run_id="f"), [sample.fuzzed()])
    assert [run.cases for run in model(tmp_path).interrupted] == [(sample.case(),)]


def test_interrupted_and_bad_files_are_harness_errors(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a", sample.header()) as writer:
        writer.write(sample.case())
    shown = model(tmp_path / "a")
    assert exit_code_of(shown) is ExitCode.HARNESS_ERROR
    assert "interrupted" in printed(shown)
    assert "The run was interrupted." in text_of(render(shown))
    sample.write(tmp_path / "b", sample.header(), [sample.case()])
    (tmp_path / "b" / "broken.jsonl").write_bytes(b"{}\n")
    shown = model(tmp_path / "b")
    assert exit_code_of(shown) is ExitCode.HARNESS_ERROR
    for text in (printed(shown, 300), text_of(render(shown))):
        assert "unreadable" in text
        assert "broken.jsonl" in text


def test_the_command(samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    assert (
        command.main(["--runs", str(samples), "--site", str(site)]) is ExitCode.CONFORMANCE_FAILURE
    )
    assert str(site / "index.html") in capsys.readouterr().out
    names = {path.name for path in site.iterdir()}
    assert names == {"exports", "index.html"}, "nothing temporary is left"


def test_no_runs_is_not_enough_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--runs", str(tmp_path / "none"), "--site", str(tmp_path / "site")]
    assert command.main(arguments) is ExitCode.NOT_ENOUGH_DATA
    assert "no results" in capsys.readouterr().out
    page = (tmp_path / "site" / "index.html").read_text()
    assert "There are no results" in page
    assert "Every result" not in page, "of no result nothing can be said"


def test_speed_alone_is_no_nothing(tmp_path: Path) -> None:
    html = render(of(tmp_path, sample.measurement()))
    assert "Only speed was measured" in html
    assert "There are no results" not in html


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--colour"], "--colour: no such option"),
        (["--run", "x"], "--run: no such option; did you mean --runs?"),
        (["--runs"], "requires an argument"),
        (["--runs", __file__], "which is a file; expected a folder"),
        (["--site", __file__], "which is a file; expected a folder"),
        (["--site", f"{__file__}/below"], "cannot be written"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reports", *arguments],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.HARNESS_ERROR, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "results").exists()


# ---- text from elsewhere ------------------------------------------------------------------------


def test_text_is_clipped_visibly_and_steers_nothing() -> None:
    assert clip("a" * 1_000_000, 10) == "a" * 10 + " … [999,990 characters omitted]"
    assert clip("a\x1b[31m\u202eb\tc\nd") == "a\\x1b[31m\\u202eb\tc\nd"
    assert clip("\ud800") == "\\ud800"
    assert one_line("a\n b\t c") == "a b c"
    assert [number(x) for x in (None, 0.0, 0.49, 9.9, 123.4, 1234.5, 1e-7, 3e300)] == [
        "–", "0.00", "0.490", "9.90", "123", "1234", "1.0e-07", "3.0e+300"
    ]  # fmt: skip


def test_a_long_name_may_break_after_its_signs() -> None:
    assert breakable("a_b.c:D<e>") == "a_<wbr>b.<wbr>c:<wbr>D&lt;e&gt;"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("hostile")
    # Every string of every record; a name that is compared or switched on keeps to the schema.
    bad = {"case": f"lstm/{HOSTILE}", "dtype": HOSTILE, "reason": HOSTILE, "arithmetic": HOSTILE,
           "fingerprint": HOSTILE, "ran": HOSTILE, "card": HOSTILE, "repeat": HOSTILE,
           "backend": HOSTILE, "device": HOSTILE}  # fmt: skip
    records: list[Record] = [
        sample.failed(**bad),
        sample.failed(**bad | {"case": HOSTILE, "known": HOSTILE}),
        sample.case(**bad | {"case": "lstm/2", "outcome": "unsupported"}),
        sample.case(**bad | {"case": "lstm/3", "outcome": "errored", "card": HOSTILE * 10_000}),
        sample.measurement(workload=HOSTILE, backend=HOSTILE, device=HOSTILE, dtype=HOSTILE,
                           mode=HOSTILE, reason=HOSTILE, outcome="differs"),
    ]  # fmt: skip
    head = dict.fromkeys(("suite_version", "suite_commit", "backend", "device", "backend_version",
                           "command", "fingerprint"), HOSTILE)  # fmt: skip
    flags = {HOSTILE: HOSTILE}
    return of(folder, *records, **head, settings=flags, framework_defaults=flags,
              environment=sample.environment(cpu=HOSTILE, flags=flags, packages=flags))  # fmt: skip


def test_hostile_content_is_text_on_the_page(hostile: Matrix) -> None:
    html = render(hostile)
    tags = set(re.findall(r"<([a-zA-Z]+)", html))
    assert tags.isdisjoint({"img", "iframe", "object"}), tags
    assert html.count("<script") == 2, "our data and our script"
    assert not re.search(r"<[^>]*\son\w+=", html), "an event handler"
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    shown = text_of(html)
    assert "<script>alert(1)</script>" in shown, "shown for what it is"
    assert "{{ 7*7 }}" in shown
    assert "characters omitted" in shown


def test_hostile_content_is_text_in_the_terminal(hostile: Matrix) -> None:
    text = printed(hostile)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    assert "[red]b[/]" in printed(hostile, 1000), "markup is not taken for markup"


def test_long_and_many_texts_keep_the_page_small(tmp_path: Path) -> None:
    records = [
        sample.failed(case=f"lstm/{'x' * 60}{n}/float32", card="&" * 3_000, reason=f"{n}&" * 1_000,
                      known=f"{n}&" * 1_000 if n % 2 else None)
        for n in range(3_000)
    ]  # fmt: skip
    html = render(of(tmp_path, *records))
    assert len(html.encode()) < PAGE_LIMIT
    assert "[1,000 characters omitted]" in html
    assert re.search(r"[\d,]+ more reasons omitted", html)
    huge = "x" * 1_000_000
    assert len(render(of(tmp_path / "huge", sample.failed(reason=huge, card=huge, ran=huge,
                         repeat=huge, fingerprint=huge, case=huge)))) < 100_000  # fmt: skip


def test_more_cases_than_the_page_has_room_for_are_counted(tmp_path: Path) -> None:
    names = [f"lstm/{'x' * 80}{n}/float32" for n in range(9_000)]
    records = [sample.case(case=name) for name in names[1:]] + [sample.failed(case=names[0])]
    html = render(of(tmp_path, *records))
    assert len(html.encode()) < PAGE_LIMIT
    (omitted,) = re.findall(r"([\d,]+) more cases omitted to keep", html)
    listed = html.count("<tr><th scope=row>")
    assert listed + int(omitted.replace(",", "")) == 9_000
    assert html.index(names[0]) < html.index(names[1]), "what failed comes first"


def test_everything_at_once_keeps_the_page_small(tmp_path: Path) -> None:
    """Eleven backends with all that they can have, each part of the page with more than it has room for."""
    ids = [
        f"lstm/2-layer/bidirectional/ragged/pad-nan/state/bias/batch-major/b4-t8-i5-h6/{n}"
        for n in range(400)
    ]
    for place in range(11):
        backend = f"tensorflow_dynamic_rnn_{place}"
        for version in range(12):
            last = version == 11
            records: list[Record] = [
                (sample.failed if n % 20 == version else sample.case)(
                    case=f"{case}/{dtype}", dtype=dtype, backend=backend, known="because " * 20 if n % 40 else None)
                for dtype in ("float32", "float16") for n, case in enumerate(ids[: 400 if last else 40])
            ]  # fmt: skip
            records += [
                sample.measurement(workload=f"w/{n}", mode=mode, process=process, backend=backend)
                for n in range(40 if last else 12) for mode in ("forward", "training") for process in range(3)
            ]  # fmt: skip
            head = sample.header(run_id=f"r{place}-{version}", backend=backend,
                                 backend_version=f"tensorflow 2.{version}",
                                 started_at=f"2026-01-{version + 1:02}T00:00:00Z")  # fmt: skip
            sample.write(tmp_path / "runs", head, records)
    html = render(load_matrix(tmp_path / "runs", tmp_path / "index", [], date.max))
    assert len(html.encode()) < PAGE_LIMIT
    assert html.count(" omitted") > 10, "what there was no room for is counted"


def test_the_page_is_one_file_and_small(page: Path) -> None:
    html = page.read_text()
    assert len(html.encode()) < PAGE_LIMIT
    assert html.lstrip().startswith("<!doctype html>")
    assert not re.search(r"""(src|href)=(?!["'](#|data:))""", html), "nothing outside of the file"
    assert "url(" not in html
    assert "@import" not in html


def test_the_same_runs_give_the_same_page(samples: Path) -> None:
    assert render(model(samples)) == render(model(samples))


def test_every_number_of_the_matrix_is_on_the_page_and_in_the_terminal(samples: Path) -> None:
    shown = model(samples)
    html = render(shown)
    for row in shown.rows:
        for group in row.groups:
            if group.applicable:
                assert f"{group.agrees}/{group.applicable}" in html
    lines = printed(shown, 120).splitlines()
    assert max(len(line) for line in lines if "python -m" not in line and "unreadable" not in line and "no speed:" not in line
               and "interrupted" not in line) <= 120  # fmt: skip
    for status in STATUSES.values():
        assert f"{status.glyph} {status.word}" in "\n".join(lines)


def test_a_row_that_does_not_agree_shows_no_speed(tmp_path: Path) -> None:
    shown = of(tmp_path, sample.measurement(outcome="differs", reason="it is wrong"))
    for text in (text_of(render(shown)), printed(shown)):
        assert "no speed" in text
        assert "11.9" not in text, "the median, in ms"
    assert "it is wrong" in text_of(render(shown))


# ---- the page in a browser ----------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["with-javascript", "without-javascript"])
def tab(browser: Any, page: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened from its file; any log message or further request fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, offline=True, java_script_enabled=request.param
    )
    opened, heard = context.new_page(), []
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("request", lambda asked: heard.append(asked.url))
    opened.goto(page.as_uri())
    yield opened
    context.close()
    assert [text for text in heard if text.split("#")[0] not in (page.as_uri(), "data:,")] == []


def test_it_fits_a_phone(tab: Any) -> None:
    for details in (False, True):
        if details:
            tab.locator("td.differs a").first.click()
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"the body scrolls sideways: {width} px"


def test_a_figure_leads_to_its_cases(tab: Any) -> None:
    link = tab.locator("td.known a").first
    place = tab.locator(link.get_attribute("href"))
    assert not place.is_visible()
    link.focus()
    tab.keyboard.press("Enter")
    place.wait_for(state="visible", timeout=5_000)
    assert "known difference" in place.inner_text()


def test_details_open_by_keyboard(tab: Any) -> None:
    details = tab.locator("details.group").first
    details.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    assert details.evaluate("element => element.open")
    tab.keyboard.press("Space")
    assert not details.evaluate("element => element.open")
    tab.keyboard.press("Tab")
    focus = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.evaluate(focus) == "solid", "where the focus is can be seen"


def test_headings_and_tables_are_in_order(tab: Any) -> None:
    levels = [int(tag[1]) for tag in tab.locator("h1,h2,h3,h4,h5,h6").evaluate_all(
        "all => all.map(one => one.tagName)")]  # fmt: skip
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert tab.locator("table:not(:has(caption))").count() == 0, "every table has a caption"
    assert tab.locator("th:not([scope])").count() == 0, "every th has a scope"
    assert tab.evaluate("document.documentElement.lang") == "en"
    ids = tab.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_hostile_content_does_nothing_in_a_browser(
    browser: Any, hostile: Matrix, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened, heard = context.new_page(), []
    opened.on("dialog", lambda dialog: heard.append(dialog.message))
    opened.on("console", lambda message: heard.append(message.text))
    opened.goto(write_page(hostile, tmp_path).as_uri())
    opened.locator("td a").first.click()
    assert heard == []
    assert opened.locator("script").count() == 2, "our data and our script"
    assert opened.locator("img").count() == 0
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()

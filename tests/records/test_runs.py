"""Run files: what is written reads back, and what cannot be trusted is refused by name."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
import sample_runs as sample
from damaged_runs import DAMAGES, PLACES, SOUND

from records import reading
from records.exit_codes import ExitCode, exit_code
from records.runs import BadRunFile, RunWriter, read_folder, read_run
from records.schema import Outcome, Record, encode, json_schema

NASTY = 'x\n "ß" \u2028 \x1b[31m'
RECORDS: list[Record] = [
    sample.case(),
    sample.failed(case="lstm/2/float16", reason=NASTY, margin=float("nan")),
    sample.measurement(),
    sample.case(case="gru-before/1/float32", outcome="unsupported", worst=None, margin=None),
]
LINES = [encode(line) for line in (sample.header(), *RECORDS, sample.footer(RECORDS))]
TEXT = b"".join(line + b"\n" for line in LINES)


def put(folder: Path, content: bytes, name: str = "a.jsonl.gz") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def joined(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def changed(line: int, **fields: object) -> bytes:
    """The file with other values in one of its lines."""
    lines = list(LINES)
    lines[line] = json.dumps(json.loads(lines[line]) | fields).encode()
    return joined(*lines)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    path = sample.write(tmp_path, sample.header(), RECORDS)
    run = read_run(path)
    assert path.name == "20261121T080338Z-a1b2c3.jsonl.gz"
    assert list(tmp_path.iterdir()) == [path], "the .jsonl and the .part are gone"
    assert run.complete, run.why_incomplete
    assert (run.header, run.footer) == (sample.header(), sample.footer(RECORDS))
    assert run.records[0] == RECORDS[0]
    assert run.cases[1].margin is None, "JSON has no NaN: it is null"
    assert run.cases[1].reason == NASTY
    assert (len(run.cases), len(run.measurements)) == (3, 1)


def test_a_run_is_readable_while_it_is_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path, sample.header()) as writer:
        for n, record in enumerate(RECORDS):
            run = read_run(writer.path)
            assert (len(run.records), run.complete) == (n, False)
            assert "interrupted" in run.why_incomplete
            writer.write(record)
    assert len(read_run(writer.path).records) == len(RECORDS)


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    with RunWriter(tmp_path, sample.header()), pytest.raises(FileExistsError):
        RunWriter(tmp_path, sample.header())
    (tmp_path / "20261121T080338Z-a1b2c3.jsonl").unlink()
    path = sample.write(tmp_path, sample.header(), RECORDS)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="a finished run is never changed"):
        RunWriter(tmp_path, sample.header())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("run_id", ["", "../up", "a/b", ".hidden", "a b", "x" * 101, "a\n"])
def test_a_run_id_must_suit_a_file_name(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="expected 1 to 100 letters"):
        RunWriter(tmp_path, sample.header(run_id=run_id))
    assert not list(tmp_path.iterdir())


def test_a_footer_that_does_not_match_is_never_compressed(tmp_path: Path) -> None:
    with RunWriter(tmp_path, sample.header()) as writer:
        writer.write(sample.case())
        with pytest.raises(BadRunFile, match="the footer says outcomes"):
            writer.close(sample.footer([]))
    assert not list(tmp_path.glob("*.gz"))


def test_a_wrong_type_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path, sample.header()) as writer:
        with pytest.raises(msgspec.ValidationError, match="margin"):
            writer.write(sample.case(margin="big"))
        writer.write(sample.case())
        assert len(read_run(writer.path).records) == 1


def test_cut_off_at_any_byte_nothing_is_misread(tmp_path: Path) -> None:
    header_ends, all_but_newline = len(LINES[0]), len(TEXT) - 1
    path = tmp_path / "cut.jsonl"
    for size in range(len(TEXT) + 1):
        path.write_bytes(TEXT[:size])
        if size < header_ends:
            with pytest.raises(BadRunFile, match=r"empty|header is cut off"):
                read_run(path)
            continue
        run = read_run(path)
        kept = TEXT[:size].split(b"\n")
        whole = sum(text == line for text, line in zip(kept, LINES, strict=False))
        assert run.complete == (size >= all_but_newline), f"cut at {size}"
        assert len(run.records) == whole - 1 - run.complete, f"cut at {size}"
        expected = [encode(record) for record in RECORDS[: len(run.records)]]
        assert [encode(record) for record in run.records] == expected, f"cut at {size}"
        ragged = kept[-1] not in (b"", *LINES)
        assert ("cut off after" in run.why_incomplete) == ragged, (
            f"cut at {size}: {run.why_incomplete}"
        )


def test_a_gz_with_a_changed_byte_is_refused_or_unharmed(tmp_path: Path) -> None:
    path = sample.write(tmp_path, sample.header(), RECORDS)
    packed, before = path.read_bytes(), read_run(path)
    text = gzip.decompress(packed)
    refused = 0
    for place in range(len(packed)):
        flipped = bytearray(packed)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert read_run(path) == before, f"byte {place} changed what is read"
        except BadRunFile:
            refused += 1
        else:  # the header's time, hint or system, a code that is not used, or bits of padding
            assert gzip.decompress(flipped) == text, f"byte {place} changed the text unseen"
    assert refused > 0.9 * len(packed), f"{refused} of {len(packed)} changes are refused"


def test_a_gz_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = sample.write(tmp_path, sample.header(), RECORDS)
    packed = path.read_bytes()
    for size in range(len(packed)):
        path.write_bytes(packed[:size])
        with pytest.raises(BadRunFile):
            read_run(path)


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty; expected a header"),
    "blank": (b"\n\n", "line 1: empty"),
    "no header": (joined(*LINES[1:]), "line 1: expected a header, found a conformance"),
    "two headers": (joined(LINES[0], *LINES), "line 2: a second header"),
    "two footers": (joined(*LINES, LINES[-1]), "line 6: a footer that is not the last line"),
    "after the footer": (joined(*LINES, LINES[1]), "line 6: a footer that is not the last line"),
    "no footer": (joined(*LINES[:-1]), "no footer after line 5; a .gz must be a finished run"),
    "not JSON": (joined(*LINES[:2], b"{,}", *LINES[2:]), "line 3: not JSON: JSON is malformed"),
    "cut line": (joined(LINES[0], LINES[1][:-9], *LINES[2:]), "line 2: not JSON: Input data was"),
    "not an object": (joined(*LINES[:1], b"[]", *LINES[1:]), "line 2: violates the schema"),
    "unknown field": (changed(1, colour="red"), "line 2: .*unknown field `colour`"),
    "unknown kind": (changed(1, kind="joke"), "line 2: .*Invalid value 'joke'"),
    "wrong type": (changed(1, margin="big"), r"line 2: .*Expected `float \| null`, got `str`"),
    "wrong outcome": (changed(1, outcome="passed"), "line 2: .*Invalid enum value 'passed'"),
    "NaN": (joined(LINES[0], LINES[1].replace(b"0.31", b"NaN")), "line 2: not JSON"),
    "an empty line": (joined(*LINES[:2], b"", *LINES[2:]), "line 3: empty"),
    "newer schema": (changed(0, schema_version=2, extra=1), "line 1: schema_version 2, expected 1"),
    "not a time": (changed(0, started_at="noon"), "line 1: started_at"),
    "other backend": (changed(1, backend="jax"), "line 2: ran on .'jax', 'cpu'.* header says"),
    "other device": (changed(3, device="cuda"), "line 4: ran on .'pytorch', 'cuda'"),
    "twice": (joined(*LINES[:2], *LINES[1:]), "line 3: repeats the case of line 2"),
    "unpaired": (changed(3, limit_seconds=[0.1]), "line 4: 1 limit_seconds, expected .*: 4"),
    "uneven": (changed(3, processor_seconds=[0.1]), "line 4: 1 processor_seconds, expected .*: 3"),
    "no time": (
        changed(3, seconds=[0.0, 1.0, 1.0]),
        r"line 4: .*Expected `float` >= 1e-09 - at `\$.seconds\[0\]`",
    ),
    "hardly a time": (
        changed(3, seconds=[5e-324, 1.0, 1.0]),
        "line 4: .*Expected `float` >= 1e-09",
    ),
    "countless": (changed(3, flops=10**400), "line 4: .*flops"),
    "more bytes than there are": (
        changed(3, peak_memory_bytes=2**63),
        "line 4: .*Expected `int` <=",
    ),
    "fewer than none": (changed(3, process=-1), "line 4: .*Expected `int` >= 0"),
    "endless": (
        changed(3, seconds=[1.0, 1e300, 1.0]),
        r"line 4: .*Expected `float` <= 1000000000.0 - at `\$.seconds\[1\]`",
    ),
    "counts": (changed(5, counts={"agrees": 2}), "the footer says outcomes .*'agrees': 2"),
    "measurements": (changed(5, measurements=9), "the footer says measurements 9, .*holds 1"),
    "selected": (changed(5, selected=1), "the footer says 1 selected, but the file holds 3"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "line 1: not JSON"),
    "Latin-1": (TEXT.decode().encode("latin-1", "replace"), "line 3: not JSON"),
    "binary": (bytes(range(256)), "line 1: not JSON"),
    "nested": (b'{"a":' + b"[" * 100_000 + b"\n" + TEXT, "line 1: not JSON"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused(tmp_path: Path, name: str) -> None:
    content, why = MALFORMED[name]
    path = put(tmp_path, content)
    with pytest.raises(BadRunFile, match=why) as refused:
        read_run(path)
    assert str(path) in str(refused.value)


def reads(path: Path) -> bool:
    """Return True if the file is taken for a run file."""
    try:
        read_run(path)
    except BadRunFile as bad:
        return bad.path != path
    return True


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_wherever_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(SOUND)
    assert reads(path)
    misread = []
    for place in range(PLACES):
        path.write_bytes(DAMAGES[kind](place))
        misread += [place] if reads(path) else []
    assert not misread, f"{kind}: read where it is at the records {misread}"


@pytest.mark.parametrize("name", ["not JSON", "unknown field", "twice", "counts", "an empty line"])
def test_an_unfinished_file_is_refused_as_well(tmp_path: Path, name: str) -> None:
    content, why = MALFORMED[name]
    with pytest.raises(BadRunFile, match=why):
        read_run(put(tmp_path, content, "a.jsonl"))


def _folder(path: Path) -> None:
    path.mkdir()


OTHER: dict[str, tuple[Callable[[Path], object], str]] = {
    "not there": (lambda _: None, "no such file"),
    "a folder": (_folder, "expected a regular file"),
    "a pipe": (os.mkfifo, "expected a regular file"),
    "not gzip": (lambda path: path.write_bytes(TEXT), "Not a gzipped file"),
    "rubbish behind": (lambda path: path.write_bytes(gzip.compress(TEXT) + b"x"), "cannot be read"),
    "two members": (lambda path: path.write_bytes(gzip.compress(TEXT) * 2), "line 6: a footer"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_what_is_not_a_file_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    make, why = OTHER[name]
    path = tmp_path / "a.jsonl.gz"
    make(path)
    with pytest.raises(BadRunFile, match=why):
        read_run(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 10_000)
    for name in ("a.jsonl.gz", "a.jsonl"):
        with pytest.raises(BadRunFile, match="larger than 10,000 bytes, the limit for run files"):
            read_run(put(tmp_path, TEXT + b" " * 10_000, name))


@pytest.mark.processes
def test_a_killed_process_loses_no_record(tmp_path: Path) -> None:
    program = """
import sys, pathlib, itertools, sample_runs as sample
from records.runs import RunWriter
writer = RunWriter(pathlib.Path(sys.argv[1]), sample.header())
for n in itertools.count():
    writer.write(sample.case(case=f"lstm/{n}/float32"))
    print(n, flush=True)
"""
    paths = [str(Path(sample.__file__).parent), str(Path(__file__).parents[2])]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        assert process.stdout is not None
        for _ in range(200):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        written = 200 + len(process.stdout.readlines())
    (run,), bad = read_folder(tmp_path)
    assert not bad
    assert not run.complete
    assert written <= len(run.records) <= written + 1
    assert [record.case for record in run.cases][:2] == ["lstm/0/float32", "lstm/1/float32"]


def test_a_folder_is_read_in_order_and_what_is_bad_is_set_aside(tmp_path: Path) -> None:
    late = sample.header(run_id="late", started_at="2026-11-21T10:00:00+02:00")
    later = sample.header(run_id="later", started_at="2026-11-21T09:00:00Z")
    for head in (later, late):
        sample.write(tmp_path, head, RECORDS)
    put(tmp_path, b"{}\n", "broken.jsonl")
    put(tmp_path, TEXT, "ignored.json")
    runs, bad = read_folder(tmp_path)
    assert [run.header.run_id for run in runs] == ["late", "later"]
    assert [error.path.name for error in bad] == ["broken.jsonl"]


def test_a_run_killed_between_rename_and_removal_counts_once(tmp_path: Path) -> None:
    path = sample.write(tmp_path, sample.header(), RECORDS)
    path.with_suffix("").write_bytes(TEXT)
    runs, bad = read_folder(tmp_path)
    assert ([run.path for run in runs], bad) == ([path], [])
    path.write_bytes(b"bit rot")
    runs, bad = read_folder(tmp_path)
    assert [run.path for run in runs] == [path.with_suffix("")], "the copy that reads is used"
    assert [error.path for error in bad] == [path]


def test_a_folder_that_is_not_there_or_is_a_file(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "none") == ([], [])
    runs, (bad,) = read_folder(put(tmp_path, TEXT))
    assert not runs
    assert bad.why == "expected a folder of run files"


def test_the_published_schema_is_up_to_date_and_records_follow_it() -> None:
    published = Path(__file__).parents[2] / "records" / "record.schema.json"
    schema = json.loads(published.read_text())
    assert schema == json_schema(), "run: rnnspec report --schema > records/record.schema.json"
    validator = jsonschema.Draft202012Validator(schema)
    for line in LINES:
        validator.validate(json.loads(line))
    for wrong in ({"margin": "big"}, {"colour": "red"}, {"outcome": "passed"}, {"kind": "joke"}):
        assert not validator.is_valid(json.loads(LINES[1]) | wrong), wrong


Counts = dict[Outcome, int]


@pytest.mark.parametrize(
    ("counts", "more", "expected"),
    [
        ({"agrees": 3, "unsupported": 2}, {}, ExitCode.CLEAN),
        ({"agrees": 3, "differs": 2}, {"known": 2}, ExitCode.CLEAN),
        ({"agrees": 3, "differs": 2}, {"known": 1}, ExitCode.CONFORMANCE_FAILURE),
        ({"agrees": 3, "errored": 1}, {"harness_errors": 1}, ExitCode.CONFORMANCE_FAILURE),
        ({"agrees": 3}, {"regressions": 1, "missing": 1}, ExitCode.PERFORMANCE_REGRESSION),
        ({"agrees": 3, "inconclusive": 1}, {"harness_errors": 1}, ExitCode.HARNESS_ERROR),
        ({"agrees": 3, "inconclusive": 1}, {}, ExitCode.NOT_ENOUGH_DATA),
        ({"agrees": 3}, {"stale": 1}, ExitCode.CONFORMANCE_FAILURE),
        ({"agrees": 3}, {"missing": 1}, ExitCode.NOT_ENOUGH_DATA),
        ({"unsupported": 3}, {}, ExitCode.NOT_ENOUGH_DATA),
        ({}, {}, ExitCode.NOT_ENOUGH_DATA),
    ],
)
def test_exit_codes(counts: Counts, more: dict[str, int], expected: ExitCode) -> None:
    assert exit_code(counts, **more) is expected
